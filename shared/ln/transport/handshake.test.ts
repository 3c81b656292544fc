import { getPublicKey } from '@noble/secp256k1';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Plain } from '../../lib/plain.ts';
import { newCipher } from './cipher.ts';
import { type InitiatorState, type ResponderState, receiveAct1, receiveAct2, receiveAct3, startInitiator } from './handshake.ts';

const secret = (byte: number) => new Uint8Array(32).fill(byte);
const responder = { staticSecret: secret(0x21), ephemeralSecret: secret(0x22) };
const initiator = { staticSecret: secret(0x11), ephemeralSecret: secret(0x12) };
const remoteStatic = getPublicKey(responder.staticSecret, true);

const value = <T>(result: { ok: true; value: T } | { ok: false; error: { code: string } }): T => {
  if (!result.ok) throw new Error(result.error.code);
  return result.value;
};
const begin = () => value(startInitiator({ ephemeralSecret: initiator.ephemeralSecret, remoteStatic }));

test('any secrets: both ends agree and talk both ways', () => {
  const any = fc.uint8Array({ minLength: 31, maxLength: 31 }).map((bytes) => Uint8Array.of(1, ...bytes));
  fc.assert(
    fc.property(any, any, any, any, (is, ie, rs, re) => {
      const started = value(startInitiator({ ephemeralSecret: ie, remoteStatic: getPublicKey(rs, true) }));
      const answered = value(receiveAct1({ staticSecret: rs, ephemeralSecret: re, act1: started.act1 }));
      const finished = value(receiveAct2(started.state, answered.act2, is));
      const accepted = value(receiveAct3(answered.state, finished.act3));
      expect(accepted.remoteStatic).toEqual(getPublicKey(is, true));
      expect(accepted.keys).toEqual({ ...finished.keys, sending: finished.keys.receiving, receiving: finished.keys.sending });
      const [a, b] = [newCipher(finished.keys), newCipher(accepted.keys)];
      expect(value(b.opener.push(a.sealer.seal(Uint8Array.of(1, 2)))).messages).toEqual([Uint8Array.of(1, 2)]);
      expect(value(a.opener.push(b.sealer.seal(Uint8Array.of(3)))).messages).toEqual([Uint8Array.of(3)]);
    }),
    { numRuns: 10 },
  );
});

test('no act is accepted with any one byte changed', () => {
  const { act1, state } = begin();
  const answered = value(receiveAct1({ ...responder, act1 }));
  const { act3 } = value(receiveAct2(state, answered.act2, initiator.staticSecret));
  fc.assert(
    fc.property(fc.nat(65), fc.integer({ min: 1, max: 255 }), (where, change) => {
      const damaged = (act: Uint8Array) => act.map((byte, i) => (i === where % act.length ? byte ^ change : byte));
      expect(receiveAct1({ ...responder, act1: damaged(act1) }).ok).toBe(false);
      expect(receiveAct2(state, damaged(answered.act2), initiator.staticSecret).ok).toBe(false);
      expect(receiveAct3(answered.state, damaged(act3)).ok).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test('acts of any other bytes are errors, never throws', () => {
  const { act1, state } = begin();
  const answered = value(receiveAct1({ ...responder, act1 }));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ minLength: 49, maxLength: 49 }).map((b) => Uint8Array.of(0, ...b)),
  );
  fc.assert(
    fc.property(bytes, (act) => {
      expect(receiveAct1({ ...responder, act1: act }).ok).toBe(false);
      expect(receiveAct2(state, act, initiator.staticSecret).ok).toBe(false);
      expect(receiveAct3(answered.state, act).ok).toBe(false);
    }),
  );
});

test('a node id that is not a point is told apart from a bad act', () => {
  const xOnly = remoteStatic.slice(1);
  const uncompressed = getPublicKey(responder.staticSecret, false);
  const offCurve = Uint8Array.of(2, ...secret(0xff));
  for (const bad of [new Uint8Array(0), xOnly, uncompressed, offCurve, new Uint8Array(33)]) {
    const started = startInitiator({ ephemeralSecret: initiator.ephemeralSecret, remoteStatic: bad });
    expect(started).toEqual({ ok: false, error: { code: 'bad-remote-static' } });
  }
});

test('states are plain, keep nothing of the caller, and never hold the static secret', () => {
  const ephemeralSecret = Uint8Array.from(initiator.ephemeralSecret);
  const { act1, state } = value(startInitiator({ ephemeralSecret, remoteStatic }));
  const answered = value(receiveAct1({ ...responder, act1 }));
  const frozen: readonly Plain[] = [state satisfies InitiatorState, answered.state satisfies ResponderState];
  ephemeralSecret.fill(0);
  const text = JSON.stringify(frozen, (_, v) => (v instanceof Uint8Array ? [...v].join() : v));
  expect(text).toContain([...initiator.ephemeralSecret].join());
  expect(text).not.toContain([...responder.staticSecret].join());
  expect(value(receiveAct2(structuredClone(state), answered.act2, initiator.staticSecret)).act3.length).toBe(66);
});
