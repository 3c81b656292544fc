/** What an HTLC asks, and the exact failure for each way in which it is wrong. */
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex } from '../../lib/bytes.ts';
import { pointFromSecret } from '../keys/secp.ts';
import vectors from '../vectors/bolt04/blinded-payment-onion-test.json' with { type: 'json' };
import { blindPath, type EncryptedData, padded } from './blinding.ts';
import { badOnion } from './codes.ts';
import type { IncomingHtlc } from './htlc.ts';
import { readHtlc, refusal } from './htlc.ts';
import { encodePayload, type PaymentPayload } from './payload.ts';
import { buildOnion } from './sphinx.ts';

const ourSecret = new Uint8Array(32).fill(1);
const otherSecret = new Uint8Array(32).fill(2);
const [us, other] = [pointFromSecret(ourSecret), pointFromSecret(otherSecret)];
const paymentHash = new Uint8Array(32).fill(9);
const paymentSecret = new Uint8Array(32).fill(7);

function onionOf(...payloads: readonly Uint8Array[]): Uint8Array {
  const hops = payloads.map((payload, i) => ({ nodeId: i === 0 ? us : other, payload }));
  const onion = buildOnion({ sessionKey: new Uint8Array(32).fill(5), hops, associatedData: paymentHash });
  if (!onion.ok) throw new Error(onion.error.code);
  return onion.value.packet;
}
const htlcOf = (onionRoutingPacket: Uint8Array, more: Partial<IncomingHtlc> = {}): IncomingHtlc => ({
  amountMsat: 1000n,
  paymentHash,
  cltvExpiry: 500,
  onionRoutingPacket,
  ...more,
});
const last = (more: PaymentPayload = {}) => encodePayload({ amtToForward: 1000n, outgoingCltvValue: 500, ...more });
/** The failure that is encrypted to the sender, or the code that is told to the peer. */
function failureOf(htlc: IncomingHtlc, nodeSecret = ourSecret) {
  const read = readHtlc(htlc, nodeSecret);
  if (read.ok) return read.value.tag;
  return read.error.reply === 'fail' ? read.error.failure : read.error.failureCode;
}
const invalid = (type: bigint, offset = 0) => ({ name: 'invalid_onion_payload', type, offset });

describe('the last hop', () => {
  test('is told the amount, the secret, the metadata and what the sender adds', () => {
    const payload: PaymentPayload = {
      paymentData: { paymentSecret, totalMsat: 3000n },
      paymentMetadata: Uint8Array.of(1, 2),
      unknownTlvs: [{ type: 70_001n, value: Uint8Array.of(4) }],
    };
    expect(readHtlc(htlcOf(onionOf(last(payload))), ourSecret)).toMatchObject({
      ok: true,
      value: {
        tag: 'receipt',
        amtToForward: 1000n,
        outgoingCltvValue: 500,
        totalMsat: 3000n,
        paymentSecret,
        paymentMetadata: Uint8Array.of(1, 2),
        blinded: false,
        customRecords: [{ type: 70_001n, value: Uint8Array.of(4) }],
        answer: { voice: 'plain' },
      },
    });
    expect(readHtlc(htlcOf(onionOf(last())), ourSecret)).toMatchObject({ ok: true, value: { totalMsat: 1000n } });
  });

  test('has the preimage of a keysend', () => {
    const keysendPreimage = new Uint8Array(32).fill(3);
    expect(readHtlc(htlcOf(onionOf(last({ keysendPreimage }))), ourSecret)).toMatchObject({ ok: true, value: { keysendPreimage } });
    // Of 31 bytes.
    const short = concat(last(), fromHex('ff0000000146c6616c1f'), new Uint8Array(31));
    expect(failureOf(htlcOf(onionOf(short)))).toEqual(invalid(5_482_373_484n, 8));
  });

  test('fails what arrives with less than the onion says', () => {
    const onion = onionOf(last());
    expect(failureOf(htlcOf(onion, { cltvExpiry: 499 }))).toEqual({ name: 'final_incorrect_cltv_expiry', cltvExpiry: 499 });
    expect(failureOf(htlcOf(onion, { amountMsat: 999n }))).toEqual({ name: 'final_incorrect_htlc_amount', incomingHtlcAmt: 999n });
    expect(failureOf(htlcOf(onion, { amountMsat: 2000n, cltvExpiry: 900 }))).toBe('receipt');
  });

  test.each<[string, Uint8Array, object]>([
    ['no amount', encodePayload({ outgoingCltvValue: 500 }), invalid(2n)],
    ['no expiry', encodePayload({ amtToForward: 1000n }), invalid(4n)],
    ['a path key without encrypted data', last({ currentPathKey: us }), invalid(10n)],
    ['encrypted data without a path key', last({ encryptedRecipientData: new Uint8Array(20) }), invalid(12n)],
    ['an unknown even record', concat(last(), fromHex('1400')), invalid(20n, 8)],
    ['records out of order', concat(last(), fromHex('0100')), invalid(1n, 8)],
    ['an amount with a leading zero', fromHex('0202000104020102'), invalid(2n, 0)],
    ['a record that overruns', concat(last(), fromHex('08ff')), invalid(8n, 8)],
  ])('%s: invalid_onion_payload, with the record', (_, payload, failure) => {
    expect(failureOf(htlcOf(onionOf(payload)))).toEqual(failure);
  });

  test('an HTLC with a path key, but no encrypted data: invalid_onion_blinding, to the peer', () => {
    const { path } = blindedTo([{}]);
    // The onion is for our blinded id, as it has to be to be opened.
    const onion = buildOnion({
      sessionKey: new Uint8Array(32).fill(5),
      hops: [{ nodeId: path.hops[0]?.blindedNodeId ?? us, payload: last() }],
      associatedData: paymentHash,
    });
    if (!onion.ok) throw new Error(onion.error.code);
    expect(failureOf(htlcOf(onion.value.packet, { pathKey: path.firstPathKey }))).toBe(badOnion.invalid_onion_blinding);
  });
});

describe('a hop', () => {
  test('is told the channel, the amount and the expiry', () => {
    const packet = onionOf(encodePayload({ amtToForward: 900n, outgoingCltvValue: 460, shortChannelId: 7n }), last());
    const read = readHtlc(htlcOf(packet), ourSecret);
    expect(read).toMatchObject({
      ok: true,
      value: { tag: 'hop', to: { shortChannelId: 7n }, amtToForward: 900n, outgoingCltvValue: 460, answer: { voice: 'plain' } },
    });
    if (!read.ok || read.value.tag !== 'hop') throw new Error('no hop');
    expect(failureOf(htlcOf(read.value.next), otherSecret)).toBe('receipt');
  });

  test('without a channel is an invalid payload', () => {
    expect(failureOf(htlcOf(onionOf(last(), last())))).toEqual(invalid(6n));
  });
});

const relayTo = (more: EncryptedData = {}): EncryptedData => ({
  shortChannelId: 3n,
  paymentRelay: { cltvExpiryDelta: 40, feeProportionalMillionths: 1000, feeBaseMsat: 10 },
  paymentConstraints: { maxCltvExpiry: 600, htlcMinimumMsat: 100n },
  ...more,
});
function blindedTo(datas: readonly EncryptedData[]) {
  const hops = padded(datas).map((data, i) => ({ nodeId: i === 0 ? us : other, data }));
  const path = blindPath({ pathSecret: new Uint8Array(32).fill(8), hops });
  if (!path.ok) throw new Error(path.error.code);
  return { path: path.value, encrypted: path.value.hops.map(({ encryptedRecipientData }) => encryptedRecipientData) };
}

describe('the entrance of a blinded path', () => {
  const entrance = (data: EncryptedData, more: PaymentPayload = {}): IncomingHtlc => {
    const { path, encrypted } = blindedTo([data, { pathId: Uint8Array.of(1) }]);
    const encryptedRecipientData = encrypted[0] ?? new Uint8Array(0);
    return htlcOf(onionOf(encodePayload({ encryptedRecipientData, currentPathKey: path.firstPathKey, ...more }), last()));
  };
  const blindingFailure = (htlc: IncomingHtlc) => ({ name: 'invalid_onion_blinding', sha256OfOnion: sha256(htlc.onionRoutingPacket) });

  test('computes what it forwards', () => {
    expect(readHtlc(entrance(relayTo()), ourSecret)).toMatchObject({
      ok: true,
      // (1000 - 10) * 1000000 / 1001000, rounded up.
      value: { tag: 'hop', to: { shortChannelId: 3n }, amtToForward: 990n, outgoingCltvValue: 460, answer: { voice: 'introduction' } },
    });
    const { shortChannelId: _, ...byNode } = relayTo({ nextNodeId: other });
    expect(readHtlc(entrance(byNode), ourSecret)).toMatchObject({ ok: true, value: { to: { nextNodeId: other } } });
  });

  test.each<[string, EncryptedData, PaymentPayload, Partial<IncomingHtlc>]>([
    ['expiry above the limit', relayTo(), {}, { cltvExpiry: 601 }],
    ['amount below the minimum', relayTo(), {}, { amountMsat: 99n }],
    ['a channel and a node', relayTo({ nextNodeId: other }), {}, {}],
    ['neither channel nor node', { paymentRelay: { cltvExpiryDelta: 1, feeProportionalMillionths: 0, feeBaseMsat: 0 } }, {}, {}],
    ['no payment_relay', { shortChannelId: 3n }, {}, {}],
    ['an unknown feature, although odd', relayTo({ allowedFeatures: Uint8Array.of(2) }), {}, {}],
    ['other records in the payload', relayTo(), { amtToForward: 1n }, {}],
    ['an unknown odd record in the payload', relayTo(), { unknownTlvs: [{ type: 21n, value: new Uint8Array(0) }] }, {}],
    [
      'a base fee above the amount',
      relayTo({ paymentRelay: { cltvExpiryDelta: 1, feeProportionalMillionths: 0, feeBaseMsat: 1001 } }),
      {},
      {},
    ],
    ['a delta above the expiry', relayTo({ paymentRelay: { cltvExpiryDelta: 501, feeProportionalMillionths: 0, feeBaseMsat: 0 } }), {}, {}],
    ['data for somebody else', relayTo(), { encryptedRecipientData: new Uint8Array(40) }, {}],
    ['data too short for its tag', relayTo(), { encryptedRecipientData: new Uint8Array(15) }, {}],
    ['a path key that is no point', relayTo(), { currentPathKey: new Uint8Array(33).fill(0xff).fill(2, 0, 1) }, {}],
  ])('%s: invalid_onion_blinding, to the sender', (_, data, payload, more) => {
    const htlc = { ...entrance(data, payload), ...more };
    expect(failureOf(htlc)).toEqual(blindingFailure(htlc));
  });

  test('says the same of any failure downstream', () => {
    const htlc = entrance(relayTo());
    const read = readHtlc(htlc, ourSecret);
    if (!read.ok) throw new Error('refused');
    expect(refusal(read.value.answer, { name: 'mpp_timeout' })).toMatchObject({ reply: 'fail', failure: blindingFailure(htlc) });
  });
});

describe('the end of a blinded path', () => {
  const toEnd = (data: EncryptedData, payload: PaymentPayload): IncomingHtlc => {
    const { path, encrypted } = blindedTo([data]);
    const built = buildOnion({
      sessionKey: new Uint8Array(32).fill(5),
      hops: [
        {
          nodeId: path.hops[0]?.blindedNodeId ?? us,
          payload: encodePayload({ encryptedRecipientData: encrypted[0] ?? new Uint8Array(0), ...payload }),
        },
      ],
      associatedData: paymentHash,
    });
    if (!built.ok) throw new Error(built.error.code);
    return htlcOf(built.value.packet, { pathKey: path.firstPathKey });
  };
  const whole: PaymentPayload = { amtToForward: 1000n, outgoingCltvValue: 500, totalAmountMsat: 2000n };
  const pathId = Uint8Array.of(1, 2, 3);

  test('has the path id and the total', () => {
    expect(readHtlc(toEnd({ pathId }, whole), ourSecret)).toMatchObject({
      ok: true,
      value: { tag: 'receipt', blinded: true, pathId, totalMsat: 2000n, answer: { voice: 'blinded' } },
    });
  });

  test.each<[string, PaymentPayload]>([
    ['no amount', { outgoingCltvValue: 500, totalAmountMsat: 2000n }],
    ['no expiry', { amtToForward: 1000n, totalAmountMsat: 2000n }],
    ['no total', { amtToForward: 1000n, outgoingCltvValue: 500 }],
    ['two path keys', { ...whole, currentPathKey: us }],
    ['a payment secret', { ...whole, paymentData: { paymentSecret, totalMsat: 1n } }],
    ['more than arrived', { ...whole, amtToForward: 1001n }],
    ['later than arrived', { ...whole, outgoingCltvValue: 501 }],
  ])('%s: invalid_onion_blinding, to the peer', (_, payload) => {
    expect(failureOf(toEnd({ pathId }, payload))).toBe(badOnion.invalid_onion_blinding);
  });
});

test('blinded-payment-onion-test.json: from Alice to Eve each HTLC follows from the one before', () => {
  const { associated_data, full_route, final_amount_msat, final_cltv } = vectors.generate;
  const first = full_route.hops[0]?.tlvs;
  let htlc: IncomingHtlc = {
    amountMsat: BigInt(first?.amt_to_forward ?? 0),
    cltvExpiry: first?.outgoing_cltv_value ?? 0,
    paymentHash: fromHex(associated_data),
    onionRoutingPacket: fromHex(vectors.generate.onion),
  };
  const voices: string[] = [];
  for (const [i, { node_privkey, onion }] of vectors.decrypt.hops.entries()) {
    expect(htlc.onionRoutingPacket).toEqual(fromHex(onion));
    const read = readHtlc(htlc, fromHex(node_privkey));
    if (!read.ok) throw new Error(`hop ${i}: ${JSON.stringify(read.error.reply)}`);
    voices.push(read.value.answer.voice);
    if (read.value.tag === 'receipt') {
      expect(read.value).toMatchObject({ amtToForward: BigInt(final_amount_msat), outgoingCltvValue: final_cltv, totalMsat: 150_000n });
      break;
    }
    const { next, nextPathKey, amtToForward, outgoingCltvValue } = read.value;
    const pathKey = nextPathKey ? { pathKey: nextPathKey } : {};
    htlc = { amountMsat: amtToForward, cltvExpiry: outgoingCltvValue, paymentHash: htlc.paymentHash, onionRoutingPacket: next, ...pathKey };
  }
  expect(voices).toEqual(['plain', 'introduction', 'blinded', 'blinded', 'blinded']);
});

test('any payload of any bytes: a value, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 80 }), fc.boolean(), (payload, more) => {
      const answer = failureOf(htlcOf(more ? onionOf(payload, last()) : onionOf(payload)));
      expect(answer).toBeDefined();
    }),
    { numRuns: 30 },
  );
});
