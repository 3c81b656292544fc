/** The kinds of payments, each both ways between the phone and a peer: open amount, without an invoice, in parts, too late, held. */
import { randomUUID } from 'node:crypto';
import { expiresAt } from '../../shared/ln/invoice/invoice.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { waitFor } from '../lab/wait.ts';
import {
  activeCount,
  awake,
  CAPACITY_SAT,
  ensureChannel,
  expectMoved,
  invoicesOfOurs,
  ours,
  payFromPhone,
  quietSums,
  untilActive,
  untilSent,
} from './channels.ts';
import type { Scenario } from './scenarios.ts';
import type { InteropPeer, InteropWorld } from './world.ts';

const PUSH_SAT = 90_000n;
/** What no one channel can carry, and the next best helps with. */
const REST_SAT = 15_000n;

export const kindScenarios: readonly Scenario[] = [
  {
    name: '(p) invoices without an amount',
    async run(world, interop) {
      const { peer } = interop;
      await ensureChannel(world, interop);
      const before = await quietSums(world, peer);
      const [text = ''] = await invoicesOfOurs(world, 1, undefined);
      const paid = await peer.pay(text, { amountMsat: 3_000_000n });
      if (!paid.ok) throw new Error(paid.error);
      const between = await quietSums(world, peer);
      expectMoved(before, between, 3_000n);
      await awake(world, async () => {
        const open = await peer.invoice(undefined);
        await untilSent(world, [await payFromPhone(world, open.text, { amountMsat: '2000000' })]);
      });
      expectMoved(between, await quietSums(world, peer), -2_000n);
      return '3000 sat in to the sleeping phone, 2000 out, each chosen by the payer';
    },
  },
  {
    name: '(q) keysend: payments without an invoice',
    async run(world, interop) {
      const { peer } = interop;
      await ensureChannel(world, interop);
      const before = await quietSums(world, peer);
      const paid = await peer.keysend(world.nodeId, 4_000_000n);
      if (!paid.ok) throw new Error(paid.error);
      const between = await quietSums(world, peer);
      expectMoved(before, between, 4_000n);
      await awake(world, async () => {
        const id = `keysend-${randomUUID()}`;
        const begun = await world.phone.call('keysend', { id, payee: peer.id, amountMsat: '1500000' });
        if (begun.state === 'failed') throw new Error(begun.failure);
        await untilSent(world, [id]);
      });
      expectMoved(between, await quietSums(world, peer), -1_500n);
      return '4000 sat in to the sleeping phone, 1500 out';
    },
  },
  {
    name: '(r) in parts over two channels',
    async run(world, interop) {
      const { peer } = interop;
      await ensureTwoChannels(world, interop);
      const before = await quietSums(world, peer);
      const amountIn = (await most(world, interop, 'receivableSat')) + REST_SAT;
      const [text = ''] = await invoicesOfOurs(world, 1, amountIn);
      const pushes = world.gcm.posts.length;
      const paid = await peer.pay(text);
      if (!paid.ok) throw new Error(paid.error);
      const woken = world.gcm.posts.length - pushes;
      const between = await quietSums(world, peer);
      expectMoved(before, between, amountIn);
      const received = (await world.phone.call('payments', null)).find((one) => one.text === text);
      const partsIn = received?.parts.length ?? 0;
      const amountOut = (await most(world, interop, 'sendableSat')) + REST_SAT;
      const id = await awake(world, async () => {
        const { text: theirs } = await peer.invoice(amountOut * 1_000n);
        const named = await payFromPhone(world, theirs);
        await untilSent(world, [named]);
        return named;
      });
      expectMoved(between, await quietSums(world, peer), -amountOut);
      const sent = (await world.phone.call('payments', null)).find((one) => one.id === id);
      const partsOut = sent?.parts.filter(({ state }) => state === 'settled').length ?? 0;
      if (partsIn < 2 || partsOut < 2) throw new Error(`${partsIn} parts in, ${partsOut} out`);
      return `${amountIn} sat in by ${partsIn} parts and ${woken} pushes to the sleeping phone, ${amountOut} out by ${partsOut}`;
    },
  },
  {
    name: '(s) invoices that ran out',
    async run(world, interop) {
      const { peer } = interop;
      await ensureChannel(world, interop);
      const before = await quietSums(world, peer);
      const { text: late } = await peer.invoice(1_000_000n, { expirySeconds: 1 });
      const [text = ''] = await invoicesOfOurs(world, 1, 2_000n, { expirySeconds: 1 });
      const until = Math.max(Date.now() + 2_000, endOf(late));
      const isAhead = until > Date.now() + 30_000;
      await waitFor(async () => Date.now() > until || isAhead, { what: 'both to run out' });
      const theirs = await peer.pay(text);
      if (theirs.ok) throw new Error('paid after its time');
      // LDK's clock is its last block, and a chain that is mined in a hurry runs ahead of ours.
      if (isAhead) return `theirs: ${theirs.error.slice(0, 60)}; ours not tried: by its clock, the chain's, it is not late; nothing moved`;
      const refused = await awake(world, () =>
        world.phone.call('pay', { id: `late-${peer.alias}-0`, text: late }).then(
          (payment) => payment.state,
          (error: unknown) => String(error),
        ),
      );
      if (!/expired/.test(refused)) throw new Error(refused);
      expectMoved(before, await quietSums(world, peer), 0n);
      return `theirs: ${theirs.error.slice(0, 60)}; ours: ${refused.slice(0, 60)}; nothing moved`;
    },
  },
  {
    name: '(t) a payment of ours that is held, then taken or given back',
    async run(world, interop) {
      const { peer } = interop;
      await ensureChannel(world, interop);
      const before = await quietSums(world, peer);
      const [taken, returned] = [await peer.invoice(2_000_000n, { hold: true }), await peer.invoice(3_000_000n, { hold: true })];
      const ids = await awake(world, async () => [await payFromPhone(world, taken.text), await payFromPhone(world, returned.text)]);
      for (const { paymentHash } of [taken, returned])
        await waitFor(async () => (await peer.invoiceState(paymentHash)) === 'held', {
          what: `${peer.alias} to hold it`,
          timeoutMs: 30_000,
        });
      // Every page is closed: both ends are taken by a worker that a push woke.
      await peer.settle(taken.paymentHash);
      await peer.cancel(returned.paymentHash);
      expectMoved(before, await quietSums(world, peer), -2_000n);
      const states = ids.map(async (id) => (await world.phone.call('payments', null)).find((one) => one.id === id)?.state);
      const [first, second] = await Promise.all(states);
      if (first !== 'sent' || second !== 'failed') throw new Error(`the first is ${first}, the second ${second}`);
      return 'one settled, one cancelled, both told to the sleeping phone';
    },
  },
];

/** Of an invoice, ms since 1970: after the last second in which it may be paid. */
function endOf(text: string): number {
  const parsed = parseInvoice(text, 'regtest');
  if (!parsed.ok) throw new Error(parsed.error.code);
  return (expiresAt(parsed.value) + 1) * 1_000;
}

/** Two channels with money on both sides. */
async function ensureTwoChannels(world: InteropWorld, interop: InteropPeer): Promise<void> {
  const { peer } = interop;
  for (let i = 0; i < 2; i += 1) {
    const active = await activeCount(world, peer);
    const good = (await ours(world, peer)).filter(
      ({ sendableSat = '0', receivableSat = '0' }) => BigInt(sendableSat) >= 2n * REST_SAT && BigInt(receivableSat) >= 2n * REST_SAT,
    );
    if (good.length >= 2) break;
    await world.phone.call('set-peer-policy', { peerId: peer.id, onOpen: 'sign', zeroConf: false });
    const opened = await peer.openChannel(world.nodeId, CAPACITY_SAT, { pushSat: PUSH_SAT });
    if (!opened.ok) throw new Error(opened.error);
    await untilActive(world, peer, active + 1);
  }
}

/** Of the channel that can carry the most. */
async function most(world: InteropWorld, { peer }: InteropPeer, way: 'sendableSat' | 'receivableSat'): Promise<bigint> {
  const each = (await ours(world, peer)).map((channel) => BigInt(channel[way] ?? '0'));
  return each.reduce((best, one) => (one > best ? one : best), 0n);
}
