/** BOLT 3 appendices B, C and F whole: funding script, commitments and HTLC transactions, byte for byte with signatures. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { concat, fromHex, reversed, toHex } from '../../lib/bytes.ts';
import { derivePrivkey, derivePubkey, revocationPubkey } from '../keys/derive.ts';
import { pointFromSecret, sign, verify } from '../keys/secp.ts';
import appendixB from '../vectors/bolt03/appendix-b-funding.json' with { type: 'json' };
import appendixC from '../vectors/bolt03/appendix-c-commitment.json' with { type: 'json' };
import appendixF from '../vectors/bolt03/appendix-f-anchors.json' with { type: 'json' };
import {
  buildCommitment,
  type ChannelKind,
  type CommitmentTemplate,
  checkBalances,
  obscuringFactor,
  signedCommitment,
} from './commitment.ts';
import { type HtlcTx, holderSighash, htlcTransactions, signedHtlcTx } from './htlc.ts';
import { fundingScriptPubKey, fundingWitnessScript } from './scripts.ts';
import { derSignature, serializeTransaction, txidOf } from './transaction.ts';
import { commitmentFeeSat } from './weight.ts';

const p = appendixC.parameters;
const preimageOf = (id: bigint): Uint8Array => fromHex(appendixC.htlcs.find((htlc) => htlc.id === id.toString())?.preimage ?? '');

type Vector = { toLocalMsat: string; toRemoteMsat: string; feeratePerKw: number; htlcs: number[]; dustLimitSat?: string };
const templateOf = (kind: ChannelKind, vector: Vector): CommitmentTemplate => ({
  kind,
  number: BigInt(p.commitmentNumber),
  fundingOutpoint: { txid: reversed(fromHex(p.fundingTxid)), vout: p.fundingVout },
  fundingAmountSat: BigInt(p.fundingAmountSat),
  holderIsOpener: true,
  toHolderMsat: BigInt(vector.toLocalMsat),
  toCounterpartyMsat: BigInt(vector.toRemoteMsat),
  htlcs: appendixC.htlcs
    .filter(({ id }) => vector.htlcs.includes(Number(id)))
    .map(({ id, offered, amountMsat, cltvExpiry, preimage }) => ({
      id: BigInt(id),
      offered,
      amountMsat: BigInt(amountMsat),
      cltvExpiry,
      paymentHash: sha256(fromHex(preimage)),
    })),
  feeratePerKw: vector.feeratePerKw,
  dustLimitSat: BigInt(vector.dustLimitSat ?? p.localDustLimitSat),
  toSelfDelay: p.localDelay,
  holder: {
    fundingPubkey: fromHex(p.localFundingPubkey),
    // The appendix names no local revocation basepoint: a side's own is not part of its own commitment.
    revocationBasepoint: fromHex(p.localPaymentBasepoint),
    paymentBasepoint: fromHex(p.localPaymentBasepoint),
    delayedPaymentBasepoint: fromHex(p.localDelayedPaymentBasepoint),
    htlcBasepoint: fromHex(p.localHtlcBasepoint),
  },
  counterparty: {
    fundingPubkey: fromHex(p.remoteFundingPubkey),
    revocationBasepoint: fromHex(p.remoteRevocationBasepoint),
    paymentBasepoint: fromHex(p.remotePaymentBasepoint),
    delayedPaymentBasepoint: fromHex(p.remotePaymentBasepoint),
    htlcBasepoint: fromHex(p.remoteHtlcBasepoint),
  },
  perCommitmentPoint: fromHex(p.localPerCommitmentPoint),
});

const build = (template: CommitmentTemplate) => {
  const built = buildCommitment(template);
  if (!built.ok) throw new Error(built.error.code);
  return built.value;
};

/** The vectors print DER without the SIGHASH_ALL byte. */
const der = (compact: Uint8Array): string => toHex(derSignature(compact).subarray(0, -1));

function signBoth(template: CommitmentTemplate) {
  const commitment = build(template);
  const local = sign(commitment.sighash, fromHex(p.localFundingSecret));
  const remote = sign(commitment.sighash, fromHex(p.remoteFundingSecret));
  const localPubkey = fromHex(p.localFundingPubkey);
  const remotePubkey = fromHex(p.remoteFundingPubkey);
  expect(verify(remote, commitment.sighash, remotePubkey)).toBe(true);
  const a = { pubkey: localPubkey, signature: local };
  const b = { pubkey: remotePubkey, signature: remote };
  // The witness order follows the keys, not the order of the arguments.
  expect(signedCommitment(commitment, b, a)).toEqual(signedCommitment(commitment, a, b));
  return { commitment, local, remote, signed: toHex(signedCommitment(commitment, a, b)) };
}

const perCommitmentPoint = fromHex(p.localPerCommitmentPoint);
const localHtlcSecret = derivePrivkey(fromHex(p.localPaymentBasepointSecret), perCommitmentPoint);
const remoteHtlcSecret = derivePrivkey(fromHex(p.remotePaymentBasepointSecret), perCommitmentPoint);

/** Each HTLC transaction, with what both sides' keys sign. */
function signedHtlcTxs(template: CommitmentTemplate) {
  return htlcTransactions(template, build(template)).map((htlcTx: HtlcTx) => {
    const remote = sign(htlcTx.remoteSighash, remoteHtlcSecret);
    const local = sign(holderSighash(htlcTx), localHtlcSecret);
    const preimage = htlcTx.kind === 'success' ? preimageOf(htlcTx.htlc.id) : undefined;
    return { ...htlcTx, remote: der(remote), local: der(local), tx: toHex(signedHtlcTx(htlcTx, template.kind, remote, local, preimage)) };
  });
}

describe('BOLT 3 appendix B', () => {
  const local = fromHex(appendixB.localFundingPubkey);
  const remote = fromHex(appendixB.remoteFundingPubkey);

  it('funding witness script and output, in either order of the keys', () => {
    expect(toHex(fundingWitnessScript(local, remote))).toBe(appendixB.fundingWitnessScript);
    expect(toHex(fundingWitnessScript(remote, local))).toBe(appendixB.fundingWitnessScript);
    const output = `8096980000000000${'22'}${toHex(fundingScriptPubKey(remote, local))}`;
    expect(appendixB.fundingTx).toContain(output);
  });
});

describe('BOLT 3 appendix C', () => {
  it('the keys of the vectors follow from the basepoints', () => {
    expect(toHex(pointFromSecret(fromHex(p.localFundingSecret)))).toBe(p.localFundingPubkey);
    expect(toHex(pointFromSecret(fromHex(p.remoteFundingSecret)))).toBe(p.remoteFundingPubkey);
    const point = fromHex(p.localPerCommitmentPoint);
    expect(toHex(derivePubkey(fromHex(p.localDelayedPaymentBasepoint), point) ?? concat())).toBe(p.localDelayedPubkey);
    expect(toHex(revocationPubkey(fromHex(p.remoteRevocationBasepoint), point) ?? concat())).toBe(p.localRevocationPubkey);
    expect(toHex(localHtlcSecret)).toBe(p.localPrivkey);
    expect(toHex(remoteHtlcSecret)).toBe(p.remotePrivkey);
    const template = templateOf('static_remotekey', { toLocalMsat: '9000000000', toRemoteMsat: '0', feeratePerKw: 0, htlcs: [] });
    expect(build(template).keys).toEqual({
      revocationPubkey: fromHex(p.localRevocationPubkey),
      delayedPubkey: fromHex(p.localDelayedPubkey),
      holderHtlcPubkey: fromHex(p.localHtlcPubkey),
      counterpartyHtlcPubkey: fromHex(p.remoteHtlcPubkey),
    });
  });

  it('obscuring factor, from whichever side it is computed', () => {
    const template = templateOf('static_remotekey', { toLocalMsat: '0', toRemoteMsat: '0', feeratePerKw: 0, htlcs: [] });
    const { holder, counterparty } = template;
    expect(obscuringFactor(template).toString(16)).toBe(p.obscuringFactor);
    expect(obscuringFactor({ holder: counterparty, counterparty: holder, holderIsOpener: false }).toString(16)).toBe(p.obscuringFactor);
  });

  it.each(appendixC.vectors.map((vector) => [vector.name, vector.htlcTxs.length, vector] as const))(
    '%s: %d HTLC transactions',
    (_name, _count, vector) => {
      const template = templateOf('static_remotekey', vector);
      const { commitment, local, remote, signed } = signBoth(template);
      expect(der(remote)).toBe(vector.remoteSignature);
      expect(der(local)).toBe(vector.localSignature);
      expect(signed).toBe(vector.commitTx);
      expect(signedHtlcTxs(template).map(({ htlc, kind, vout, remote, local, tx }) => [htlc.id, kind, vout, remote, local, tx])).toEqual(
        vector.htlcTxs.map((of) => [BigInt(of.htlc), of.kind, of.vout, of.remoteSignature, of.localSignature, of.tx]),
      );
      // One vector comes without its fees.
      if (vector.baseFeeSat === undefined) return;
      expect(commitmentFeeSat('static_remotekey', vector.feeratePerKw, vector.htlcTxs.length).toString()).toBe(vector.baseFeeSat);
      expect(commitment.feeSat.toString()).toBe(vector.actualFeeSat);
    },
  );

  it('no vector was lost in transcription: 16 commitments, 33 HTLC transactions', () => {
    expect(appendixC.vectors.length).toBe(16);
    expect(appendixC.vectors.flatMap(({ htlcTxs }) => htlcTxs).length).toBe(33);
  });

  it('a fee greater than the opener amount is built as BOLT 3 says, and refused by checkBalances', () => {
    const vector = appendixC.vectors.find(({ name }) => name.includes('fee greater than'));
    if (vector === undefined) throw new Error('vector not found');
    const template = templateOf('static_remotekey', vector);
    expect(checkBalances(template, 1000n)).toEqual({ ok: false, error: { code: 'opener-cannot-pay-fee', shortSat: 1n } });
  });
});

describe('BOLT 3 appendix F', () => {
  it.each(appendixF.vectors.map((vector) => [vector.name, vector.htlcTxs.length, vector] as const))(
    '%s: %d HTLC transactions',
    (_name, _count, vector) => {
      const template = templateOf('anchors_zero_fee_htlc_tx', vector);
      const { remote, signed, commitment } = signBoth(template);
      expect(der(remote)).toBe(vector.remoteSignature);
      expect(signed).toBe(vector.commitTx);
      expect(toHex(serializeTransaction(commitment.transaction))).toBe(toHex(commitment.unsigned));
      expect(txidOf(commitment.transaction)).toEqual(commitment.txid);
      expect(signedHtlcTxs(template).map(({ remote, tx }) => [remote, tx])).toEqual(
        vector.htlcTxs.map((of) => [of.remoteSignature, of.tx]),
      );
    },
  );

  it('no vector was lost in transcription: 9 commitments, 15 HTLC transactions', () => {
    expect(appendixF.vectors.length).toBe(9);
    expect(appendixF.vectors.flatMap(({ htlcTxs }) => htlcTxs).length).toBe(15);
  });
});
