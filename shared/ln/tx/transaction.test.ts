/** Our few lines of serialisation against two libraries that we did not write. */
import { RawTx, Transaction as ScureTransaction, SigHash } from '@scure/btc-signer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromHex, reversed, toHex } from '../../lib/bytes.ts';
import { idAndWeight } from '../testing/interpreter.ts';
import {
  compactSize,
  compareBytes,
  compareOutputs,
  derSignature,
  SIGHASH,
  serializeTransaction,
  sighash,
  sighashAll,
  type Transaction,
  txidOf,
} from './transaction.ts';

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const transactions: fc.Arbitrary<Transaction> = fc.record({
  version: fc.constant(2),
  lockTime: u32,
  inputs: fc.array(
    fc.record({
      outpoint: fc.record({ txid: bytes(32, 32), vout: u32 }),
      sequence: u32,
      witness: fc.array(bytes(0, 300), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  outputs: fc.array(fc.record({ amountSat: fc.bigInt({ min: 0n, max: 2n ** 51n }), scriptPubKey: bytes(0, 300) }), {
    minLength: 1,
    maxLength: 5,
  }),
});

describe('a transaction', () => {
  it('is read back by another library as what it is', () => {
    fc.assert(
      fc.property(transactions, (tx) => {
        const raw = RawTx.decode(serializeTransaction(tx));
        expect({ version: raw.version, lockTime: raw.lockTime }).toEqual({ version: tx.version, lockTime: tx.lockTime });
        expect(raw.outputs).toEqual(tx.outputs.map(({ amountSat, scriptPubKey }) => ({ amount: amountSat, script: scriptPubKey })));
        expect(raw.inputs).toEqual(
          tx.inputs.map(({ outpoint, sequence }) => ({
            txid: reversed(outpoint.txid),
            index: outpoint.vout,
            finalScriptSig: new Uint8Array(0),
            sequence,
          })),
        );
        if (tx.inputs.some(({ witness }) => witness.length > 0)) expect(raw.witnesses).toEqual(tx.inputs.map(({ witness }) => witness));
      }),
    );
  });

  it('has the id that bcoin computes, signed or not', () => {
    fc.assert(
      fc.property(transactions, (tx) => {
        expect(toHex(reversed(txidOf(tx)))).toBe(idAndWeight(serializeTransaction(tx)).txid);
      }),
    );
  });

  it('has the BIP 143 digest that another library computes', () => {
    fc.assert(
      fc.property(transactions, bytes(1, 300), fc.bigInt({ min: 0n, max: 2n ** 51n }), fc.nat(), (tx, script, amountSat, pick) => {
        const unsigned = { ...tx, inputs: tx.inputs.map((input) => ({ ...input, witness: [] })) };
        const index = pick % tx.inputs.length;
        const options = { allowUnknownInputs: true, allowUnknownOutputs: true, allowUnknown: true, disableScriptCheck: true };
        const theirs = ScureTransaction.fromRaw(serializeTransaction(unsigned), options);
        expect(sighashAll(tx, index, script, amountSat)).toEqual(theirs.preimageWitnessV0(index, script, SigHash.ALL, amountSat));
      }),
    );
    expect(() => sighashAll({ version: 2, lockTime: 0, inputs: [], outputs: [] }, 0, new Uint8Array(1), 0n)).toThrow(RangeError);
  });

  it('so for SIGHASH_SINGLE|SIGHASH_ANYONECANPAY, which needs an output beside the input', () => {
    fc.assert(
      fc.property(transactions, bytes(1, 300), fc.bigInt({ min: 0n, max: 2n ** 51n }), fc.nat(), (tx, script, amountSat, pick) => {
        const index = pick % tx.inputs.length;
        const ours = () => sighash(tx, index, script, amountSat, SIGHASH.SINGLE_ANYONECANPAY);
        if (index >= tx.outputs.length) {
          expect(ours).toThrow(RangeError);
          return;
        }
        const bare = { ...tx, inputs: tx.inputs.map((input) => ({ ...input, witness: [] })) };
        const options = { allowUnknownInputs: true, allowUnknownOutputs: true, allowUnknown: true, disableScriptCheck: true };
        const theirs = ScureTransaction.fromRaw(serializeTransaction(bare), options);
        expect(ours()).toEqual(theirs.preimageWitnessV0(index, script, SigHash.SINGLE_ANYONECANPAY, amountSat));
      }),
    );
  });
});

it('compactSize takes the shortest of its forms', () => {
  const forms = [0, 0xfc, 0xfd, 0xffff, 0x1_0000].map((value) => toHex(compactSize(value)));
  expect(forms).toEqual(['00', 'fc', 'fdfd00', 'fdffff', 'fe00000100']);
});

it('DER integers are minimal and positive', () => {
  const compact = (r: string, s: string) => concat(fromHex(r.padStart(64, '0')), fromHex(s.padStart(64, '0')));
  expect(toHex(derSignature(compact('01', '7f')))).toBe('300602010102017f01');
  expect(toHex(derSignature(compact('80', 'ff00')))).toBe(`3009${'02020080'}${'020300ff00'}01`);
  expect(toHex(derSignature(compact('01', '7f'), SIGHASH.SINGLE_ANYONECANPAY))).toBe('300602010102017f83');
});

describe('output order', () => {
  const output = (amountSat: bigint, script: string) => ({ amountSat, scriptPubKey: fromHex(script) });

  it('is by amount, then script, then length', () => {
    const sorted = [output(1n, 'ff'), output(2n, '01'), output(2n, '0100'), output(2n, '02'), output(3n, '00')];
    expect([...sorted].reverse().sort(compareOutputs)).toEqual(sorted);
  });

  it('of bytes is that of their hex', () => {
    fc.assert(
      fc.property(bytes(0, 5), bytes(0, 5), (a, b) => {
        const [x, y] = [toHex(a), toHex(b)];
        expect(Math.sign(compareBytes(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0);
      }),
    );
  });
});
