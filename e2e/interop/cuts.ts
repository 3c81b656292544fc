/** The wire cut at every piece of a payment, both ways, and fees that change. No phone is needed for these. */

import { round } from '../../app/runtime/round.ts';
import { fromHex } from '../../shared/lib/bytes.ts';
import { waitFor } from '../lab/wait.ts';
import { ensureChannel, expectMoved, ours, quietSums } from './channels.ts';
import {
  invoiceOf,
  type Node,
  openToNode,
  ourChannel,
  payFrom,
  quiet,
  startNode,
  stirring,
  stirUntil,
  stopNode,
  theirChannels,
} from './node.ts';
import type { Scenario } from './scenarios.ts';

const AMOUNT_SAT = 2_000n;
const MOST_CUTS = 30;
/** A payment is add, two signatures, two revocations and the same back; what is sent at one moment can be one piece. */
const FEWEST_CUTS = 4;
const MOST_TRIES = 40;

export const cutScenarios: readonly Scenario[] = [
  {
    name: '(h) fees changed',
    async run(world, interop) {
      const { peer } = interop;
      const told: string[] = [];
      if (peer.setFeerate !== undefined) {
        await ensureChannel(world, interop);
        await world.phone.sleep();
        const perKw = 1_500;
        await peer.setFeerate(perKw);
        await waitFor(async () => (await ours(world, peer)).some((channel) => channel.feeratePerKw === perKw), {
          what: 'the new feerate in our commitment',
          timeoutMs: 30_000,
        });
        await quietSums(world, peer);
        told.push(`theirs (${perKw} sat/kw) taken by the sleeping phone`);
      } else told.push('theirs not seen: it sends update_fee by a timer of 10 to 60 minutes');
      const node = await startNode(world, peer);
      try {
        const address = await node.self.call('receive-address', null);
        if (!address.ok) throw new Error(address.error.code);
        await world.btcd.fund(address.value.address, 500_000n);
        await world.btcd.mine(1);
        const order = { peerId: peer.id, amountSat: '300000', isPublic: false, feerateSatPerVb: 2 };
        await stirUntil(node, 'the channel to be opened', async () => (await node.self.call('open-channel', order)).ok);
        await stirUntil(node, 'its funding to be broadcast', async () => {
          const { tag, fundingTxid } = await ourChannel(node);
          return tag === 'wait-for-funding-confirmed' && Boolean(await world.btcd.rpc('getrawtransaction', [fundingTxid]));
        });
        await world.btcd.mine(6);
        await stirUntil(node, 'the channel to be active', async () => (await theirChannels(node)).some((channel) => channel.active));
        const { id, feeratePerKw = 0 } = await ourChannel(node);
        const next = feeratePerKw + 700;
        await round(node.self.ports, peer.id, [
          { tag: 'channel', channelId: fromHex(id), command: { tag: 'set-fee', feeratePerKw: next } },
        ]);
        await stirUntil(node, 'the peer to sign for it', async () => (await ourChannel(node)).feeratePerKw === next);
        const paid = await payFrom(node, (await peer.invoice(5_000_000n)).text);
        if (paid !== 'sent') throw new Error(paid);
        await quiet(node);
        told.push(`ours (${feeratePerKw} → ${next}) taken by the peer, a payment after it`);
      } finally {
        await stopNode(node);
      }
      return told.join('; ');
    },
  },
  {
    name: '(i) the wire cut at every piece of a payment',
    together: true,
    async run(world, { peer }) {
      const node = await startNode(world, peer);
      try {
        await openToNode(world, node, 500_000n, 200_000n);
        const into = await cutEverywhere(node, 'in');
        const out = await cutEverywhere(node, 'out');
        return `${into} places of a payment to us, ${out} of one by us; each made exactly once`;
      } finally {
        await stopNode(node);
      }
    },
  },
];

/** One payment for each place, until one in which nothing was left to cut. */
async function cutEverywhere(node: Node, way: 'in' | 'out'): Promise<number> {
  for (let at = 0; at < MOST_CUTS; at += 1) {
    const before = await quiet(node);
    let seen = 0;
    let cut = false;
    const text = way === 'in' ? await invoiceOf(node, AMOUNT_SAT) : (await node.peer.invoice(AMOUNT_SAT * 1_000n)).text;
    const stop = node.wire.cutWhen(() => {
      seen += 1;
      cut = seen > at;
      return cut;
    });
    const pay = async (): Promise<boolean> =>
      way === 'in' ? (await stirring(node, 'their payment to end', node.peer.pay(text))).ok : (await payFrom(node, text)) === 'sent';
    let paid = await pay();
    // LND takes a second after a reconnection before it looks for a way over the channel; until then nothing is said that could be cut.
    for (let tries = 0; !paid && seen === 0 && tries < MOST_TRIES; tries += 1) paid = await pay();
    const after = await quiet(node);
    stop();
    expectMoved(before, after, paid ? signed(way) : 0n);
    // What was never committed to may be given up; then nothing has moved, and it is paid now.
    for (let tries = 0; !paid && tries < MOST_TRIES; tries += 1) paid = await pay();
    expectMoved(before, await quiet(node), signed(way));
    if (cut) continue;
    if (at < FEWEST_CUTS) throw new Error(`only ${at} places in a payment`);
    return at;
  }
  throw new Error(`still something to cut after ${MOST_CUTS} places`);
}
const signed = (way: 'in' | 'out'): bigint => (way === 'in' ? AMOUNT_SAT : -AMOUNT_SAT);
