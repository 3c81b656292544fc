import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../lib/bytes.ts';
import { type Aead, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, newCipher, nobleAead, nonceBytes, wipeKeys } from './cipher.ts';

const fill = (byte: number) => new Uint8Array(32).fill(byte);
const ours = () => ({ sending: fill(1), receiving: fill(2), chaining: fill(3) });
const theirs = () => ({ sending: fill(2), receiving: fill(1), chaining: fill(3) });
const message = (length: number) => new Uint8Array(length).fill(7);

describe('a stream', () => {
  test('any cut of it gives the same messages', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 }),
        (messages, cuts) => {
          const { sealer } = newCipher(ours());
          const { opener } = newCipher(theirs());
          const stream = concat(...messages.map((m) => sealer.seal(m)));
          const got: Uint8Array[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] ?? 1;
            const read = opener.push(stream.subarray(at, at + size));
            if (!read.ok) throw new Error(read.error.code);
            got.push(...read.value.messages);
            at += size;
          }
          expect(got.map(toHex)).toEqual(messages.map(toHex));
          expect(opener.needed).toBe(18);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the largest message passes byte by byte, and a larger one is refused without harm', () => {
    const { sealer } = newCipher(ours());
    const { opener } = newCipher(theirs());
    expect(() => sealer.seal(message(MAX_MESSAGE_BYTES + 1))).toThrow(RangeError);
    const frame = sealer.seal(message(MAX_MESSAGE_BYTES));
    expect(frame.length).toBe(MAX_FRAME_BYTES);
    expect(opener.needed).toBe(18);
    let last = opener.push(frame.subarray(0, 17));
    expect(opener.needed).toBe(1);
    for (let at = 17; at < frame.length; at++) {
      last = opener.push(frame.subarray(at, at + 1));
      if (at === 17) expect(opener.needed).toBe(MAX_MESSAGE_BYTES + 16);
    }
    expect(last.ok && last.value.messages[0]?.length).toBe(MAX_MESSAGE_BYTES);
  });

  test('a flipped bit anywhere is an error, and what came before it is kept', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (where, bit) => {
        const { sealer } = newCipher(ours());
        const { opener } = newCipher(theirs());
        const first = sealer.seal(message(3));
        const second = sealer.seal(message(40));
        const at = where % second.length;
        second[at] = (second[at] ?? 0) ^ (1 << bit);
        const read = opener.push(concat(first, second));
        if (read.ok) throw new Error('accepted');
        expect(read.error.code).toBe(at < 18 ? 'bad-length-tag' : 'bad-message-tag');
        expect(read.error.messages.map(toHex)).toEqual(['070707']);
        expect(opener.push(first)).toEqual({ ok: false, error: { code: 'closed', messages: [] } });
      }),
    );
  });

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 18, maxLength: 400 }), (bytes) => {
        expect(newCipher(theirs()).opener.push(bytes).ok).toBe(false);
      }),
    );
  });

  test('a repeated, a dropped and a reordered frame are errors', () => {
    const { sealer } = newCipher(ours());
    const [a, b] = [sealer.seal(message(2)), sealer.seal(message(2))];
    expect(newCipher(theirs()).opener.push(concat(a, a)).ok).toBe(false);
    expect(newCipher(theirs()).opener.push(b).ok).toBe(false);
    expect(newCipher(theirs()).opener.push(concat(a, b)).ok).toBe(true);
  });
});

describe('keys', () => {
  /** Records every (key, nonce) that encrypts. */
  const ledger = () => {
    const pairs: string[] = [];
    const nonces: number[] = [];
    const aead: Aead = {
      ...nobleAead,
      seal: (key, nonce, associated, plaintext) => {
        pairs.push(`${toHex(key)}/${toHex(nonce)}`);
        nonces.push((nonce[4] ?? 0) + ((nonce[5] ?? 0) << 8));
        return nobleAead.seal(key, nonce, associated, plaintext);
      },
    };
    return { aead, pairs, nonces };
  };

  test('no (key, nonce) is used twice, over several rotations and both directions', () => {
    const { aead, pairs, nonces } = ledger();
    const [a, b] = [newCipher(ours(), aead), newCipher(theirs(), aead)];
    for (let i = 0; i < 1700; i++) {
      a.sealer.seal(message(i % 5));
      if (i % 2) b.sealer.seal(message(i % 3));
    }
    expect(new Set(pairs).size).toBe(pairs.length);
    expect(pairs.length).toBe(2 * (1700 + 850));
    expect(Math.max(...nonces)).toBe(999);
  });

  test('nor when the AEAD throws at any call: the sealer refuses from then on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (failAt) => {
        const { aead, pairs } = ledger();
        let calls = 0;
        const faulty: Aead = {
          ...aead,
          seal: (...args) => {
            const sealed = aead.seal(...args);
            if (++calls === failAt) throw new Error('no memory');
            return sealed;
          },
        };
        const { sealer } = newCipher(ours(), faulty);
        let thrown = 0;
        for (let i = 0; i < 20; i++) {
          try {
            sealer.seal(message(2));
          } catch {
            thrown++;
          }
        }
        expect(thrown).toBe(20 - Math.floor((failAt - 1) / 2));
        expect(pairs.length).toBe(failAt);
        expect(new Set(pairs).size).toBe(pairs.length);
      }),
    );
  });

  test('a nonce outside 0..999 is refused', () => {
    for (const n of [-1, 1000, 0.5, Number.NaN, 2 ** 32]) expect(() => nonceBytes(n)).toThrow(RangeError);
    expect(toHex(nonceBytes(999))).toBe('00000000e703000000000000');
  });

  test('wipe overwrites the bytes that the cipher held, and everything refuses afterwards', () => {
    const held: Uint8Array[] = [];
    const spy: Aead = {
      seal: (key, ...rest) => {
        held.push(key);
        return nobleAead.seal(key, ...rest);
      },
      open: (key, ...rest) => {
        held.push(key);
        return nobleAead.open(key, ...rest);
      },
    };
    const keys = ours();
    const cipher = newCipher(keys, spy);
    cipher.sealer.seal(message(1));
    cipher.opener.push(newCipher(theirs()).sealer.seal(message(1)));
    expect(held.length).toBe(4);
    expect(held.every((key) => key.some((byte) => byte !== 0))).toBe(true);
    cipher.wipe();
    expect(held.every((key) => key.every((byte) => byte === 0))).toBe(true);
    expect(() => cipher.sealer.seal(message(1))).toThrow(/wiped/);
    expect(cipher.opener.push(message(1))).toEqual({ ok: false, error: { code: 'closed', messages: [] } });

    expect(keys.sending[0]).toBe(1);
    wipeKeys(keys);
    expect([...keys.sending, ...keys.receiving, ...keys.chaining].every((byte) => byte === 0)).toBe(true);
  });

  test('keys of another length are our own bug', () => {
    expect(() => newCipher({ ...ours(), sending: new Uint8Array(31) })).toThrow(RangeError);
  });
});
