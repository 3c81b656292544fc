/** Transactions of the chain as `Transaction`: what was serialised comes back, script_sigs are kept. */
import { expect, it } from 'vitest';
import { fromHex, reversed, toHex } from '../../lib/bytes.ts';
import appendixB from '../vectors/bolt03/appendix-b-funding.json' with { type: 'json' };
import appendixC from '../vectors/bolt03/appendix-c-commitment.json' with { type: 'json' };
import { parseTransaction } from './parse.ts';
import { serializeTransaction, txidOf } from './transaction.ts';

it('every transaction of BOLT 3 appendix C comes back, and HTLC-success shows its preimage', () => {
  const raws = appendixC.vectors.flatMap(({ commitTx, htlcTxs }) => [commitTx, ...htlcTxs.map(({ tx }) => tx)]);
  for (const raw of raws) {
    const parsed = parseTransaction(fromHex(raw));
    if (!parsed.ok) throw new Error(parsed.error.reason);
    expect(toHex(serializeTransaction(parsed.value))).toBe(raw);
    expect(parsed.value.txid).toEqual(txidOf(parsed.value));
    expect(parsed.value.inputs.every(({ scriptSig }) => scriptSig.length === 0)).toBe(true);
  }
  for (const { htlc, kind, tx } of appendixC.vectors.flatMap(({ htlcTxs }) => htlcTxs)) {
    const parsed = parseTransaction(fromHex(tx));
    const shown = parsed.ok ? parsed.value.inputs[0]?.witness[3] : undefined;
    expect(toHex(shown ?? fromHex('ff'))).toBe(kind === 'success' ? appendixC.htlcs.find(({ id }) => id === htlc)?.preimage : '');
  }
});

it('a legacy input keeps its script_sig, and the txid is that of the whole', () => {
  const parsed = parseTransaction(fromHex(appendixB.fundingTx));
  if (!parsed.ok) throw new Error(parsed.error.reason);
  expect(toHex(reversed(parsed.value.txid))).toBe(appendixB.txid);
  const [input] = parsed.value.inputs;
  expect(toHex(reversed(input?.outpoint.txid ?? fromHex('')))).toBe(appendixB.inputTxid);
  expect(input?.scriptSig).toHaveLength(0x6b);
  expect(input?.witness).toEqual([]);
  expect(parsed.value.outputs.map(({ amountSat }) => amountSat)).toEqual([BigInt(appendixB.fundingSat), BigInt(appendixB.changeSat)]);
});

it('what is no transaction is a value', () => {
  expect(parseTransaction(fromHex('0200')).ok).toBe(false);
});
