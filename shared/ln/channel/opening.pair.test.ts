/** Two of our own engines open a channel, one offering and one accepting, from the first message to the first payment-ready state. */
import { describe, expect, test } from 'vitest';
import { fundingTransaction, request } from '../testing/acceptor.ts';
import { Pair, type Party } from '../testing/pair.ts';
import type { Outpoint } from '../tx/commitment.ts';
import type { OpenRequest } from './offer.ts';

/** Connected, and with no channel yet. */
function strangers(): Pair {
  const pair = new Pair();
  for (const party of pair.parties) party.state = { ...party.state, channels: [] };
  pair.connect();
  pair.settle();
  return pair;
}

function newsOf<T extends Party['news'][number]['tag']>({ news, name }: Party, tag: T): Extract<Party['news'][number], { tag: T }> {
  const found = news.find((one): one is Extract<Party['news'][number], { tag: T }> => one.tag === tag);
  if (!found) throw new Error(`${name} was not told ${tag}`);
  return found;
}

function open(pair: Pair, ask: Partial<OpenRequest>): Outpoint {
  pair.alice.step({ tag: 'open', request: 'one', open: { ...request, ...ask } });
  pair.settle();
  const { temporaryChannelId, scriptPubKey, amountSat } = newsOf(pair.alice, 'fund');
  const { bytes, outpoint } = fundingTransaction(scriptPubKey, amountSat);
  pair.alice.ask({ tag: 'funded', transaction: bytes, vout: outpoint.vout }, temporaryChannelId);
  pair.settle();
  return outpoint;
}

const bury = (pair: Pair, outpoint: Outpoint): void => {
  for (const party of pair.parties)
    party.step({ tag: 'chain', event: { tag: 'funding-confirmed', outpoint, height: 1_001, txIndex: 1, depth: 1 } });
  pair.settle();
};

describe.each(['static_remotekey', 'anchors_zero_fee_htlc_tx'] as const)('%s', (kind) => {
  test.each([
    ['of the usual size', {}],
    ['with push_msat', { pushMsat: 50_000_999n }],
    ['of the least size', { fundingAmountSat: 20_000n, feeratePerKw: 253 }],
    ['of the largest size without option_support_large_channel', { fundingAmountSat: (1n << 24n) - 1n }],
    ['with an upfront script', { upfrontShutdownScript: Uint8Array.from([0, 20, ...new Uint8Array(20)]) }],
  ] as const)('a channel %s is open for both', (_, ask) => {
    const pair = strangers();
    bury(pair, open(pair, { kind, ...ask }));
    const { alice, bob } = pair;
    expect([alice.channel.tag, bob.channel.tag]).toEqual(['normal', 'normal']);
    expect(alice.commitments.channelId).toEqual(bob.commitments.channelId);
    expect(alice.commitments.toLocalMsat).toBe(bob.commitments.toRemoteMsat);
    expect(alice.commitments.toRemoteMsat).toBe(bob.commitments.toLocalMsat);
    expect(alice.commitments.terms.local).toEqual(bob.commitments.terms.remote);
    expect(alice.commitments.terms.remote).toEqual(bob.commitments.terms.local);
    expect(alice.commitments.terms.localIsOpener).toBe(true);
    expect(bob.commitments.terms.localIsOpener).toBe(false);
  });
});

test('cut after funding_signed -- both remember, and the channel opens after reestablish', () => {
  const pair = strangers();
  const outpoint = open(pair, {});
  pair.cut();
  expect(pair.parties.map(({ channel }) => channel.tag)).toEqual(['offline', 'offline']);
  bury(pair, outpoint);
  pair.connect();
  pair.settle();
  expect(pair.parties.map(({ channel }) => channel.tag)).toEqual(['normal', 'normal']);
});

test('cut while funding_signed is under way -- the opener forgets, and tells the other so', () => {
  const pair = strangers();
  const { alice, bob } = pair;
  alice.step({ tag: 'open', request: 'one', open: request });
  pair.settle();
  const { temporaryChannelId, scriptPubKey, amountSat } = newsOf(alice, 'fund');
  const { bytes } = fundingTransaction(scriptPubKey, amountSat);
  alice.ask({ tag: 'funded', transaction: bytes, vout: 1 }, temporaryChannelId);
  pair.deliver('bob');
  expect(bob.channel.tag).toBe('wait-for-funding-confirmed');
  pair.cut();
  expect(alice.state.channels).toEqual([]);
  pair.connect();
  pair.settle();
  // BOLT 1: "SHOULD send `error` with the unknown `channel_id`": so bob need not wait for 2016 blocks.
  expect(bob.channel).toMatchObject({ tag: 'failed', code: 'peer-error' });
});

test('two openings at once, one from each side', () => {
  const pair = strangers();
  for (const party of pair.parties) party.step({ tag: 'open', request: party.name, open: request });
  pair.settle();
  for (const party of pair.parties) {
    const { temporaryChannelId, scriptPubKey, amountSat } = newsOf(party, 'fund');
    const { bytes } = fundingTransaction(scriptPubKey, amountSat);
    party.ask({ tag: 'funded', transaction: bytes, vout: 1 }, temporaryChannelId);
  }
  pair.settle();
  for (const { state } of pair.parties)
    expect(state.channels.map(({ tag }) => tag)).toEqual(['wait-for-funding-confirmed', 'wait-for-funding-confirmed']);
});
