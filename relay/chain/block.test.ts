import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { merkleBranch, merkleRoot, parseBlock, parseHeader, parseTx } from './block.ts';
import { FakeNode, makeTx } from './testing.ts';

/** The first block of the main chain, as everybody knows it. */
const genesis =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa' +
  '4b1e5e4a29ab5f49ffff001d1dac2b7c0101000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d' +
  '0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f' +
  '722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f355' +
  '04e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000';

describe('blocks', () => {
  it('the first block of the main chain', () => {
    const block = parseBlock(genesis);
    expect(block).toMatchObject({
      ok: true,
      value: {
        header: { hash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f', prev: '00'.repeat(32), timeSec: 1_231_006_505 },
        txs: [{ txid: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b', start: 81 }],
      },
    });
  });

  it('a witness does not change the txid', () => {
    const plain = parseTx(makeTx([{ txid: '11'.repeat(32), vout: 3 }], ['51', '52']));
    const witness = parseTx(makeTx([{ txid: '11'.repeat(32), vout: 3 }], ['51', '52'], 72));
    expect(plain.ok && plain.value.txid).toBe(witness.ok && witness.value.txid);
    expect(witness).toMatchObject({ value: { spends: [`${'11'.repeat(32)}:3`], scripts: ['51', '52'] } });
  });

  it('a transaction that is not the one of the merkle root', () => {
    const { hex } = new FakeNode().mine([makeTx([{ txid: '11'.repeat(32), vout: 0 }], ['51'])]);
    expect(parseBlock(hex).ok).toBe(true);
    expect(parseBlock(hex.replace(/0151/, '0152'))).toEqual({ ok: false, error: 'malformed' });
  });

  it('bytes missing, bytes too many, counts that lie', () => {
    const { hex } = new FakeNode().mine([makeTx([{ txid: '11'.repeat(32), vout: 0 }], ['51'], 20)]);
    for (let cut = 0; cut < hex.length; cut += 1) expect(parseBlock(hex.slice(0, cut)).ok).toBe(false);
    expect(parseBlock(`${hex}00`).ok).toBe(false);
    expect(parseBlock(`${genesis.slice(0, 160)}feffffffff`).ok).toBe(false);
    expect(parseBlock(`${genesis.slice(0, 160)}ffffffffffffffffff`).ok).toBe(false);
    expect(parseBlock(`${genesis.slice(0, 160)}00`).ok).toBe(false);
    expect(parseTx(`02000000fe00ffffff${'00'.repeat(100)}`).ok).toBe(false);
    expect(parseHeader('zz'.repeat(80)).ok).toBe(false);
  });

  it('law: no bytes make it throw', () => {
    const { hex } = new FakeNode().mine([makeTx([{ txid: '11'.repeat(32), vout: 0 }], ['51'], 20)]);
    const original = Buffer.from(hex, 'hex');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(original.length),
        (changes, length) => {
          const bytes = Buffer.from(original);
          for (const [at, value] of changes) bytes[at] = value;
          parseBlock(bytes.toString('hex'));
          parseBlock(bytes.subarray(0, length).toString('hex'));
          parseTx(bytes.subarray(81).toString('hex'));
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseTx(Buffer.from(bytes).toString('hex'))));
  });

  it('law: every branch climbs to the root', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (count, seed) => {
        const txids = Array.from({ length: count }, (_, i) => (i + 1).toString(16).padStart(64, '0'));
        const pos = seed % count;
        let hash = txids[pos] ?? '';
        merkleBranch(txids, pos).forEach((sibling, level) => {
          hash = merkleRoot((pos >> level) % 2 === 0 ? [hash, sibling] : [sibling, hash]);
        });
        expect(hash).toBe(merkleRoot(txids));
      }),
      { numRuns: 60 },
    );
  });
});
