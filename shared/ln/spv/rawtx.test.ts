import { RawTx } from '@scure/btc-signer/script.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, reversed, toHex } from '../../lib/bytes.ts';
import { isCoinbase, MAX_TX_BYTES, parseRawTx } from './rawtx.ts';

/** Mainnet block 170: its coinbase, and the first payment. */
const COINBASE =
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d0102ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000';
const PAYMENT =
  '0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000';
/** BIP 143, native P2WPKH: two inputs, the second with a witness. */
const SEGWIT =
  '01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000';

const parsed = (raw: Uint8Array) => {
  const result = parseRawTx(raw);
  if (!result.ok) throw new Error(result.error.reason);
  return result.value;
};

describe('real transactions', () => {
  test.each([
    ['coinbase of block 170', COINBASE, 'b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082', true],
    ['payment in block 170', PAYMENT, 'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16', false],
  ])('%s', (_, hex, txid, coinbase) => {
    const tx = parsed(fromHex(hex));
    expect(toHex(reversed(tx.txid))).toBe(txid);
    expect(tx.strippedBytes).toBe(hex.length / 2);
    expect(isCoinbase(tx)).toBe(coinbase);
  });

  test('with a witness', () => {
    const tx = parsed(fromHex(SEGWIT));
    expect(toHex(reversed(tx.txid))).toBe(Transaction.fromRaw(fromHex(SEGWIT), { allowUnknownInputs: true, disableScriptCheck: true }).id);
    expect(tx.outputs.map((output) => output.valueSat)).toEqual([112_340_000n, 223_450_000n]);
    expect(tx.witnesses.map((stack) => stack.map((item) => item.length))).toEqual([[], [71, 33]]);
    expect(tx.locktime).toBe(17);
  });
});

const blob = fc.uint8Array({ maxLength: 300 });
const input = fc.record({
  txid: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  index: fc.integer({ min: 0, max: 0xffffffff }),
  finalScriptSig: blob,
  sequence: fc.integer({ min: 0, max: 0xffffffff }),
});
const output = fc.record({ amount: fc.bigInt({ min: 0n, max: 1_000_000_000_000n }), script: blob });
const transaction = fc
  .record({
    inputs: fc.array(fc.tuple(input, fc.array(blob, { maxLength: 3 })), { minLength: 1, maxLength: 4 }),
    outputs: fc.array(output, { minLength: 1, maxLength: 4 }),
    version: fc.integer({ min: 1, max: 3 }),
    lockTime: fc.integer({ min: 0, max: 0xffffffff }),
  })
  .map(({ inputs, ...rest }) => ({
    ...rest,
    inputs: inputs.map(([input]) => input),
    witnesses: inputs.map(([, stack]) => stack),
    segwitFlag: inputs.some(([, stack]) => stack.length > 0),
  }));

describe('laws', () => {
  test('what another library encodes is read the same', () => {
    fc.assert(
      fc.property(transaction, (tx) => {
        const read = parsed(RawTx.encode(tx));
        expect(read.version).toBe(tx.version);
        expect(read.locktime).toBe(tx.lockTime);
        expect(read.inputs.map((i) => ({ ...i, txid: toHex(i.txid) }))).toEqual(
          tx.inputs.map((i) => ({ txid: toHex(reversed(i.txid)), vout: i.index, script: i.finalScriptSig, sequence: i.sequence })),
        );
        expect(read.outputs).toEqual(tx.outputs.map((o) => ({ valueSat: o.amount, script: o.script })));
        expect(read.witnesses).toEqual(tx.witnesses);
        const stripped = RawTx.encode({ ...tx, segwitFlag: false });
        expect(read.strippedBytes).toBe(stripped.length);
        expect(parsed(stripped).txid).toEqual(read.txid);
      }),
      { numRuns: 60 },
    );
  });

  test('cut short, made longer or random: refused, never a throw', () => {
    fc.assert(
      fc.property(transaction, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 40 }), (tx, where, junk) => {
        const raw = RawTx.encode(tx);
        expect(parseRawTx(raw.subarray(0, where % raw.length)).ok).toBe(false);
        expect(parseRawTx(concat(raw, junk)).ok).toBe(false);
        expect(parseRawTx(junk).ok).toBe(false);
        parseRawTx(raw.map((byte, i) => (i === where % raw.length ? byte ^ (junk[0] ?? 1) : byte)));
      }),
      { numRuns: 100 },
    );
  });
});

describe('refused', () => {
  const hex = PAYMENT;
  const swap = (from: string, to: string) => {
    expect(hex).toContain(from);
    return fromHex(hex.replace(from, to));
  };
  test.each<[string, () => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(0), 'truncated'],
    ['a size that is not in shortest form', () => swap('0100000001c9', '01000000fd0100c9'), 'size not in shortest form'],
    ['a size beyond 32 bits', () => swap('0100000001c9', '01000000ff0100000000000000c9'), 'size too large'],
    ['a count beyond the bytes', () => swap('0100000001c9', '01000000feffffff7fc9'), 'truncated'],
    ['a script beyond the bytes', () => swap('484730', 'fdff0f4730'), 'truncated'],
    ['no inputs', () => fromHex('0100000000010001000000000000000000000000000000'), 'no inputs'],
    ['no outputs', () => fromHex(`01000000${'01'}${'11'.repeat(36)}00ffffffff0000000000`), 'no outputs'],
    ['another flag', () => fromHex(SEGWIT.replace('0100000000010', '0100000000020')), 'unknown flag'],
    ['more than 21 million coins', () => swap('00ca9a3b00000000', '0040075af0750701'), 'value out of range'],
    ['a witness that holds nothing', () => fromHex(`010000000001${PAYMENT.slice(8, -8)}0000000000`), 'superfluous witness'],
    ['more than a block holds', () => new Uint8Array(MAX_TX_BYTES + 1), 'too large'],
  ])('%s', (_, raw, reason) => {
    expect(parseRawTx(raw())).toEqual({ ok: false, error: { code: 'bad-transaction', reason } });
  });
});
