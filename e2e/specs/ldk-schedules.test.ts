/**
 * Random schedules of the bare engine against a real LDK node: payments both ways that are held, fulfilled and failed, connections cut
 * before any one frame, restarts of either side and new feerates, on a channel that LDK opened and on one of ours. After each of them
 * both sides must agree on every payment and on the sums, and neither may have said `error` or `warning`.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { equal } from '../../shared/lib/bytes.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import { broadcasts, watches } from '../../shared/ln/peer/machine.ts';
import { parseTransaction } from '../../shared/ln/tx/parse.ts';
import { type Chain, startChain } from '../lab/chain.ts';
import { fastCurve } from '../lab/curve.ts';
import { follow, REGTEST_GENESIS } from '../lab/source.ts';
import { waitFor } from '../lab/wait.ts';
import { createWallet, type Wallet } from '../lab/wallet.ts';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';
import { LdkLine, ldkMove, noCounts } from './ldk-line.ts';

const RUNS = Number(process.env.BECKON_LDK_SCHEDULES ?? 60);
/** Of a run that failed. Keys and onions are drawn anew, so it plays the same moves, not the same bytes. */
const seed = process.env.BECKON_LDK_SEED;
const CHANNEL_SAT = 1_000_000n;
const HALF_SAT = CHANNEL_SAT / 2n;

const dir = mkdtempSync(join(tmpdir(), 'beckon-ldk-schedules-'));
const counts = noCounts();
let chain: Chain;
let ldk: LdkPeer;
let lines: { readonly theirs: LdkLine; readonly ours: LdkLine };

beforeAll(async () => {
  await fastCurve();
  chain = await startChain();
  ldk = await createLdkPeer({ alias: 'Alice', source: chain, dir });
  await ldk.start();
  const theirs = new LdkLine(ldk, chain.height, counts);
  const coins = createWallet(new Uint8Array(randomBytes(32)));
  const ours = new LdkLine(ldk, chain.height, counts, (effect) => fund(coins, effect));
  await chain.fund(await ldk.address(), 10_000_000n);
  await chain.fund(coins.address, 10_000_000n);
  await chain.mine();
  await ldk.settled();
  await follow(chain, { height: 0, hash: REGTEST_GENESIS }, coins);
  lines = { theirs, ours };
  await open();
}, 60_000);
afterAll(async () => {
  for (const { node } of [lines.theirs, lines.ours]) node.lose(true);
  await ldk.stop();
  await chain.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The funding transaction of the channel that we open. */
function fund(coins: Wallet, effect: Extract<PeerEffect, { tag: 'fund' }>): PeerCommand {
  const paid = coins.pay(effect.scriptPubKey, effect.amountSat);
  if (!paid.ok) throw new Error(paid.error);
  const { temporaryChannelId: channelId } = effect;
  const transaction = paid.value.raw;
  const vout = outputOf(transaction, effect.scriptPubKey);
  return { tag: 'channel', channelId, command: { tag: 'funded', transaction, vout } };
}

function outputOf(raw: Uint8Array, script: Uint8Array): number {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error('our wallet makes transactions that can be read');
  return parsed.value.outputs.findIndex((output) => equal(output.scriptPubKey, script));
}

async function open(): Promise<void> {
  const { theirs, ours } = lines;
  for (const { node } of [theirs, ours]) await node.connect(ldk);
  const hearing = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
    await waitFor(
      async () => {
        for (const line of [theirs, ours]) await line.listen();
        return condition();
      },
      { what, timeoutMs: 30_000 },
    );
  };
  const opening = ldk.openChannel(theirs.node.id, CHANNEL_SAT, { pushSat: HALF_SAT });
  const request = { fundingAmountSat: CHANNEL_SAT, pushMsat: HALF_SAT * 1_000n, feeratePerKw: 253, isPublic: false };
  ours.node.step({ tag: 'open', request: 'ours', open: request });
  await hearing('both fundings', () => [theirs, ours].every(({ node }) => node.state.channels[0]?.tag === 'wait-for-funding-confirmed'));
  expect(await opening).toMatchObject({ ok: true });
  for (const transaction of broadcasts(ours.node.state)) expect(await chain.submit(transaction)).toMatchObject({ ok: true });
  await chain.mine(6);
  await ldk.settled();
  for (const { node } of [theirs, ours])
    for (const { outpoint } of watches(node.state))
      node.step({
        tag: 'chain',
        event: { tag: 'funding-confirmed', outpoint, height: chain.height() - 5, txIndex: 1, depth: 6 },
      });
  await hearing('both channels', async () => {
    const active = (await ldk.channels()).filter((channel) => channel.active);
    return active.length === 2 && [theirs, ours].every(({ node }) => node.state.channels[0]?.tag === 'normal');
  });
}

test(`${RUNS} random schedules against LDK end with every payment settled once, and the sums agreed`, { timeout: 400_000 }, async () => {
  const schedule = fc.record({
    opener: fc.constantFrom('ours' as const, 'theirs' as const),
    moves: fc.array(ldkMove, { minLength: 10, maxLength: 25, size: 'max' }),
  });
  try {
    await fc.assert(
      fc.asyncProperty(schedule, ({ opener, moves }) => lines[opener].run(moves)),
      // What went before is still in the channel: a smaller one would not be played from the same start.
      { numRuns: RUNS, endOnFailure: true, timeout: 60_000, ...(seed === undefined ? {} : { seed: Number(seed) }) },
    );
  } finally {
    console.table(counts);
  }
  expect(counts.schedules).toBe(RUNS);
  // A few in each run, if not by the least of chances.
  for (const what of ['we paid', 'we failed', 'they paid', 'they failed', 'cuts', 'new feerates'] as const)
    expect(counts[what], what).toBeGreaterThan(0);
});
