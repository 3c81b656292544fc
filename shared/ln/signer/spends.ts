/**
 * What claims for us once a commitment is on chain: second-stage transactions of ours, and spends of single outputs. BOLT 5; BOLT 3
 * § HTLC-Timeout and HTLC-Success Transactions. Every output pays us. What is left for miners callers answer for: one input does not
 * show what the others bring. When an output may be spent is the chain's rule.
 */
import { concat, equal } from '../../lib/bytes.ts';
import { ok, type Result } from '../../lib/result.ts';
import { isScalar, pointFromSecret, sign } from '../keys/secp.ts';
import { anchorWitnessScript, p2wpkh, p2wpkhScriptCode, toRemoteAnchorsWitnessScript } from '../tx/scripts.ts';
import { sighashAll, type Transaction } from '../tx/transaction.ts';
import { check } from './commitments.ts';
import { type Keyring, refuse } from './keyring.ts';
import type { ChannelSigner, SignerError, Spend, WalletSigner } from './signer.ts';

type SweepScript = Pick<WalletSigner, 'scriptPubKey'>;

export function spendOperations(keys: Keyring, wallet: SweepScript): Pick<ChannelSigner, 'signHtlc' | 'signSpend'> {
  return {
    signHtlc({ template, vout, transaction, inputIndex, sweepIndex }, guard) {
      // Before that it would be a second way into the chain for a commitment that may still be revoked.
      if (!guard.localPublished) return refuse('spend-invalid', 'our commitment was not signed for the chain');
      const checked = check(keys, template, 'holder', guard);
      if (!checked.ok) return checked;
      const { htlcTxs, digest } = checked.value;
      if (template.number !== guard.localNumber || !(guard.localSighash && equal(digest, guard.localSighash)))
        return refuse('commitment-differs', `local commitment ${template.number} is not the published one`);
      const htlcTx = htlcTxs.find((one) => one.vout === vout);
      if (htlcTx === undefined) return refuse('spend-invalid', `output ${vout} is no HTLC`);
      if (!containsSecondStage(transaction, inputIndex, htlcTx.transaction))
        return refuse('spend-invalid', `not the second stage of output ${vout}`);
      // The peer's SIGHASH_ALL covers the whole transaction: no other one is worth anything.
      if (template.kind === 'static_remotekey' && (transaction.inputs.length !== 1 || transaction.outputs.length !== 1))
        return refuse('spend-invalid', 'a second stage without anchors stands alone');
      const secondStage = htlcTx.transaction.outputs.map(({ scriptPubKey }) => scriptPubKey);
      const stray = strayOutput(transaction, [...secondStage, wallet.scriptPubKey(sweepIndex)]);
      if (stray >= 0) return refuse('destination-unknown', `output ${stray} does not pay us`);
      const secret = keys.htlcSecret(template.perCommitmentPoint);
      return ok(sign(sighashAll(transaction, inputIndex, htlcTx.witnessScript, htlcTx.amountSat), secret));
    },

    signSpend(spend) {
      const { transaction, inputIndex, amountSat, sweepIndex } = spend;
      const { inputs, outputs, version } = transaction;
      if (version !== 2 || inputs[inputIndex] === undefined) return refuse('spend-invalid', `version ${version}, input ${inputIndex}`);
      const key = keyFor(keys, spend);
      if (!key.ok) return key;
      const stray = strayOutput(transaction, [wallet.scriptPubKey(sweepIndex)]);
      if (stray >= 0) return refuse('destination-unknown', `output ${stray} does not pay us`);
      if (outputs.reduce((sum, output) => sum + output.amountSat, 0n) <= 0n)
        return refuse('fee-out-of-range', 'all of it would be the fee');
      return ok(sign(sighashAll(transaction, inputIndex, key.value.scriptCode, amountSat), key.value.secret));
    },
  };
}

/** The first output with none of these scripts, or -1. */
const strayOutput = ({ outputs }: Transaction, scripts: readonly Uint8Array[]): number =>
  outputs.findIndex(({ scriptPubKey }) => !scripts.some((script) => equal(script, scriptPubKey)));

/** Input and output of BOLT 3's transaction at this index, unchanged, and under its version and locktime. */
function containsSecondStage(transaction: Transaction, index: number, { version, lockTime, inputs, outputs }: Transaction): boolean {
  const [input, output] = [transaction.inputs[index], transaction.outputs[index]];
  const [wantedInput, wantedOutput] = [inputs[0], outputs[0]];
  if (!input || !output || !wantedInput || !wantedOutput) return false;
  return (
    transaction.version === version &&
    transaction.lockTime === lockTime &&
    equal(input.outpoint.txid, wantedInput.outpoint.txid) &&
    input.outpoint.vout === wantedInput.outpoint.vout &&
    input.sequence === wantedInput.sequence &&
    output.amountSat === wantedOutput.amountSat &&
    equal(output.scriptPubKey, wantedOutput.scriptPubKey)
  );
}

type KeyAndScript = { readonly secret: Uint8Array; readonly scriptCode: Uint8Array };

/** The secret that the output asks for, if its script has our key in the place that the kind of spend says. */
function keyFor(keys: Keyring, { key, witnessScript }: Spend): Result<KeyAndScript, SignerError> {
  const matches = (secret: Uint8Array, fits: (script: Uint8Array, pubkey: Uint8Array) => boolean): Result<KeyAndScript, SignerError> =>
    witnessScript !== undefined && fits(witnessScript, pointFromSecret(secret))
      ? ok({ secret, scriptCode: witnessScript })
      : refuse('spend-invalid', `the script is not one of the ${key.kind} key`);
  switch (key.kind) {
    case 'delayed':
      return matches(keys.delayedSecret(key.perCommitmentPoint), isDelayedTo);
    case 'htlc':
      return matches(keys.htlcSecret(key.perCommitmentPoint), isHtlcAgainst);
    case 'revocation':
      if (!isScalar(key.perCommitmentSecret)) return refuse('spend-invalid', 'the per-commitment secret is not a scalar');
      return matches(keys.revocationSecret(key.perCommitmentSecret), isRevocableBy);
    case 'payment': {
      const { paymentBasepoint } = keys.basepoints();
      const secret = keys.secrets.payment;
      if (witnessScript === undefined) return ok({ secret, scriptCode: p2wpkhScriptCode(paymentBasepoint) });
      return matches(secret, (script, pubkey) => equal(script, toRemoteAnchorsWitnessScript(pubkey)));
    }
    case 'anchor':
      // The key is that of the 2-of-2, so nothing but the very script of the anchor.
      return matches(keys.secrets.funding, (script, pubkey) => equal(script, anchorWitnessScript(pubkey)));
  }
}

const OP = { IF: 0x63, ELSE: 0x67, ENDIF: 0x68, DROP: 0x75, DUP: 0x76, EQUAL: 0x87, HASH160: 0xa9, CHECKSIG: 0xac } as const;
const push = (bytes: Uint8Array): Uint8Array => concat(Uint8Array.of(bytes.length), bytes);
const startsWith = (script: Uint8Array, start: Uint8Array): boolean => equal(script.subarray(0, start.length), start);
const endsWith = (script: Uint8Array, end: Uint8Array): boolean => equal(script.subarray(-end.length), end);

/** `to_local`: IF <revocation> ELSE <delay> CSV DROP <delayed> ENDIF CHECKSIG. */
const isDelayedTo = (script: Uint8Array, pubkey: Uint8Array): boolean =>
  script[0] === OP.IF && endsWith(script, concat(Uint8Array.of(OP.DROP), push(pubkey), Uint8Array.of(OP.ENDIF, OP.CHECKSIG)));

const htlcHead = (revocationHash: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(OP.DUP, OP.HASH160), push(revocationHash), Uint8Array.of(OP.EQUAL, OP.IF, OP.CHECKSIG, OP.ELSE));
const htlcHeadLength = htlcHead(new Uint8Array(20)).length;

/**
 * An HTLC of a commitment of the peer: ours is the one key that signs alone. In our own commitments it stands behind, beside the
 * peer's, and what it signs there is a second stage.
 */
const isHtlcAgainst = (script: Uint8Array, pubkey: Uint8Array): boolean =>
  script[0] === OP.DUP && startsWith(script.subarray(htlcHeadLength), push(pubkey));

/** `to_local` or a second-stage output by the key itself; an HTLC by its hash. */
const isRevocableBy = (script: Uint8Array, pubkey: Uint8Array): boolean =>
  startsWith(script, concat(Uint8Array.of(OP.IF), push(pubkey), Uint8Array.of(OP.ELSE))) ||
  // The last 20 bytes of a P2WPKH script are the key's hash.
  startsWith(script, htlcHead(p2wpkh(pubkey).subarray(2)));
