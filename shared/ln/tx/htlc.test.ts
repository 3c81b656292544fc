/** HTLC-success and HTLC-timeout, run by bcoin with the standard flags: what each signature holds fast and what it leaves open. */
import { describe, expect, it } from 'vitest';
import { pointFromSecret, sign, verify } from '../keys/secp.ts';
import { build, htlc, kinds, preimageOf, secret, secrets, template, withHtlcs } from '../testing/commitment.ts';
import { idAndWeight, spends } from '../testing/interpreter.ts';
import { claimWitnessWeight } from './claim.ts';
import type { ChannelKind } from './commitment.ts';
import { type HtlcTx, holderSighash, htlcTransactions, htlcTxWitness, signedHtlcTx } from './htlc.ts';
import { p2wpkh } from './scripts.ts';
import { serializeTransaction, sighashAll, type Transaction, withWitnesses } from './transaction.ts';
import { transactionWeight } from './weight.ts';

const expiry = 700_123;
const cases = kinds.flatMap((kind) => (['success', 'timeout'] as const).map((stage) => [kind, stage] as const));

function stageOf(kind: ChannelKind, stage: HtlcTx['kind']) {
  const of = withHtlcs({ ...template, kind }, [htlc(4n, true, 20_000_000n, expiry), htlc(5n, false, 30_000_000n, expiry + 7)]);
  const built = build(of);
  const htlcTx = htlcTransactions(of, built).find((one) => one.kind === stage);
  if (htlcTx === undefined) throw new Error(`no ${stage}`);
  const output = built.outputs[htlcTx.vout];
  if (output === undefined) throw new Error('no output');
  return {
    htlcTx,
    output,
    remote: sign(htlcTx.remoteSighash, secrets.counterpartyHtlc),
    preimage: stage === 'success' ? preimageOf(5n) : undefined,
  };
}

describe.each(cases)('%s, HTLC-%s', (kind, stage) => {
  const anchors = kind === 'anchors_zero_fee_htlc_tx';
  const { htlcTx, output, remote, preimage } = stageOf(kind, stage);
  const local = sign(holderSighash(htlcTx), secrets.holderHtlc);
  const weightOf = stage === 'success' ? claimWitnessWeight.htlcSuccessTx : claimWitnessWeight.htlcTimeoutTx;

  /** The transaction changed after the counterparty signed; the holder signs what it is now. */
  const changed = (change: (tx: Transaction) => Transaction): boolean => {
    const tx = change(htlcTx.transaction);
    const mine = sign(sighashAll(tx, 0, htlcTx.witnessScript, htlcTx.amountSat), secrets.holderHtlc);
    const witness = htlcTxWitness(htlcTx, kind, remote, mine, preimage);
    return spends(serializeTransaction(withWitnesses(tx, [witness])), output);
  };

  it('is complete with both signatures', () => {
    const raw = signedHtlcTx(htlcTx, kind, remote, local, preimage);
    expect(spends(raw, output)).toBe(true);
    expect(idAndWeight(raw).weight).toBeLessThanOrEqual(transactionWeight([weightOf(htlcTx.witnessScript.length)], [output.scriptPubKey]));
    expect(verify(remote, htlcTx.remoteSighash, pointFromSecret(secrets.counterpartyHtlc))).toBe(true);
    const wrong = sign(holderSighash(htlcTx), secret(0x77));
    expect(spends(signedHtlcTx(htlcTx, kind, remote, wrong, preimage), output)).toBe(false);
    expect(spends(signedHtlcTx(htlcTx, kind, wrong, local, preimage), output)).toBe(false);
    expect(spends(signedHtlcTx(htlcTx, kind, local, remote, preimage), output)).toBe(false);
  });

  it('is spent neither earlier nor to elsewhere than was signed', () => {
    expect(changed((tx) => tx)).toBe(true);
    expect(changed((tx) => ({ ...tx, lockTime: tx.lockTime === 0 ? 1 : tx.lockTime - 1 }))).toBe(false);
    const sequence = anchors ? 0 : 1;
    expect(changed((tx) => ({ ...tx, inputs: tx.inputs.map((input) => ({ ...input, sequence })) }))).toBe(false);
    expect(changed((tx) => ({ ...tx, outputs: tx.outputs.map((one) => ({ ...one, amountSat: one.amountSat - 1n })) }))).toBe(false);
    const elsewhere = p2wpkh(template.holder.paymentBasepoint);
    expect(changed((tx) => ({ ...tx, outputs: tx.outputs.map((one) => ({ ...one, scriptPubKey: elsewhere })) }))).toBe(false);
  });

  it('takes a further input and output for its fee with anchors, and only with them', () => {
    const added = changed((tx) => ({
      ...tx,
      inputs: [...tx.inputs, { outpoint: { txid: secret(9), vout: 0 }, sequence: 0, witness: [] }],
      outputs: [...tx.outputs, { amountSat: 1000n, scriptPubKey: p2wpkh(template.holder.paymentBasepoint) }],
    }));
    expect(added).toBe(anchors);
  });

  it('wants the preimage if it is HTLC-success, and nothing else if not', () => {
    if (stage === 'success') expect(spends(signedHtlcTx(htlcTx, kind, remote, local, secret(0x77)), output)).toBe(false);
    expect(() => signedHtlcTx(htlcTx, kind, remote, local, stage === 'success' ? undefined : secret(0x77))).toThrow(RangeError);
  });
});
