/** Route hints of our invoices, from what the peers told of their channels to us. */
import { describe, expect, test } from 'vitest';
import { compare, fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { commitmentsOf } from '../../../shared/ln/channel/state.ts';
import { parseInvoice } from '../../../shared/ln/invoice/parse.ts';
import type { PeerMessage } from '../../../shared/ln/peer/wire.ts';
import { hash } from '../../../shared/ln/testing/opener.ts';
import { networkOf } from '../network.ts';
import { Collected, livePeers } from '../peers.ts';
import { round } from '../round.ts';
import { takeFrames } from '../sync.ts';
import type { TestNode } from '../testing.ts';
import { invoiceOf, type Payer, payScene, sync } from './testing.ts';

type ChannelUpdate = Extract<PeerMessage, { readonly name: 'channel_update' }>;

const hintsOf = async (node: TestNode) => {
  const parsed = parseInvoice((await invoiceOf(node, 1_000n)).text, 'regtest');
  if (!parsed.ok) throw new Error(parsed.error.code);
  return parsed.value.routeHints;
};

/** The names of the payer's channels: the one it gave us, and the one we gave it. */
const aliasesOf = (payer: Payer) =>
  payer.state.channels.map((channel) => {
    const commitments = commitmentsOf(channel);
    if (commitments?.remoteAlias === undefined) throw new Error('no alias');
    return { theirs: commitments.terms.localAlias, ours: commitments.remoteAlias };
  });

const updateOf = async (node: TestNode, payer: Payer, change: Partial<ChannelUpdate> = {}): Promise<ChannelUpdate> => {
  const view = await node.call('snapshot', null);
  const ours = fromHex(view.ok ? (view.value.nodeId ?? '') : '');
  return payer.signed({
    name: 'channel_update',
    signature: new Uint8Array(64),
    chainHash: networkOf('regtest').chainHash,
    shortChannelId: aliasesOf(payer)[0]?.ours ?? 0n,
    timestamp: 1_800_000_000,
    messageFlags: 3,
    channelFlags: compare(payer.keys.nodeId, ours) < 0 ? 0 : 1,
    cltvExpiryDelta: 80,
    htlcMinimumMsat: 1n,
    feeBaseMsat: 7,
    feeProportionalMillionths: 11,
    htlcMaximumMsat: 1_000_000_000n,
    ...change,
  });
};

const careful = { feeBaseMsat: 1_000, feeProportionalMillionths: 200, cltvExpiryDelta: 144 };
const told = { feeBaseMsat: 7, feeProportionalMillionths: 11, cltvExpiryDelta: 80 };

describe('a hint', () => {
  test('names the peer, the alias that it gave, and what it asks for; until it has told, what no node asks more than', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    if (anna === undefined) throw new Error('nobody');
    const where = { nodeId: anna.keys.nodeId, shortChannelId: aliasesOf(anna)[0]?.theirs };
    expect(await hintsOf(node)).toEqual([[{ ...where, ...careful }]]);
    anna.say(await updateOf(node, anna));
    await sync(node);
    expect(await hintsOf(node)).toEqual([[{ ...where, ...told }]]);
    // Kept over a new connection, with the record and not in the frozen peer.
    await round(node.ports, anna.peerId, [{ tag: 'disconnected', epoch: 1 }]);
    expect(await hintsOf(node)).toEqual([[{ ...where, ...told }]]);
  });

  test('is about the newest word of the peer only', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    if (anna === undefined) throw new Error('nobody');
    anna.say(await updateOf(node, anna));
    anna.say(await updateOf(node, anna, { timestamp: 1_799_999_999, feeBaseMsat: 1 }));
    anna.say(await updateOf(node, anna, { feeBaseMsat: 2 }));
    await sync(node);
    expect(await hintsOf(node)).toMatchObject([[told]]);
    anna.say(await updateOf(node, anna, { timestamp: 1_800_000_001, feeBaseMsat: 3 }));
    await sync(node);
    expect(await hintsOf(node)).toMatchObject([[{ feeBaseMsat: 3 }]]);
    // Disabled: its peer was away, which says nothing of when the payment comes.
    const { channelFlags } = await updateOf(node, anna);
    anna.say(await updateOf(node, anna, { timestamp: 1_800_000_002, channelFlags: channelFlags | 2, feeBaseMsat: 4 }));
    await sync(node);
    expect(await hintsOf(node)).toMatchObject([[{ feeBaseMsat: 4 }]]);
  });

  const lies: readonly (readonly [string, (good: ChannelUpdate, payer: Payer) => ChannelUpdate])[] = [
    ['a signature of nobody', (good) => ({ ...good, feeBaseMsat: 1 })],
    ['another chain', (good, payer) => payer.signed({ ...good, chainHash: hash('other') })],
    ['another channel', (good, payer) => payer.signed({ ...good, shortChannelId: 77n })],
    ['our direction', (good, payer) => payer.signed({ ...good, channelFlags: good.channelFlags ^ 1 })],
  ];
  test.each(lies)('takes nothing from an update with %s', async (_, lie) => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    if (anna === undefined) throw new Error('nobody');
    anna.say(lie(await updateOf(node, anna), anna));
    await sync(node);
    expect(await hintsOf(node)).toMatchObject([[careful]]);
    // It costs nothing: the same connection, and the channel goes on.
    expect((await livePeers(node.ports)).map(({ state }) => [state.link, state.epoch])).toEqual([['ready', 1]]);
  });

  test('is there for each of the three channels that can receive the most', async () => {
    const { node, payers } = await payScene(['anna', 'bert'], 2);
    const [anna, bert] = payers;
    if (anna === undefined || bert === undefined) throw new Error('nobody');
    // What is under way takes room: anna's first channel has the least, her second the most.
    anna.offer('much', { amountMsat: 200_000_000n, paymentHash: hash('x'), cltvExpiry: 2_000 });
    bert.offer('little', { amountMsat: 50_000_000n, paymentHash: hash('z'), cltvExpiry: 2_000 });
    bert.offer('some', { amountMsat: 100_000_000n, paymentHash: hash('y'), channel: 1, cltvExpiry: 2_000 });
    await takeFrames(
      node.ports,
      payers.flatMap(({ waiting }) => waiting),
      new Collected(),
    );
    const hints = await hintsOf(node);
    expect(hints.map(([hop]) => hop?.shortChannelId)).toEqual([
      aliasesOf(anna)[1]?.theirs,
      aliasesOf(bert)[0]?.theirs,
      aliasesOf(bert)[1]?.theirs,
    ]);
    expect(hints.flat().map(({ nodeId }) => toHex(nodeId))).toEqual([anna.peerId, bert.peerId, bert.peerId]);
  });

  test('is there for each peer before there is a second for any', async () => {
    const { node, payers } = await payScene(['anna', 'bert'], 3);
    // All of anna's can receive more than any of bert's.
    for (let channel = 0; channel < 3; channel += 1) {
      const { paymentHash, paymentSecret } = await invoiceOf(node, 10_000_000n);
      payers[1]?.offer(`${channel}`, { amountMsat: 10_000_000n, paymentHash, paymentSecret, channel });
      await sync(node);
    }
    const peers = (await hintsOf(node)).map(([hop]) => hop && toHex(hop.nodeId));
    const [anna, bert] = payers.map(({ peerId }) => peerId);
    expect(peers).toEqual([anna, bert, anna]);
  });

  test('there is none without a channel', async () => {
    const { node } = await payScene([]);
    expect(await hintsOf(node)).toEqual([]);
  });
});
