/** Laws of onions: what was put in comes out, hop by hop; what was touched is refused with the code of BOLT 4. */
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { ecdh, pointFromSecret } from '../keys/secp.ts';
import { badOnion } from './codes.ts';
import { buildOnion, ONION_BYTES, type OnionHop, PAYLOADS_BYTES, type PeeledOnion, peelOnion } from './sphinx.ts';
import { deriveKey, hmac256, streamOver } from './stream.ts';

const secretAt = (i: number): Uint8Array => sha256(Uint8Array.of(i));
const associatedData = new Uint8Array(32).fill(0x42);
const sessionKey = new Uint8Array(32).fill(3);
const nodeIds = Array.from({ length: 27 }, (_, i) => pointFromSecret(secretAt(i)));
const routeOf = (payloads: readonly Uint8Array[]): OnionHop[] =>
  payloads.map((payload, i) => ({ nodeId: nodeIds[i] ?? new Uint8Array(33), payload }));

function built(payloads: readonly Uint8Array[], payloadsBytes?: number): Uint8Array {
  const onion = buildOnion({ sessionKey, hops: routeOf(payloads), associatedData, ...(payloadsBytes ? { payloadsBytes } : {}) });
  if (!onion.ok) throw new Error(onion.error.code);
  return onion.value.packet;
}
const peel = (packet: Uint8Array, i = 0, pathKey?: Uint8Array) =>
  peelOnion({ packet, associatedData, nodeSecret: secretAt(i), ...(pathKey ? { pathKey } : {}) });
function layer(packet: Uint8Array, i: number): PeeledOnion {
  const peeled = peel(packet, i);
  if (!peeled.ok) throw new Error(`hop ${i}: ${JSON.stringify(peeled.error)}`);
  return peeled.value;
}

describe('a route', () => {
  test('of 1 to 27 hops comes apart as it was put together', () => {
    const payload = fc.uint8Array({ minLength: 2, maxLength: 15 });
    fc.assert(
      fc.property(fc.array(payload, { minLength: 1, maxLength: 27 }), (payloads) => {
        let packet: Uint8Array | undefined = built(payloads);
        for (const [i, sent] of payloads.entries()) {
          expect(packet?.length).toBe(ONION_BYTES);
          const { payload, next } = layer(packet ?? new Uint8Array(0), i);
          expect(payload).toEqual(sent);
          packet = next;
        }
        expect(packet).toBeUndefined();
      }),
      { numRuns: 6, examples: [[Array.from({ length: 27 }, () => new Uint8Array(15).fill(1))]] },
    );
  });

  test('that fills every byte, and one of a byte more', () => {
    const full = [new Uint8Array(700), new Uint8Array(1300 - 700 - 2 * 35)];
    expect(layer(layer(built(full), 0).next ?? new Uint8Array(0), 1).payload).toEqual(full[1]);
    const more = routeOf([new Uint8Array(701), new Uint8Array(530)]);
    expect(buildOnion({ sessionKey, hops: more, associatedData })).toEqual({ ok: false, error: { code: 'too-long', bytes: 1301 } });
  });

  test('without a hop, or over a node id that is no point, is an error; a payload of one byte is a bug', () => {
    expect(buildOnion({ sessionKey, hops: [], associatedData })).toMatchObject({ ok: false, error: { code: 'no-hops' } });
    const hops = [...routeOf([new Uint8Array(2)]), { nodeId: new Uint8Array(33).fill(2), payload: new Uint8Array(2) }];
    const off = [...hops.slice(0, 1), { nodeId: concat(Uint8Array.of(2), new Uint8Array(32).fill(0xff)), payload: new Uint8Array(2) }];
    expect(buildOnion({ sessionKey, hops: off, associatedData })).toEqual({ ok: false, error: { code: 'bad-node-id', hop: 1 } });
    expect(() => built([new Uint8Array(1)])).toThrow(RangeError);
  });

  test('of an onion message may be longer', () => {
    const payloads = [new Uint8Array(20_000).fill(1), new Uint8Array(3).fill(2)];
    const first = layer(built(payloads, 32_768), 0);
    expect(first.payload).toEqual(payloads[0]);
    expect(layer(first.next ?? new Uint8Array(0), 1).payload).toEqual(payloads[1]);
  });
});

describe('an onion that was touched', () => {
  const packet = built([new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)]);
  const codeOf = (bytes: Uint8Array, i = 0, pathKey?: Uint8Array) => {
    const peeled = peel(bytes, i, pathKey);
    if (peeled.ok || peeled.error.reply !== 'malformed') return undefined;
    expect(peeled.error.sha256OfOnion).toEqual(sha256(bytes));
    return peeled.error.failureCode;
  };

  test('in one bit anywhere: version, key or hmac, by where it was', () => {
    fc.assert(
      fc.property(fc.nat(ONION_BYTES * 8 - 1), (bit) => {
        const bytes = Uint8Array.from(packet);
        const at = bit >> 3;
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
        const code = codeOf(bytes);
        if (at === 0) expect(code).toBe(badOnion.invalid_onion_version);
        else if (at > 33) expect(code).toBe(badOnion.invalid_onion_hmac);
        // Half of all x belong to a point.
        else expect([badOnion.invalid_onion_key, badOnion.invalid_onion_hmac]).toContain(code);
      }),
      { numRuns: 100, examples: [[0], [7], [8], [15], [34 * 8], [ONION_BYTES * 8 - 1]] },
    );
  });

  test('a key that is no point, a stranger’s secret, other associated data', () => {
    const noPoint = Uint8Array.from(packet).fill(0xff, 2, 34);
    expect(codeOf(noPoint)).toBe(badOnion.invalid_onion_key);
    expect(codeOf(packet, 1)).toBe(badOnion.invalid_onion_hmac);
    const other = peelOnion({ packet, associatedData: new Uint8Array(32), nodeSecret: secretAt(0) });
    expect(other).toMatchObject({ ok: false, error: { failureCode: badOnion.invalid_onion_hmac } });
  });

  test('behind a path key every fault is the same', () => {
    const pathKey = pointFromSecret(secretAt(99));
    const noPoint = concat(Uint8Array.of(2), new Uint8Array(32).fill(0xff));
    const version = Uint8Array.from(packet).fill(1, 0, 1);
    for (const bytes of [packet, version]) expect(codeOf(bytes, 0, pathKey)).toBe(badOnion.invalid_onion_blinding);
    expect(codeOf(packet, 0, noPoint)).toBe(badOnion.invalid_onion_blinding);
  });

  test('any bytes of any length: a value, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(ONION_BYTES), (bytes, cut) => {
        expect(peel(bytes).ok).toBe(false);
        expect(peel(packet.subarray(0, cut)).ok).toBe(cut === ONION_BYTES);
      }),
      { numRuns: 60 },
    );
  });
});

describe('an onion whose sender wrote a length that does not fit', () => {
  test.each([
    ['no payload', '00'],
    ['one byte', '01'],
    ['longer than the packet', 'fd0600'],
    ['not the shortest form', 'fd0010'],
    ['no room for an hmac', 'fd04f8'],
    ['beyond 2^53', 'ffffffffffffffffff'],
  ])('%s', (_, length) => {
    const packet = forged(Uint8Array.from(length.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));
    const peeled = peel(packet);
    expect(peeled).toMatchObject({ ok: false, error: { reply: 'payload' } });
  });
});

/** One layer for node 0 whose payloads begin with `start`, with a good hmac. */
function forged(start: Uint8Array): Uint8Array {
  const secret = ecdh(nodeIds[0] ?? new Uint8Array(0), sessionKey) ?? new Uint8Array(32);
  const plain = new Uint8Array(PAYLOADS_BYTES).fill(1);
  plain.set(start);
  const payloads = streamOver(deriveKey('rho', secret), plain);
  return concat(
    Uint8Array.of(0),
    pointFromSecret(sessionKey),
    payloads,
    hmac256(deriveKey('mu', secret), concat(payloads, associatedData)),
  );
}
