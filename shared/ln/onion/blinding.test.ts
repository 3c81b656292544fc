/** Laws of blinded paths: each node reads its own part and no other, all parts are of one length. */
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pointFromSecret } from '../keys/secp.ts';
import { encodeTlvs } from '../wire/tlv.ts';
import { blindPath, type EncryptedData, encryptedDataTlvs, padded, payinfoOf, relayedAmountMsat, unblind } from './blinding.ts';

const secretAt = (i: number): Uint8Array => sha256(Uint8Array.of(i));
const pathSecret = new Uint8Array(32).fill(9);
const pathIds = fc.uint8Array({ maxLength: 600 }).map((pathId): EncryptedData => ({ pathId }));
const lengthOf = (data: EncryptedData): number => encodeTlvs(encryptedDataTlvs, data).length;

describe('a blinded path', () => {
  test('is read by its nodes in turn, and by nobody else', () => {
    fc.assert(
      fc.property(fc.array(pathIds, { minLength: 1, maxLength: 5 }), (datas) => {
        const path = blindPath({ pathSecret, hops: datas.map((data, i) => ({ nodeId: pointFromSecret(secretAt(i)), data })) });
        if (!path.ok) throw new Error(path.error.code);
        let pathKey = path.value.firstPathKey;
        for (const [i, { encryptedRecipientData }] of path.value.hops.entries()) {
          const stranger = unblind({ pathKey, encryptedRecipientData, nodeSecret: secretAt(99) });
          expect(stranger).toEqual({ ok: false, error: { code: 'not-for-us' } });
          const read = unblind({ pathKey, encryptedRecipientData, nodeSecret: secretAt(i) });
          if (!read.ok) throw new Error(read.error.code);
          expect(read.value.data).toEqual(datas[i]);
          pathKey = read.value.nextPathKey;
        }
      }),
      { numRuns: 8 },
    );
  });

  test('without nodes, or over what is no point, is an error', () => {
    expect(blindPath({ pathSecret, hops: [] })).toEqual({ ok: false, error: { code: 'no-hops' } });
    const nodeId = new Uint8Array(33).fill(0xff).fill(2, 0, 1);
    expect(blindPath({ pathSecret, hops: [{ nodeId, data: {} }] })).toEqual({ ok: false, error: { code: 'bad-node-id', hop: 0 } });
  });

  test('with an unknown even record, or any bytes for it, is not for us', () => {
    const nodeId = pointFromSecret(secretAt(0));
    const hops = [{ nodeId, data: { unknownTlvs: [{ type: 561n, value: new Uint8Array(2) }] } }];
    const path = blindPath({ pathSecret, hops });
    if (!path.ok) throw new Error(path.error.code);
    const pathKey = path.value.firstPathKey;
    expect(
      unblind({ pathKey, encryptedRecipientData: path.value.hops[0]?.encryptedRecipientData ?? new Uint8Array(0), nodeSecret: secretAt(0) })
        .ok,
    ).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (encryptedRecipientData) => {
        expect(unblind({ pathKey, encryptedRecipientData, nodeSecret: secretAt(0) })).toEqual({ ok: false, error: { code: 'not-for-us' } });
      }),
      { numRuns: 10 },
    );
  });

  test('has parts of one length, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(pathIds, { maxLength: 6 }), (datas) => {
        const all = padded(datas);
        expect(new Set(all.map(lengthOf)).size).toBeLessThan(2);
        expect(all.map(({ padding: _, ...data }) => data)).toEqual(datas);
      }),
      { numRuns: 300 },
    );
    // Around the length from which a length takes two bytes more.
    for (let more = 240; more < 270; more++) {
      const all = padded([{ pathId: new Uint8Array(10) }, { pathId: new Uint8Array(10 + more) }]);
      expect(all.map(lengthOf)).toEqual([lengthOf(all[0] ?? {}), lengthOf(all[0] ?? {})]);
    }
  });
});

test('who sends what the payinfo says pays every relay, and the end at least its amount', () => {
  const relays = fc.record({
    cltvExpiryDelta: fc.nat(200),
    feeProportionalMillionths: fc.nat(20_000),
    feeBaseMsat: fc.nat(5000),
  });
  fc.assert(
    fc.property(fc.array(relays, { maxLength: 6 }), fc.bigInt({ min: 1n, max: 10n ** 12n }), (path, amount) => {
      const info = payinfoOf(path, 18);
      const sent = amount + info.feeBaseMsat + (amount * info.feeProportionalMillionths + 999_999n) / 1_000_000n;
      let left = sent;
      for (const relay of path) {
        const next = relayedAmountMsat(left, relay) ?? -1n;
        const fee = BigInt(relay.feeBaseMsat) + (next * BigInt(relay.feeProportionalMillionths)) / 1_000_000n;
        // The BOLT rounds what goes on up: a relay may be a millisatoshi short.
        expect(left - next).toBeGreaterThanOrEqual(fee - 1n);
        left = next;
      }
      expect(left).toBeGreaterThanOrEqual(amount);
      expect(info.cltvExpiryDelta).toBe(18 + path.reduce((sum, relay) => sum + relay.cltvExpiryDelta, 0));
    }),
  );
});
