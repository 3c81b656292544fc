import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { serializeTransaction } from '../tx/transaction.ts';
import { isWitnessCommitted } from './witness.ts';

const sha256d = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const reserved = new Uint8Array(32).fill(9);
const magic = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed);

function makeTx(witness: readonly Uint8Array[], scripts: readonly Uint8Array[] = [Uint8Array.of(0x51)]): Uint8Array {
  const inputs = [{ outpoint: { txid: new Uint8Array(32).fill(5), vout: 1 }, sequence: 0, witness }];
  return serializeTransaction({
    version: 2,
    lockTime: 0,
    inputs,
    outputs: scripts.map((scriptPubKey) => ({ amountSat: 1_000n, scriptPubKey })),
  });
}

/** Every wtxid's branch climbs to the commitment; the coinbase's leaf is zero. */
function block(raws: readonly Uint8Array[]): { readonly coinbase: Uint8Array; readonly branch: (pos: number) => Uint8Array[] } {
  const levels = [[new Uint8Array(32), ...raws.map(sha256d)]];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    const below = level;
    levels.push(below.flatMap((left, i) => (i % 2 === 0 ? [sha256d(concat(left, below[i + 1] ?? left))] : [])));
  }
  const root = levels.at(-1)?.[0] ?? new Uint8Array(32);
  return {
    coinbase: makeTx([reserved], [Uint8Array.of(0x51), concat(magic, sha256d(concat(root, reserved)))]),
    branch: (pos) => levels.slice(0, -1).map((level, i) => level[(pos >> i) ^ 1] ?? level[pos >> i] ?? new Uint8Array(32)),
  };
}

const stack = fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 4 });

test('law: whatever was mined is proved at its place, whatever was not is not', () => {
  fc.assert(
    fc.property(fc.array(stack, { minLength: 1, maxLength: 9 }), fc.nat(), stack, (witnesses, seed, other) => {
      // No block holds a transaction twice.
      const raws = witnesses.map((witness, i) => makeTx([...witness, Uint8Array.of(i)]));
      const { coinbase, branch } = block(raws);
      const pos = 1 + (seed % raws.length);
      const raw = raws[pos - 1] ?? new Uint8Array(0);
      expect(isWitnessCommitted(raw, pos, branch(pos), coinbase)).toBe(true);
      const changed = makeTx([...other, Uint8Array.of(pos - 1)]);
      const same = changed.length === raw.length && changed.every((byte, i) => byte === raw[i]);
      expect(isWitnessCommitted(changed, pos, branch(pos), coinbase)).toBe(same);
      expect(isWitnessCommitted(makeTx([]), pos, branch(pos), coinbase), 'the witness cut out').toBe(false);
      expect(isWitnessCommitted(raw, pos, undefined, coinbase)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test('law: no bytes make it throw, and none but the right ones pass', () => {
  const raws = [makeTx([new Uint8Array(20)]), makeTx([new Uint8Array(30)])];
  const { coinbase, branch } = block(raws);
  const raw = raws[1] ?? new Uint8Array(0);
  fc.assert(
    fc.property(fc.nat(coinbase.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(raw.length - 1), (at, flip, where) => {
      const turned = Uint8Array.from(coinbase);
      turned[at] = (turned[at] ?? 0) ^ flip;
      isWitnessCommitted(raw, 2, branch(2), turned);
      const bad = Uint8Array.from(raw);
      bad[where] = (bad[where] ?? 0) ^ flip;
      expect(isWitnessCommitted(bad, 2, branch(2), coinbase)).toBe(false);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer(), (bytes, pos) => {
      expect(isWitnessCommitted(bytes, pos, [bytes], coinbase)).toBe(false);
      expect(isWitnessCommitted(raw, 2, branch(2), bytes)).toBe(false);
    }),
  );
});

describe('what a coinbase may hold', () => {
  const raw = makeTx([new Uint8Array(20)]);
  const { coinbase, branch } = block([raw]);
  const committed = concat(magic, new Uint8Array(32));

  test('no commitment: then a transaction without witnesses is proved, and none with', () => {
    const plain = makeTx([reserved]);
    expect(isWitnessCommitted(makeTx([]), 1, undefined, plain)).toBe(true);
    expect(isWitnessCommitted(raw, 1, undefined, plain)).toBe(false);
    expect(isWitnessCommitted(raw, 1, branch(1), plain)).toBe(false);
  });
  test('a transaction without witnesses in a block with a commitment is proved by its branch', () => {
    const bare = makeTx([]);
    const made = block([bare, raw]);
    expect(isWitnessCommitted(bare, 1, made.branch(1), made.coinbase)).toBe(true);
    expect(isWitnessCommitted(bare, 1, undefined, made.coinbase)).toBe(false);
  });
  test('BIP 141: of several commitments the last one counts', () => {
    const good = block([raw]);
    const script = magicOf(good.coinbase);
    expect(isWitnessCommitted(raw, 1, branch(1), makeTx([reserved], [committed, script]))).toBe(true);
    expect(isWitnessCommitted(raw, 1, branch(1), makeTx([reserved], [script, committed]))).toBe(false);
  });
  test('no reserved value, or one of another length', () => {
    const script = magicOf(coinbase);
    for (const witness of [[], [new Uint8Array(31)], [new Uint8Array(33)], [new Uint8Array(32)]])
      expect(isWitnessCommitted(raw, 1, branch(1), makeTx(witness, [script]))).toBe(false);
    expect(isWitnessCommitted(raw, 1, branch(1), makeTx([reserved], [script]))).toBe(true);
  });
});

/** The commitment's script, 38 bytes. */
function magicOf(coinbase: Uint8Array): Uint8Array {
  const at = coinbase.findIndex((_, i) => magic.every((byte, j) => coinbase[i + j] === byte));
  return coinbase.slice(at, at + 38);
}
