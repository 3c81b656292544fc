/**
 * `npm run interop`: real LND and LDK open channels to the app in a stock Chromium whose every page is closed; pushes wake it.
 * One line per scenario and peer, then `N passed, N failed`. For a quick look: BECKON_HOLD_MS shortens the hold of (b),
 * BECKON_ONLY=a,c runs just those (or `simple close`: those with these words in their name), BECKON_TIMES each that often.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBrowser } from './browsers.ts';
import { announceScenarios } from './interop/announce.ts';
import { cheatScenarios } from './interop/cheats.ts';
import { closeScenarios } from './interop/closes.ts';
import { cutScenarios } from './interop/cuts.ts';
import { farScenarios } from './interop/far.ts';
import { kindScenarios } from './interop/kinds.ts';
import { oldContract } from './interop/old-contract.ts';
import { paymentScenarios } from './interop/payments.ts';
import { scenarios } from './interop/scenarios.ts';
import { startInteropWorld } from './interop/world.ts';
import { buildIfStale } from './lab/dist.ts';

type Row = { readonly scenario: string; readonly peer: string; readonly verdict: string; readonly seconds: string; readonly seen: string };

const found = ensureBrowser('chromium');
if (found.path === undefined) throw new Error(found.reason);
await buildIfStale(join(import.meta.dirname, '..'), console.log);
const dir = mkdtempSync(join(tmpdir(), 'beckon-interop-'));
const world = await startInteropWorld(dir, console.log);
const rows: Row[] = [];

/** What the app and the peers thought when a scenario failed. */
async function tellState(): Promise<void> {
  const { peers, channels } = await world.phone.call('snapshot', null);
  const activity = await world.phone.call('activity', { limit: 15 });
  const payments = (await world.phone.call('payments', null)).slice(0, 3);
  console.log(
    JSON.stringify(
      { peers, channels, activity, payments, shown: await world.phone.notifications(), workerErrors: world.phone.browser.workers.errors },
      null,
      1,
    ),
  );
  for (const { peer } of world.peers) console.log(peer.alias, await peer.channels(), peer.lastError());
}

async function run(scenario: string, peer: string, work: () => Promise<string>): Promise<void> {
  const began = Date.now();
  let verdict = 'passed';
  let seen: string;
  try {
    seen = await work();
  } catch (error) {
    verdict = 'failed';
    await tellState();
    seen = error instanceof Error ? `${error.message}${error.cause instanceof Error ? ` (${error.cause.message})` : ''}` : String(error);
  }
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  rows.push({ scenario, peer, verdict, seconds, seen });
  console.log(`${verdict.padEnd(7)} ${seconds.padStart(6)} s  ${peer.padEnd(4)} ${scenario}: ${seen}`);
}

const only = process.env.BECKON_ONLY;
const all = [
  ...scenarios,
  ...paymentScenarios,
  ...kindScenarios,
  ...farScenarios,
  ...cutScenarios,
  ...closeScenarios,
  ...cheatScenarios,
  ...announceScenarios,
];
const isWanted = ({ name }: { readonly name: string }): boolean =>
  only === undefined || only.split(',').some((part) => (part.length === 1 ? name.startsWith(`(${part})`) : name.includes(part)));
const times = Number(process.env.BECKON_TIMES ?? 1);
for (const scenario of all.filter(isWanted).flatMap((one) => Array.from({ length: times }, () => one))) {
  // The hold and the relay's death are one event for both peers; the others are each peer's own.
  if (scenario.together === true)
    await Promise.all(world.peers.map((peer) => run(scenario.name, peer.peer.alias, () => scenario.run(world, peer))));
  else
    for (const peer of world.peers.filter(({ peer }) => (scenario.only ?? peer.alias) === peer.alias))
      await run(scenario.name, peer.peer.alias, () => scenario.run(world, peer));
}
for (const { peer } of world.peers)
  await run('older contract: bolt08 and bolt02 as client get the init', peer.alias, () => oldContract(world.relay.url, peer));

const failed = rows.filter((row) => row.verdict === 'failed').length;
if (failed > 0) {
  console.log(world.relay.log.slice(-60).join('\n'));
  console.log(`logs of LND and btcd: ${dir}`);
}
await world.stop();
if (failed === 0) rmSync(dir, { recursive: true, force: true });

console.table(rows);
console.log(`${rows.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
