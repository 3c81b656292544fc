/**
 * Mutual closes. BOLT 2 § Closing Negotiation. The script that pays us is fixed once; a close that pays us less than the newest
 * commitment, but for the fee that we agreed to, is refused. Callers check that no update follows a signed close, and the peer's script.
 */
import { equal } from '../../lib/bytes.ts';
import { ok, type Result } from '../../lib/result.ts';
import { sign } from '../keys/secp.ts';
import { fundingWitnessScript } from '../tx/scripts.ts';
import { sighashAll } from '../tx/transaction.ts';
import { type Keyring, refuse } from './keyring.ts';
import type { ChannelSigner, Closing, SignerError, SignerGuard } from './signer.ts';

/** The most that may be missing as dust. BOLT 3 § Dust Limits: no script has a larger limit than P2PKH's. */
const mostDustSat = 546n;

export function closingOperations(keys: Keyring): Pick<ChannelSigner, 'pinCloseScript' | 'signClosing'> {
  return {
    pinCloseScript(scriptPubKey, guard) {
      if (guard.closeScript !== undefined && !equal(guard.closeScript, scriptPubKey))
        return refuse('destination-unknown', 'a mutual close of this channel pays us elsewhere');
      return ok({ guard: { ...guard, closeScript: scriptPubKey } });
    },

    signClosing(closing, guard) {
      if (guard.localPublished) return refuse('channel-published', 'our commitment was signed for the chain');
      const spends = checkSpends(closing, guard);
      if (!spends.ok) return spends;
      const pays = checkPays(closing, guard);
      if (!pays.ok) return pays;
      const script = fundingWitnessScript(keys.basepoints().fundingPubkey, closing.remoteFundingPubkey);
      return ok(sign(sighashAll(closing.transaction, 0, script, closing.fundingAmountSat), keys.secrets.funding));
    },
  };
}

/** The funding output and nothing else, into at most one output for each side, and no more than there is. */
function checkSpends({ transaction, fundingOutpoint, fundingAmountSat }: Closing, guard: SignerGuard): Result<void, SignerError> {
  const { version, inputs, outputs } = transaction;
  const [input] = inputs;
  if (!(guard.fundingTxid && equal(guard.fundingTxid, fundingOutpoint.txid)) || guard.fundingVout !== fundingOutpoint.vout)
    return refuse('funding-changed', 'this channel has another funding output');
  if (inputs.length !== 1 || !input || !equal(input.outpoint.txid, fundingOutpoint.txid) || input.outpoint.vout !== fundingOutpoint.vout)
    return refuse('spend-invalid', 'a close spends the funding output alone');
  if (version !== 2 || outputs.length < 1 || outputs.length > 2)
    return refuse('spend-invalid', `version ${version}, ${outputs.length} outputs`);
  const totalSat = outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  if (outputs.some(({ amountSat }) => amountSat < 0n) || totalSat > fundingAmountSat)
    return refuse('spend-invalid', `${totalSat} sat out of ${fundingAmountSat}`);
  return ok(undefined);
}

/** Our balance as the newest commitment of the peer has it, less the fee that is ours to bear, to the script that was fixed. */
function checkPays({ transaction, toUsMsat, maxFeeSat }: Closing, guard: SignerGuard): Result<void, SignerError> {
  const { holding, closeScript } = guard;
  if (holding === undefined) return refuse('spend-invalid', 'no commitment of the peer was signed');
  if (closeScript === undefined) return refuse('destination-unknown', 'where a close pays us was not fixed');
  if (holding.offered.length > 0 || holding.receivedMsat > 0n) return refuse('htlcs-pending', 'the newest commitment has HTLCs');
  if (toUsMsat !== holding.toUsMsat)
    return refuse('balance-falls', `${toUsMsat} msat where the newest commitment gives us ${holding.toUsMsat}`);
  const leastSat = toUsMsat / 1000n - maxFeeSat;
  const ours = transaction.outputs.filter(({ scriptPubKey }) => equal(scriptPubKey, closeScript));
  if (ours.length === 0)
    return leastSat < mostDustSat ? ok(undefined) : refuse('destination-unknown', `no output pays us, who have ${toUsMsat} msat`);
  // Two outputs to one script are one for each side.
  if (!ours.some(({ amountSat }) => amountSat >= leastSat)) return refuse('fee-out-of-range', `less than ${leastSat} sat for us`);
  return ok(undefined);
}
