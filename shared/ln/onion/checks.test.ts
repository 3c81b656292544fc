/** The failures that need more than the onion: each at its edge. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { checkForward, checkReceipt, type Expected, type ForwardingPolicy, isKeysend } from './checks.ts';
import type { Receipt } from './htlc.ts';

const height = 1000;
const policy: ForwardingPolicy = {
  feeBaseMsat: 1000,
  feeProportionalMillionths: 100,
  cltvExpiryDelta: 80,
  htlcMinimumMsat: 1000n,
  htlcMaximumMsat: 50_000_000n,
  disabled: false,
};
// 1000 msat and 100 millionths of 10,000,000.
const good = { htlc: { amountMsat: 10_002_000n, cltvExpiry: 1200 }, hop: { amtToForward: 10_000_000n, outgoingCltvValue: 1120 } };
const channelUpdate = new Uint8Array(0);

describe('forwarding', () => {
  const judged = (htlc: object = {}, hop: object = {}, terms: object = {}) =>
    checkForward({
      htlc: { ...good.htlc, ...htlc },
      hop: { ...good.hop, ...hop },
      policy: { ...policy, ...terms },
      height,
      tooSoonBlocks: 30,
    });

  test('what keeps to our terms to the millisatoshi and to the block goes on', () => {
    expect(judged()).toBeUndefined();
    expect(judged({}, {}, { htlcMinimumMsat: 10_000_000n, htlcMaximumMsat: 10_000_000n })).toBeUndefined();
  });

  test.each<[string, object, object, object, object]>([
    ['temporary_channel_failure', {}, {}, { htlcMaximumMsat: 9_999_999n }, { channelUpdate }],
    ['amount_below_minimum', {}, {}, { htlcMinimumMsat: 10_000_001n }, { htlcMsat: 10_000_000n, channelUpdate }],
    ['fee_insufficient', { amountMsat: 10_001_999n }, {}, {}, { htlcMsat: 10_001_999n, channelUpdate }],
    ['fee_insufficient', { amountMsat: 5n }, {}, {}, { htlcMsat: 5n, channelUpdate }],
    ['incorrect_cltv_expiry', { cltvExpiry: 1199 }, {}, {}, { cltvExpiry: 1120, channelUpdate }],
    ['expiry_too_soon', {}, { outgoingCltvValue: 1029 }, {}, { channelUpdate }],
    ['channel_disabled', {}, {}, { disabled: true }, { disabledFlags: 0, channelUpdate }],
    ['expiry_too_far', { cltvExpiry: 3017 }, {}, {}, {}],
  ])('%s', (name, htlc, hop, terms, data) => {
    expect(judged(htlc, hop, terms)).toEqual({ name, ...data });
  });

  test('2016 blocks ahead is not too far, and the first fault of the list is the one that is told', () => {
    expect(judged({ cltvExpiry: 3016 })).toBeUndefined();
    expect(judged({ amountMsat: 1n, cltvExpiry: 9999 }, {}, { disabled: true })).toMatchObject({ name: 'fee_insufficient' });
  });
});

describe('receiving', () => {
  const paymentSecret = new Uint8Array(32).fill(7);
  const paymentMetadata = Uint8Array.of(1);
  const receipt: Receipt = {
    tag: 'receipt',
    answer: { voice: 'plain', sharedSecret: new Uint8Array(32), sha256OfOnion: new Uint8Array(32) },
    sharedSecret: new Uint8Array(32),
    amtToForward: 500n,
    outgoingCltvValue: 1018,
    totalMsat: 1000n,
    paymentSecret,
    paymentMetadata,
    blinded: false,
    customRecords: [],
  };
  const expected: Expected = { paymentSecret, amountMsat: 1000n, minFinalCltvExpiryDelta: 18, paymentMetadata, basicMpp: true };
  const judged = (given: Partial<Receipt> = {}, wanted: Partial<Expected> = {}, cltvExpiry = 1018) =>
    checkReceipt({
      htlc: { amountMsat: 500n, cltvExpiry },
      receipt: { ...receipt, ...given },
      expected: { ...expected, ...wanted },
      height,
    });
  const refused = { name: 'incorrect_or_unknown_payment_details', htlcMsat: 500n, height };

  test('what fits is taken: up to twice the amount, any amount where the invoice left it open, a part larger than the total', () => {
    expect(judged()).toBeUndefined();
    expect(judged({ totalMsat: 2000n })).toBeUndefined();
    const { amountMsat: _, ...open } = expected;
    expect(
      checkReceipt({ htlc: { amountMsat: 5n, cltvExpiry: 1018 }, receipt: { ...receipt, totalMsat: 1n }, expected: open, height }),
    ).toBe(undefined);
    expect(judged({ amtToForward: 1500n })).toBeUndefined();
    expect(judged({ amtToForward: 1000n }, { basicMpp: false })).toBeUndefined();
  });

  const { paymentSecret: _secret, ...withoutSecret } = receipt;
  const { paymentMetadata: _metadata, ...withoutMetadata } = receipt;
  test.each<[string, Partial<Receipt>, Partial<Expected>]>([
    ['another secret', { paymentSecret: new Uint8Array(32) }, {}],
    ['other metadata', { paymentMetadata: Uint8Array.of(2) }, {}],
    ['metadata with more behind it', { paymentMetadata: Uint8Array.of(1, 0) }, {}],
    ['less metadata', {}, { paymentMetadata: Uint8Array.of(1, 0) }],
    ['too little', { totalMsat: 999n }, {}],
    ['more than twice', { totalMsat: 2001n }, {}],
    ['a part, where parts were not offered', {}, { basicMpp: false }],
    ['too late', {}, { minFinalCltvExpiryDelta: 19 }],
  ])('%s looks like an unknown hash', (_, given, wanted) => {
    expect(judged(given, wanted)).toEqual(refused);
  });
  test.each([
    ['secret', withoutSecret],
    ['metadata', withoutMetadata],
  ])('a missing %s looks like an unknown hash', (_, given) => {
    expect(checkReceipt({ htlc: { amountMsat: 500n, cltvExpiry: 1018 }, receipt: given, expected, height })).toEqual(refused);
  });

  test('a keysend is one whose preimage fits', () => {
    const keysendPreimage = new Uint8Array(32).fill(1);
    expect(isKeysend({ ...receipt, keysendPreimage }, sha256(keysendPreimage))).toBe(true);
    expect(isKeysend({ ...receipt, keysendPreimage }, new Uint8Array(32))).toBe(false);
    expect(isKeysend(receipt, new Uint8Array(32))).toBe(false);
  });
});
