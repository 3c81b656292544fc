import { sha256 } from '@noble/hashes/sha2.js';
import { RawTx } from '@scure/btc-signer/script.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, reversed } from '../../lib/bytes.ts';
import { branchFault, checkInclusion, type Inclusion, type MerkleError } from './merkle.ts';

const hash = (bytes: Uint8Array) => sha256(sha256(bytes));
const wire = (txid: string) => reversed(fromHex(txid));

/** A whole tree as consensus builds it: root, and each leaf's siblings. */
function tree(leaves: readonly Uint8Array[]) {
  const rows = [leaves];
  for (let row = leaves; row.length > 1; ) {
    const below = row;
    row = Array.from({ length: Math.ceil(below.length / 2) }, (_, i) => {
      const left = below[2 * i] ?? new Uint8Array(0);
      return hash(concat(left, below[2 * i + 1] ?? left));
    });
    rows.push(row);
  }
  const siblings = (pos: number) =>
    rows.slice(0, -1).map((row, level) => {
      const at = pos >> level;
      return row[at ^ 1] ?? row[at] ?? new Uint8Array(0);
    });
  return { root: rows.at(-1)?.[0] ?? new Uint8Array(0), siblings };
}

const rawTx = (seed: number, coinbase = false, script = new Uint8Array(30).fill(seed)) =>
  RawTx.encode({
    version: 2,
    segwitFlag: false,
    inputs: [
      {
        txid: new Uint8Array(32).fill(coinbase ? 0 : seed + 1),
        index: coinbase ? 0xffffffff : seed,
        finalScriptSig: new Uint8Array(5),
        sequence: 0,
      },
    ],
    outputs: [{ amount: BigInt(seed), script }],
    witnesses: [],
    lockTime: 0,
  });

/** A block of our own with `count` transactions, and the proof for the one at `pos`. */
function block(count: number, pos: number): { proof: Inclusion; root: Uint8Array } {
  const raws = Array.from({ length: count }, (_, i) => rawTx(i, i === 0));
  const { root, siblings } = tree(raws.map(hash));
  const [raw, coinbase] = [raws[pos], raws[0]];
  if (!raw || !coinbase) throw new Error('no such transaction');
  return { root, proof: { raw, pos, siblings: siblings(pos), coinbase, coinbaseSiblings: siblings(0) } };
}

test('mainnet block 170', () => {
  const coinbase = wire('b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082');
  const payment = wire('f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16');
  const root = wire('7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff');
  expect(branchFault({ txid: payment, pos: 1, siblings: [coinbase] }, root)).toBeUndefined();
  expect(branchFault({ txid: coinbase, pos: 0, siblings: [payment] }, root)).toBeUndefined();
  expect(branchFault({ txid: payment, pos: 0, siblings: [coinbase] }, root)).toBe('wrong-root');
});

test('every transaction of a block of any size is proved, at its own position only', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (count, a, b) => {
      const [pos, other] = [a % count, b % count];
      const { proof, root } = block(count, pos);
      const found = checkInclusion(proof, root);
      expect(found.ok && found.value.txid).toEqual(hash(proof.raw));
      if (other !== pos) expect(checkInclusion({ ...proof, pos: other }, root).ok).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test('one changed byte anywhere in the proof refuses it', () => {
  const { proof, root } = block(21, 6);
  fc.assert(
    fc.property(fc.constantFrom('raw', 'coinbase', 'siblings', 'coinbaseSiblings'), fc.nat(), fc.nat(), (part, where, row) => {
      const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === where % bytes.length ? byte ^ 1 : byte));
      const list = part === 'siblings' || part === 'coinbaseSiblings';
      const damaged = list ? proof[part].map((s, i) => (i === row % proof[part].length ? flip(s) : s)) : flip(proof[part]);
      expect(checkInclusion({ ...proof, [part]: damaged }, root).ok).toBe(false);
    }),
  );
});

describe('refused', () => {
  const { proof, root } = block(11, 10);
  const copy = (change: Partial<Inclusion>) => checkInclusion({ ...proof, ...change }, root);
  const deep = Array.from({ length: 18 }, () => root);

  test.each<[string, Partial<Inclusion>, MerkleError]>([
    ['a transaction that is none', { raw: new Uint8Array(70) }, { code: 'bad-transaction', reason: 'unknown flag' }],
    ['the copy of an odd last transaction', { pos: 11 }, { code: 'duplicate-node', of: 'transaction' }],
    ['a position outside the tree', { pos: 16 }, { code: 'bad-position', of: 'transaction' }],
    ['a position that is no number', { pos: Number.NaN }, { code: 'bad-position', of: 'transaction' }],
    ['a sibling of another length', { siblings: proof.siblings.map((s) => s.slice(1)) }, { code: 'bad-sibling', of: 'transaction' }],
    ['a branch of another depth than the coinbase', { siblings: proof.siblings.slice(1) }, { code: 'depth-differs' }],
    ['a branch deeper than any block', { siblings: deep, coinbaseSiblings: deep }, { code: 'too-deep', of: 'transaction' }],
    ['a coinbase that is none', { coinbase: rawTx(3) }, { code: 'coinbase-mismatch' }],
    ['another coinbase', { coinbase: rawTx(9, true) }, { code: 'wrong-root', of: 'coinbase' }],
    ['a transaction that is not in the block', { raw: rawTx(99) }, { code: 'wrong-root', of: 'transaction' }],
    ['a coinbase that is not first', { raw: proof.coinbase }, { code: 'coinbase-mismatch' }],
  ])('%s', (_, change, error) => {
    expect(copy(change)).toEqual({ ok: false, error });
  });

  /** CVE-2017-12842: 64 bytes in the block are read as two hashes, the second of them a leaf that never was. */
  test('a payment forged below a 64-byte transaction', () => {
    const forged = rawTx(77);
    // 4 + 1 + 36 + 1 + 4 + 1 + 8 + 1 + 4 + 4 = 64 bytes
    const small = RawTx.encode({
      version: 2,
      segwitFlag: false,
      inputs: [{ txid: new Uint8Array(32).fill(1), index: 0, finalScriptSig: new Uint8Array(0), sequence: 0 }],
      outputs: [{ amount: 1n, script: new Uint8Array(4) }],
      witnesses: [],
      lockTime: 0,
    });
    expect(small.length).toBe(64);
    const coinbase = rawTx(0, true);
    const { root, siblings } = tree([hash(coinbase), hash(small)]);
    // the 64-byte transaction itself is in the block, and is refused all the same
    const honest = { raw: small, pos: 1, siblings: siblings(1), coinbase, coinbaseSiblings: siblings(0) };
    expect(checkInclusion(honest, root)).toEqual({ ok: false, error: { code: 'size-64' } });

    // The forger's tree: any 64 bytes whose hash is a leaf serve as an inner node. Its branch is good, its depth betrays it.
    const left = new Uint8Array(32).fill(5);
    const inner = hash(concat(left, hash(forged)));
    const fake = tree([hash(coinbase), inner]);
    const branch = { txid: hash(forged), pos: 3, siblings: [left, hash(coinbase)] };
    expect(branchFault(branch, fake.root)).toBeUndefined();
    expect(checkInclusion({ ...branch, raw: forged, coinbase, coinbaseSiblings: [inner] }, fake.root)).toEqual({
      ok: false,
      error: { code: 'depth-differs' },
    });
  });
});
