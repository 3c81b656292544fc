/** Laws of failures: who failed is found, who changed something is named, and no bytes are too strange to read. */
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import { type AttributionData, attribute, readHoldTimes } from './attribution.ts';
import { failureCodes } from './codes.ts';
import { type AnyFailure, codeOf, decodeFailure, encodeFailure, failureOfMalformed, hasFlag, isBadOnion } from './failure.ts';
import { type FailureReturn, failHtlc, readFailure, relayFailure } from './failure-packet.ts';
import { deriveKey, hmac256 } from './stream.ts';

const secretsOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => sha256(Uint8Array.of(i)));
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const channelUpdate = fc.uint8Array({ maxLength: 140 });
const nothing = fc.constant({});
const of = <N extends string, T extends object>(name: N, data: fc.Arbitrary<T>) => data.map((rest) => ({ name, ...rest }));
const record = <T>(data: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(data, { noNullPrototype: true });
const failures: fc.Arbitrary<AnyFailure> = fc.oneof(
  of('temporary_node_failure', nothing),
  of('permanent_node_failure', nothing),
  of('required_node_feature_missing', nothing),
  of('invalid_onion_version', record({ sha256OfOnion: bytes(32) })),
  of('invalid_onion_hmac', record({ sha256OfOnion: bytes(32) })),
  of('invalid_onion_key', record({ sha256OfOnion: bytes(32) })),
  of('temporary_channel_failure', record({ channelUpdate })),
  of('permanent_channel_failure', nothing),
  of('required_channel_feature_missing', nothing),
  of('unknown_next_peer', nothing),
  of('amount_below_minimum', record({ htlcMsat: u64, channelUpdate })),
  of('fee_insufficient', record({ htlcMsat: u64, channelUpdate })),
  of('incorrect_cltv_expiry', record({ cltvExpiry: u32, channelUpdate })),
  of('expiry_too_soon', record({ channelUpdate })),
  of('incorrect_or_unknown_payment_details', record({ htlcMsat: u64, height: u32 })),
  of('final_incorrect_cltv_expiry', record({ cltvExpiry: u32 })),
  of('final_incorrect_htlc_amount', record({ incomingHtlcAmt: u64 })),
  of('channel_disabled', record({ disabledFlags: fc.nat(0xffff), channelUpdate })),
  of('expiry_too_far', nothing),
  of('invalid_onion_payload', record({ type: u64, offset: fc.nat(0xffff) })),
  of('mpp_timeout', nothing),
  of('invalid_onion_blinding', record({ sha256OfOnion: bytes(32) })),
);

describe('a failure message', () => {
  test('of each of 22 codes is read as it was written, and with bytes behind it', () => {
    const seen = new Set<number>();
    fc.assert(
      fc.property(failures, fc.uint8Array({ minLength: 1, maxLength: 5 }), (failure, extension) => {
        seen.add(codeOf(failure));
        expect(decodeFailure(encodeFailure(failure))).toEqual(failure);
        expect(decodeFailure(concat(encodeFailure(failure), extension))).toEqual({ ...failure, extension });
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual(Object.values(failureCodes).sort());
  });

  test('the codes are those of the BOLT', () => {
    expect(toHex(encodeFailure({ name: 'permanent_node_failure' }))).toBe('6002');
    expect(toHex(encodeFailure({ name: 'invalid_onion_blinding', sha256OfOnion: new Uint8Array(32) }))).toMatch(/^c018/);
    expect(toHex(encodeFailure({ name: 'fee_insufficient', htlcMsat: 1n, channelUpdate: new Uint8Array(0) }))).toBe(
      '100c00000000000000010000',
    );
    expect(toHex(encodeFailure({ name: 'invalid_onion_payload', type: 300n, offset: 2 }))).toBe('4016fd012c0002');
  });

  test('that is unknown or cut keeps its code and its flags', () => {
    expect(decodeFailure(fromHex('6fff01'))).toEqual({ name: 'unreadable', code: 0x6fff, data: fromHex('01') });
    const cut = decodeFailure(fromHex('400f0000'));
    expect(cut).toEqual({ name: 'unreadable', code: 0x400f, data: fromHex('0000') });
    expect([hasFlag(cut, 'PERM'), hasFlag(cut, 'NODE'), hasFlag(cut, 'UPDATE')]).toEqual([true, false, false]);
    expect(decodeFailure(new Uint8Array(0))).toMatchObject({ name: 'unreadable', code: 0 });
    expect(encodeFailure(cut)).toEqual(fromHex('400f0000'));
  });

  test('made of an update_fail_malformed_htlc', () => {
    const hash = new Uint8Array(32).fill(4);
    expect(failureOfMalformed(0xc005, hash)).toEqual({ name: 'invalid_onion_hmac', sha256OfOnion: hash });
    expect([isBadOnion(0xc005), isBadOnion(0x400f)]).toEqual([true, false]);
  });

  test('any bytes: a value that encodes to them, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), (any) => toHex(encodeFailure(decodeFailure(any))) === toHex(any)),
    );
  });
});

/** Back from hop `source` to the origin; `tamper` may change what a hop hands on. */
function returned(
  secrets: readonly Uint8Array[],
  source: number,
  failure: AnyFailure,
  tamper: (back: FailureReturn, hop: number) => FailureReturn | { readonly reason: Uint8Array } = (back) => back,
): { readonly reason: Uint8Array; readonly attributionData?: AttributionData } {
  const at = (hop: number) => secrets[hop] ?? new Uint8Array(32);
  let back = tamper(failHtlc({ sharedSecret: at(source), failure, holdTime: source }), source);
  for (let hop = source - 1; hop >= 0; hop--) back = tamper(relayFailure({ sharedSecret: at(hop), ...back, holdTime: hop }), hop);
  return back;
}
const flipped = (whole: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(whole);
  const at = (bit >> 3) % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

describe('a failure on its way back', () => {
  test('from any hop of any route: source, message and hold times', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(19), failures, (count, at, failure) => {
        const [sharedSecrets, hop] = [secretsOf(count), at % count];
        expect(readFailure({ sharedSecrets, ...returned(sharedSecrets, hop, failure) })).toEqual({
          source: { hop, failure },
          holdTimes: Array.from({ length: hop + 1 }, (_, i) => i),
        });
      }),
      { numRuns: 25, examples: [[20, 19, { name: 'mpp_timeout' }]] },
    );
  });

  test('is 292 bytes whatever it says, and longer only for long messages', () => {
    for (const failure of [{ name: 'mpp_timeout' } as const, { name: 'expiry_too_soon', channelUpdate: new Uint8Array(140) } as const]) {
      expect(failHtlc({ sharedSecret: new Uint8Array(32), failure, holdTime: 0 }).reason.length).toBe(292);
    }
    const long: AnyFailure = { name: 'expiry_too_soon', channelUpdate: new Uint8Array(400) };
    const sharedSecrets = secretsOf(3);
    expect(readFailure({ sharedSecrets, ...returned(sharedSecrets, 2, long) }).source).toEqual({ hop: 2, failure: long });
  });

  test('changed by a hop: no source, and that hop or the next is the suspect', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.nat(), fc.boolean(), (culprit, bit, inReason) => {
        const sharedSecrets = secretsOf(5);
        const back = returned(sharedSecrets, 4, { name: 'mpp_timeout' }, (whole, hop) => {
          if (hop !== culprit) return whole;
          if (inReason) return { ...whole, reason: flipped(whole.reason, bit) };
          // Its own hold time: the first of the block is the only one that is never pruned later.
          const htlcHoldTimes = whole.attributionData.htlcHoldTimes.map((time, i) => (i === 0 ? (time ^ (1 << (bit & 15))) >>> 0 : time));
          return { ...whole, attributionData: { ...whole.attributionData, htlcHoldTimes } };
        });
        const read = readFailure({ sharedSecrets, ...back });
        expect(read.source).toEqual(inReason ? undefined : { hop: 4, failure: { name: 'mpp_timeout' } });
        expect(read.suspect).toBe(culprit);
        expect(read.holdTimes).toEqual([0, 1, 2, 3].slice(0, culprit));
      }),
      { numRuns: 40 },
    );
  });

  test('without attribution from some hop on: the source still, hold times up to there', () => {
    const sharedSecrets = secretsOf(5);
    const back = returned(sharedSecrets, 4, { name: 'mpp_timeout' }, (whole, hop) => (hop === 2 ? { reason: whole.reason } : whole));
    const read = readFailure({ sharedSecrets, ...back });
    expect(read).toEqual({ source: { hop: 4, failure: { name: 'mpp_timeout' } }, holdTimes: [0, 1], suspect: 2 });
    const { reason } = returned(sharedSecrets, 4, { name: 'mpp_timeout' });
    expect(readFailure({ sharedSecrets, reason })).toEqual({ source: { hop: 4, failure: { name: 'mpp_timeout' } }, holdTimes: [] });
  });

  test('over more hops than attribution has room for: the source still', () => {
    const sharedSecrets = secretsOf(25);
    const read = readFailure({ sharedSecrets, ...returned(sharedSecrets, 24, { name: 'mpp_timeout' }) });
    expect(read).toEqual({ source: { hop: 24, failure: { name: 'mpp_timeout' } }, holdTimes: [] });
  });

  test('any bytes: no source, never an exception', () => {
    const blocks = fc.record({ htlcHoldTimes: fc.array(u32, { minLength: 20, maxLength: 20 }), truncatedHmacs: bytes(840) });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), blocks, (reason, attributionData) => {
        const read = readFailure({ sharedSecrets: secretsOf(3), reason, attributionData });
        expect(read).toEqual({ holdTimes: [], suspect: 0 });
      }),
      { numRuns: 30 },
    );
  });

  test('whose author lies about its length has an unreadable failure', () => {
    const [sharedSecret = new Uint8Array(0)] = secretsOf(1);
    const body = fromHex('ffff0102');
    const plain = concat(hmac256(deriveKey('um', sharedSecret), body), body);
    const { reason } = relayFailure({ sharedSecret, reason: plain, holdTime: 0 });
    expect(readFailure({ sharedSecrets: [sharedSecret], reason }).source).toEqual({
      hop: 0,
      failure: { name: 'unreadable', code: 0, data: new Uint8Array(0) },
    });
  });
});

describe('hold times of a success', () => {
  test('of 1 to 20 hops, and up to the first that is wrong', () => {
    fc.assert(
      fc.property(fc.array(u32, { minLength: 1, maxLength: 20 }), (holdTimes) => {
        const secrets = secretsOf(holdTimes.length);
        const packet = new Uint8Array(0);
        const data = holdTimes.reduceRight<AttributionData | undefined>(
          (downstream, holdTime, i) =>
            attribute({ sharedSecret: secrets[i] ?? packet, packet, holdTime, ...(downstream ? { downstream } : {}) }),
          undefined,
        );
        if (data === undefined) throw new Error('no hop');
        expect(readHoldTimes(secrets, data)).toEqual(holdTimes);
        expect(readHoldTimes([...secrets.slice(0, -1), new Uint8Array(32)], data)).toEqual(holdTimes.slice(0, -1));
      }),
      { numRuns: 10, examples: [[Array.from({ length: 20 }, (_, i) => i)]] },
    );
  });
});
