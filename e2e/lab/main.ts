/**
 * `npm start`: builds the app where needed, starts the embedded world (chain, relay, Alice, Bob, Carol) and prints where to look.
 * Options after `--`: `--fresh` forgets the last run, `--mine-every <seconds>` mines by itself.
 * `BECKON_DATA` names the folder (default `data` in the project), `PORT` the port (default 8420).
 */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildIfStale } from './dist.ts';
import { lockFolder } from './lock.ts';
import { startWorld, type World } from './world.ts';

const ROOT = resolve(import.meta.dirname, '../..');

async function main(): Promise<World> {
  const { values } = parseArgs({ options: { fresh: { type: 'boolean', default: false }, 'mine-every': { type: 'string' } } });
  const mineEvery = values['mine-every'] === undefined ? undefined : Number(values['mine-every']);
  if (mineEvery !== undefined && !(mineEvery >= 1)) throw new Error('--mine-every wants a number of seconds, 1 or more');

  // A folder of its own: `--fresh` must not take anything else with it.
  const dataDir = join(resolve(process.env.BECKON_DATA ?? join(ROOT, 'data')), 'lab');
  // Not under the feet of a run that is still there.
  if (values.fresh) lockFolder(dataDir)();
  if (values.fresh) rmSync(dataDir, { recursive: true, force: true });
  await buildIfStale(ROOT, console.log);

  const world = await startWorld({ dataDir, env: { BECKON_APP: join(ROOT, 'dist', 'app'), ...process.env } });
  const miner = mineEvery === undefined ? undefined : setInterval(() => void world.chain.mine(), mineEvery * 1000);
  console.log(`\nBeckon, with a chain and three peers of its own (regtest, height ${world.chain.height()}).\n`);
  console.log(`  open    ${world.url}`);
  for (const { alias, id, host, port } of world.peers) console.log(`  ${alias.padEnd(8)}${id}@${host}:${port}`);
  console.log(`\nKept in ${dataDir}; "npm start -- --fresh" starts over. Ctrl-C ends it.`);
  return {
    ...world,
    async stop() {
      clearInterval(miner);
      await world.stop();
    },
  };
}

try {
  const world = await main();
  let stopping = false;
  const stop = async (): Promise<void> => {
    // A second Ctrl-C means: now.
    if (stopping) process.exit(1);
    stopping = true;
    await world.stop();
    process.exit(0);
  };
  process.on('SIGINT', () => void stop());
  process.on('SIGTERM', () => void stop());
} catch (error) {
  const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  const words = error instanceof Error ? error.message : String(error);
  console.error(inUse ? `Port ${process.env.PORT ?? 8420} is in use; PORT=… takes another.` : words);
  process.exit(1);
}
