/**
 * `npm run matrix -- [--chain bcoin|btcd] [--cells N] [--only "<name>"]`: malicious closes on a real node, and a table of how they
 * ended. All cells unless told otherwise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startChain } from '../lab/chain.ts';
import { rememberingCurve } from '../lab/curve.ts';
import { startBtcd } from '../peers/btcd.ts';
import { peerBinaries } from '../peers/build.ts';
import { allCells, sample } from './cells.ts';
import { failuresOf, playMatrix, tableOf } from './matrix.ts';

const { values } = parseArgs({
  options: { chain: { type: 'string', default: 'bcoin' }, cells: { type: 'string' }, only: { type: 'string' } },
});
const all = allCells();
const wanted = values.cells === undefined ? all.length : Number(values.cells);
const cells = values.only === undefined ? sample(all, wanted) : all.filter(({ name }) => name === values.only);
if (cells.length === 0) throw new Error('there is no such cell');

await rememberingCurve();
const dir = mkdtempSync(join(tmpdir(), 'beckon-matrix-'));
const node =
  values.chain === 'btcd'
    ? await startBtcd({ bin: (await peerBinaries(console.log)).btcd, dir, flags: ['--rejectnonstd'] })
    : await startChain({ standard: true });
const started = performance.now();
try {
  const outcomes = await playMatrix(node, cells, (done) => console.log(`${done} of ${cells.length}`));
  console.table(tableOf(outcomes));
  const failures = failuresOf(outcomes);
  for (const failure of failures) console.error(failure);
  console.log(`${outcomes.length - failures.length} of ${outcomes.length} cells passed on ${values.chain}`);
  console.log(`${Math.round((performance.now() - started) / 1000)} s`);
  if (failures.length > 0) process.exitCode = 1;
} finally {
  await node.stop();
  rmSync(dir, { recursive: true, force: true });
}
