/** What a person asks of channels, as pages ask it: opened from our own coins, closed with the peer or without, refused with a reason. */
import { describe, expect, test } from 'vitest';
import { fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { ok } from '../../shared/lib/result.ts';
import type { FundingCreated } from '../../shared/ln/channel/message.ts';
import { channelIdOf, commitmentsOf } from '../../shared/ln/channel/state.ts';
import type { PeerMessage } from '../../shared/ln/peer/wire.ts';
import { type Acceptor, makeAcceptor } from '../../shared/ln/testing/acceptor.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { parseTransaction } from '../../shared/ln/tx/parse.ts';
import { serializeTransaction, type Transaction } from '../../shared/ln/tx/transaction.ts';
import { addressOf } from '../../shared/ln/wallet/address.ts';
import type { RequestOf } from '../../shared/protocol/session.ts';
import { commit } from '../store/store.ts';
import type { Api, ApiErrorCode, ChannelView, Speed } from './api.ts';
import { round } from './round.ts';
import { FakeRelay, peerAddress, peerIdHex, rules, storedPeer, type TestNode, testNode, walletNode } from './testing.ts';
import { walletSaw, walletWatches } from './wallet.ts';

const HEIGHT = 1_000;
const theirScript = Uint8Array.of(0, 20, ...new Uint8Array(20).fill(7));
const errorOf = (code: ApiErrorCode) => ({ ok: false, error: { code } });

/** A peer that takes our channels, with real keys; `silent`: it never answers an `open_channel`. */
class Taker {
  acceptor: Acceptor | undefined;
  created: FundingCreated | undefined;
  silent = false;
  readonly heard: PeerMessage[] = [];
  readonly broadcast: Uint8Array[] = [];
  readonly relay = new FakeRelay();

  constructor() {
    this.relay.peer.offers = false;
    this.relay.peer.hear = (msg) => this.#hear(msg);
    this.relay.meddle = async (op, body, honest) => {
      if (op !== 'chain/broadcast') return honest();
      const raw = fromHex((body as RequestOf<'chain/broadcast'>).raw);
      const parsed = parseTransaction(raw);
      if (!parsed.ok) throw new Error('broadcast of what is no transaction');
      this.broadcast.push(raw);
      return ok({ txid: toHex(reversed(parsed.value.txid)) });
    };
  }

  #hear(msg: PeerMessage): PeerMessage[] {
    this.heard.push(msg);
    if (msg.name === 'open_channel' && !this.silent) {
      this.acceptor = makeAcceptor(msg);
      return [this.acceptor.accept];
    }
    if (msg.name === 'funding_created' && this.acceptor) {
      expect(this.acceptor.checksFundingCreated(msg)).toBe(true);
      this.created = msg;
      return [this.acceptor.fundingSigned(msg)];
    }
    return [];
  }
  get names(): readonly string[] {
    return this.heard.map(({ name }) => name);
  }
}

async function pay(node: TestNode, ...amounts: readonly bigint[]): Promise<void> {
  await walletWatches(node.ports);
  const keys = await node.ports.keys();
  if (keys === undefined) throw new Error('no wallet');
  for (const [i, amountSat] of amounts.entries()) {
    const inputs = [{ outpoint: { txid: hash(`payer ${i} ${amountSat}`), vout: 0 }, sequence: 0, witness: [Uint8Array.of(1)] }];
    const transaction: Transaction = {
      version: 2,
      lockTime: 0,
      inputs,
      outputs: [{ amountSat, scriptPubKey: keys.wallet.scriptPubKey(i) }],
    };
    await walletSaw(node.ports, { transaction: serializeTransaction(transaction), height: HEIGHT });
  }
}

/** Connected, with coins. */
async function richNode(taker: Taker, ...amounts: readonly bigint[]): Promise<TestNode> {
  const node = await walletNode({ relay: taker.relay });
  await commit(node.ports.db, { settings: { chain: { state: new Uint8Array(), height: HEIGHT, tipTimeMs: 0, checkedAtMs: 0 } } });
  await pay(node, ...amounts);
  expect(await node.call('connect-peer', { address: peerAddress })).toMatchObject({ ok: true });
  return node;
}
const request: Api['open-channel'][0] = { peerId: peerIdHex, amountSat: '200000', isPublic: false, feerateSatPerVb: 5 };

async function channels(node: TestNode): Promise<readonly ChannelView[]> {
  const view = await node.call('snapshot', null);
  if (!view.ok) throw new Error(view.error.code);
  expect(JSON.parse(JSON.stringify(view.value))).toEqual(view.value);
  return view.value.channels;
}
async function only(node: TestNode): Promise<ChannelView> {
  const [channel, ...others] = await channels(node);
  if (channel === undefined || others.length > 0) throw new Error('not one channel');
  return channel;
}
const value = async <T>(
  answer: Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }>,
): Promise<T> => {
  const got = await answer;
  if (!got.ok) throw new Error(JSON.stringify(got.error));
  return got.value;
};

/** A channel of ours that both sides call ready. */
async function readyChannel(
  taker = new Taker(),
): Promise<{ node: TestNode; taker: Taker; channel: ChannelView; at: { peerId: string; channelId: string } }> {
  const node = await richNode(taker, 300_000n);
  await value(node.call('open-channel', request));
  const state = await storedPeer(node);
  const commitments = state?.channels[0] && commitmentsOf(state.channels[0]);
  if (!commitments || !taker.acceptor || !taker.created) throw new Error('not signed');
  const outpoint = commitments.fundingOutpoint;
  taker.relay.deliver([taker.acceptor.channelReady(taker.created)]);
  await round(node.ports, peerIdHex, [
    { tag: 'chain', event: { tag: 'funding-confirmed', outpoint, height: HEIGHT - 5, txIndex: 3, depth: 6 } },
  ]);
  await node.call('refresh', null);
  const channel = await only(node);
  expect(channel).toMatchObject({ tag: 'normal', online: true });
  return { node, taker, channel, at: { peerId: peerIdHex, channelId: channel.id } };
}

describe('opening', () => {
  test('asked, funded, signed and sent in one go when the peer answers; the page keeps its address', async () => {
    const taker = new Taker();
    const node = await richNode(taker, 300_000n);
    const { channelId } = await value(node.call('open-channel', request));
    expect(taker.names).toEqual(['open_channel', 'funding_created']);
    expect(await only(node)).toMatchObject({
      temporaryId: channelId,
      tag: 'wait-for-funding-confirmed',
      opener: true,
      isPublic: false,
      capacitySat: '200000',
      oursSat: '200000',
      theirsSat: '0',
      htlcs: [],
    });
    expect(taker.broadcast.length).toBeGreaterThan(0);
  });

  test.each(['fast', 'normal', 'slow'] as const)('%s: costs what was said before', async (speed: Speed) => {
    const taker = new Taker();
    const node = await richNode(taker, 150_000n, 90_000n);
    await commit(node.ports.db, { settings: { fees: { fast: 9_000, normal: 4_000, slow: 800, atMs: node.ports.now() } } });
    const { spendableSat, choices } = await value(node.call('open-estimate', { amountSat: request.amountSat }));
    expect(spendableSat).toBe('240000');
    expect(choices).toMatchObject({ fast: { satPerVb: 36 }, normal: { satPerVb: 16 }, slow: { satPerVb: 3.2 } });
    await value(node.call('open-channel', { ...request, feerateSatPerVb: choices[speed].satPerVb }));
    const [raw] = taker.broadcast;
    const parsed = raw && parseTransaction(raw);
    if (!parsed?.ok) throw new Error('no funding transaction');
    const paid = parsed.value.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    expect((240_000n - paid).toString()).toBe(choices[speed].feeSat);
  });

  test('the most that an estimate promises can be opened, and one sat more cannot', async () => {
    for (const more of [0n, 1n]) {
      const node = await richNode(new Taker(), 150_000n, 90_000n, 200n);
      const { choices } = await value(node.call('open-estimate', { amountSat: '0' }));
      const amountSat = (BigInt(choices.normal.maxSat) + more).toString();
      const answer = await node.call('open-channel', { ...request, amountSat, feerateSatPerVb: choices.normal.satPerVb });
      expect(answer).toMatchObject(more === 0n ? { ok: true } : errorOf('not-enough'));
      expect((await value(node.call('open-estimate', { amountSat }))).choices.normal.feeSat).toBe(undefined);
    }
  });

  test.each<[string, Partial<typeof request>, ApiErrorCode]>([
    ['no amount', { amountSat: '' }, 'amount-invalid'],
    ['nothing', { amountSat: '0' }, 'amount-invalid'],
    ['one less than the least', { amountSat: '19999' }, 'amount-invalid'],
    ['a negative amount', { amountSat: '-20000' }, 'amount-invalid'],
    ['a broken amount', { amountSat: '20000.5' }, 'amount-invalid'],
    ['an amount with a letter', { amountSat: '2e5' }, 'amount-invalid'],
    ['no fee', { feerateSatPerVb: 0 }, 'amount-invalid'],
    ['a fee that is no number', { feerateSatPerVb: Number.NaN }, 'amount-invalid'],
    ['an endless fee', { feerateSatPerVb: Number.POSITIVE_INFINITY }, 'amount-invalid'],
    ['more than there is', { amountSat: '300000' }, 'not-enough'],
    ['more than there will ever be', { amountSat: '9999999999999999' }, 'not-enough'],
    ['a fee that the coins do not cover', { amountSat: '250000', feerateSatPerVb: 1_000 }, 'not-enough'],
    ['a stranger', { peerId: `02${'11'.repeat(32)}` }, 'peer-unknown'],
    ['no peer', { peerId: '' }, 'peer-unknown'],
    ['a name of every object', { peerId: 'constructor' }, 'peer-unknown'],
    ['an announced channel against the rules', { isPublic: true }, 'policy-invalid'],
  ])('%s: refused, nobody is asked and no coin is set aside', async (_, change, code) => {
    const taker = new Taker();
    const node = await richNode(taker, 300_000n);
    expect(await node.call('open-channel', { ...request, ...change })).toMatchObject(errorOf(code));
    expect(taker.names).toEqual([]);
    expect(await channels(node)).toEqual([]);
    expect(await value(node.call('coins', null))).toMatchObject([{ amountSat: '300000' }]);
    expect((await value(node.call('coins', null)))[0]).not.toHaveProperty('reservedFor');
  });

  test('how much is missing is told', async () => {
    const node = await richNode(new Taker(), 100_000n);
    expect(await node.call('open-channel', request)).toMatchObject({
      error: { detail: expect.stringMatching(/^20\d{4} sat .* 100000 sat/) },
    });
  });

  test('an announced channel, when the rules allow it', async () => {
    const taker = new Taker();
    const node = await richNode(taker, 300_000n);
    await node.call('set-policy', { ...rules, allowPublic: true });
    await value(node.call('open-channel', { ...request, isPublic: true }));
    expect(taker.heard[0]).toMatchObject({ name: 'open_channel', channelFlags: 1 });
  });

  test('before there is a wallet, and while the peer is away', async () => {
    const none = await testNode();
    expect(await none.call('open-channel', request)).toMatchObject(errorOf('no-wallet'));
    expect(await none.call('open-estimate', { amountSat: '1' })).toMatchObject(errorOf('no-wallet'));
    const taker = new Taker();
    const node = await richNode(taker, 300_000n);
    taker.relay.meddle = async () => ({ ok: false, error: { code: 'unreachable', detail: '' } });
    const state = await storedPeer(node);
    await round(node.ports, peerIdHex, [{ tag: 'disconnected', epoch: state?.epoch ?? 0 }]);
    expect(await node.call('open-channel', request)).toMatchObject(errorOf('peer-offline'));
  });

  test('more than the peer can take is told as a matter of the amount', async () => {
    const node = await richNode(new Taker(), 22_000_000_00n);
    const largest = { ...request, amountSat: '20000000' };
    const answer = await node.call('open-channel', largest);
    // Large channels are negotiated by feature: then it is simply opened.
    if (!answer.ok) expect(answer).toMatchObject(errorOf('amount-invalid'));
    else expect(await only(node)).toMatchObject({ capacitySat: '20000000' });
  });

  test('given up while the peer thinks: it is told, and the coins are free again', async () => {
    const taker = new Taker();
    taker.silent = true;
    const node = await richNode(taker, 300_000n);
    const { channelId } = await value(node.call('open-channel', request));
    expect(await only(node)).toMatchObject({ id: channelId, temporaryId: channelId, tag: 'wait-for-accept-channel' });
    const at = { peerId: peerIdHex, channelId };
    expect(await node.call('force-close', at)).toMatchObject(errorOf('channel-refused'));
    expect(await node.call('close-estimate', at)).toMatchObject(errorOf('channel-refused'));
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 1 })).toMatchObject({ ok: true });
    expect(taker.names).toEqual(['open_channel', 'error']);
    expect(await channels(node)).toEqual([]);
    expect((await value(node.call('open-estimate', { amountSat: '200000' }))).spendableSat).toBe('300000');
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 1 })).toMatchObject(errorOf('channel-unknown'));
  });
});

describe('closing', () => {
  test('what it costs is known before', async () => {
    const { node, at } = await readyChannel();
    await commit(node.ports.db, { settings: { fees: { fast: 9_000, normal: 4_000, slow: 800, atMs: node.ports.now() } } });
    const estimate = await value(node.call('close-estimate', at));
    expect(estimate).toMatchObject({
      feerates: { fast: 36, normal: 16, slow: 3.2 },
      closePaidByUs: true,
      forceBlocks: 144,
      htlcs: 0,
    });
    // One input of a 2-of-2, two outputs.
    expect(estimate.closeVbytes).toBeGreaterThan(160);
    expect(estimate.closeVbytes).toBeLessThan(190);
    // The commitment's own fee and both anchors are ours, and the claim pays the fees of now.
    const { feeratePerKw = 0 } = await only(node);
    const commitment = Math.floor((feeratePerKw * 1_124) / 1_000) + 660;
    expect(Number(estimate.forceFeeSat)).toBeGreaterThan(commitment + 400 * 4);
    expect(Number(estimate.forceFeeSat)).toBeLessThan(commitment + 500 * 4);
  });

  test('together: shutdown names an address of the user’s, and the state says so', async () => {
    const { node, at, taker } = await readyChannel();
    const address = addressOf(theirScript, 'regtest');
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 2, address })).toMatchObject({ ok: true });
    const shutdown = taker.heard.find((msg) => msg.name === 'shutdown');
    expect(shutdown && toHex(shutdown.scriptpubkey)).toBe(toHex(theirScript));
    const state = await storedPeer(node);
    expect(state?.channels[0] && commitmentsOf(state.channels[0])).toMatchObject({ closeFeeratePerKw: 500 });
  });

  test('where the money goes is decided once', async () => {
    const { node, at } = await readyChannel();
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 2 })).toMatchObject({ ok: true });
    const other = { ...at, feerateSatPerVb: 2, address: addressOf(theirScript, 'regtest') };
    expect(await node.call('close-channel', other)).toMatchObject(errorOf('channel-refused'));
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 4 })).toMatchObject({ ok: true });
  });

  test.each([
    ['', 'malformed'],
    ['bcrt1', 'malformed'],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081', 'malformed'],
    ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'wrong-network'],
    ['1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'legacy'],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\u202e', 'malformed'],
  ])('to the address “%s”: refused before the peer hears of it', async (address, detail) => {
    const { node, at, taker } = await readyChannel();
    const answer = await node.call('close-channel', { ...at, feerateSatPerVb: 2, address });
    expect(answer).toMatchObject({ ok: false, error: { code: 'address-invalid', detail } });
    expect(taker.names).not.toContain('shutdown');
    expect(await only(node)).toMatchObject({ tag: 'normal' });
  });

  test('without the peer: told, published, and asked twice it is done once', async () => {
    const { node, at, taker } = await readyChannel();
    taker.broadcast.length = 0;
    expect(await node.call('force-close', at)).toMatchObject({ ok: true });
    expect(taker.names.at(-1)).toBe('error');
    expect(await only(node)).toMatchObject({
      tag: 'closing',
      closing: { cause: 'user', sweeps: [{ what: 'to-local', status: 'waiting', amountSat: '196530' }] },
    });
    const published = taker.broadcast.map(toHex);
    expect(published.length).toBeGreaterThan(0);
    const before = await storedPeer(node);
    expect(await node.call('force-close', at)).toMatchObject({ ok: true });
    expect((await storedPeer(node))?.channels).toEqual(before?.channels);
    expect(await node.call('close-channel', { ...at, feerateSatPerVb: 2 })).toMatchObject(errorOf('channel-refused'));
    expect(new Set(taker.broadcast.map(toHex))).toEqual(new Set(published));
  });

  test('without the peer, and without the relay: committed, and sent when the relay is back', async () => {
    const { node, at, taker } = await readyChannel();
    const { meddle } = taker.relay;
    taker.relay.meddle = async () => ({ ok: false, error: { code: 'unreachable', detail: '' } });
    taker.broadcast.length = 0;
    expect(await node.call('force-close', at)).toMatchObject({ ok: true });
    expect(taker.broadcast).toEqual([]);
    taker.relay.meddle = meddle;
    await (await node.again()).call('refresh', null);
    expect(taker.broadcast.length).toBeGreaterThan(0);
  });

  test('a channel that is not there', async () => {
    const { node, at } = await readyChannel();
    for (const channelId of ['', 'zz', '00'.repeat(32), at.channelId.slice(2), `${at.channelId}00`, at.channelId.toUpperCase()]) {
      const wrong = { ...at, channelId };
      expect(await node.call('close-channel', { ...wrong, feerateSatPerVb: 2 })).toMatchObject(errorOf('channel-unknown'));
      expect(await node.call('force-close', wrong)).toMatchObject(errorOf('channel-unknown'));
      expect(await node.call('close-estimate', wrong)).toMatchObject(errorOf('channel-unknown'));
    }
    expect(await node.call('force-close', { ...at, peerId: 'nobody' })).toMatchObject(errorOf('peer-unknown'));
    expect(await only(node)).toMatchObject({ tag: 'normal' });
  });
});

test('the history of a channel holds nothing of others', async () => {
  const { node, channel } = await readyChannel();
  const all = await value(node.call('activity', { limit: 50 }));
  const own = await value(node.call('activity', { limit: 50, channelId: channel.id }));
  expect(own.length).toBeGreaterThan(0);
  expect(own.length).toBeLessThan(all.length);
  expect(own.every(({ channelId }) => channelId === channel.id)).toBe(true);
  expect(await value(node.call('activity', { limit: 50, peerId: 'nobody' }))).toEqual([]);
  const state = await storedPeer(node);
  expect(state?.channels.map((one) => toHex(channelIdOf(one)))).toEqual([channel.id]);
});
