/**
 * What both closing protocols have in common: who gets what, at which fee, and a transaction that both signed. BOLT 2 § Closing
 * Negotiation and § Legacy Closing Negotiation. The verbs are in `close-legacy.ts` and `close-simple.ts`.
 *
 * Callers see to it that both `shutdown`s were said and that nothing is left in the commitments but the balances.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { verify } from '../keys/secp.ts';
import type { ChannelSigner } from '../signer/signer.ts';
import { type ClosingChannel, type ClosingSide, type ClosingTx, closingWeight, signedClosing } from '../tx/closing.ts';
import { isDust } from '../tx/dust.ts';
import { type Commitments, specOf } from './commitments.ts';
import type { Env } from './env.ts';
import type { ChannelError } from './error.ts';
import type { OutMessage } from './message.ts';
import { type Negotiation, withSigned } from './negotiation.ts';

/** What the verbs work on, and leave behind. */
export type Close = { readonly commitments: Commitments; readonly negotiation: Negotiation };
export type Reply = Result<Close & { readonly messages: readonly OutMessage[] }, ChannelError>;

export type Parties = { readonly channel: ClosingChannel; readonly local: ClosingSide; readonly remote: ClosingSide };

export function partiesOf(commitments: Commitments): Parties {
  const { terms, fundingOutpoint, localShutdownScript, remoteShutdownScript } = commitments;
  if (!localShutdownScript || !remoteShutdownScript) throw new TypeError('partiesOf: both sides said shutdown');
  const { toLocalMsat, toRemoteMsat } = specOf(commitments, 'local');
  return {
    channel: {
      fundingOutpoint,
      fundingAmountSat: terms.fundingAmountSat,
      localFundingPubkey: terms.local.basepoints.fundingPubkey,
      remoteFundingPubkey: terms.remote.basepoints.fundingPubkey,
    },
    local: { balanceMsat: toLocalMsat, scriptPubKey: localShutdownScript },
    remote: { balanceMsat: toRemoteMsat, scriptPubKey: remoteShutdownScript },
  };
}

/** Nobody waits for a mutual close: two hours, unless the user says otherwise. */
const targetBlocks = 12;
/** What would do for somebody in a hurry: as far we go to meet a peer that estimates higher. */
const fastBlocks = 2;
/** What nodes relay: 1 sat for a virtual byte. */
const relayPerKw = 250;
/** Our weights count the longest signatures; real ones are two bytes shorter each. */
const signatureSlack = 4;

const feeOf = (feeratePerKw: number, weight: number): bigint => BigInt(Math.ceil((feeratePerKw * weight) / 1000));

/** What the user chose, or what we would pay, and what is relayed at least; of a transaction that pays both sides. */
export function feesOf(
  commitments: Commitments,
  env: Env,
): { readonly wantedSat: bigint; readonly fastSat: bigint; readonly relayedSat: bigint } {
  const { local, remote } = partiesOf(commitments);
  const weight = closingWeight([local.scriptPubKey, remote.scriptPubKey]);
  const feeratePerKw = commitments.closeFeeratePerKw ?? env.feerateFor(targetBlocks);
  return {
    wantedSat: feeOf(feeratePerKw, weight),
    fastSat: feeOf(env.feerateFor(fastBlocks), weight),
    relayedSat: feeOf(relayPerKw, weight - signatureSlack),
  };
}

/** `maxFeeSat`: how much less than our balance the transaction may pay us. */
export function signClose(
  commitments: Commitments,
  tx: ClosingTx,
  maxFeeSat: bigint,
  signer: ChannelSigner,
): Result<Uint8Array, ChannelError> {
  const { channel, local } = partiesOf(commitments);
  const signed = signer.signClosing(
    {
      fundingOutpoint: channel.fundingOutpoint,
      fundingAmountSat: channel.fundingAmountSat,
      remoteFundingPubkey: channel.remoteFundingPubkey,
      transaction: tx.transaction,
      toUsMsat: local.balanceMsat,
      maxFeeSat,
    },
    commitments.guard,
  );
  return signed.ok ? signed : err({ code: 'signer-refused', detail: `${signed.error.code}: ${signed.error.detail}` });
}

/** The peer's signature, which must be low-S too. */
export const isSignedByPeer = ({ terms }: Commitments, tx: ClosingTx, signature: Uint8Array): boolean =>
  verify(signature, tx.sighash, terms.remote.basepoints.fundingPubkey);

/** Both signatures were made or checked. What no node would relay is not kept: it would only seem to be a close. */
export function withClose({ commitments, negotiation }: Close, tx: ClosingTx, ours: Uint8Array, theirs: Uint8Array, env: Env): Close {
  const { local, remote } = commitments.terms;
  const transaction = signedClosing(
    tx,
    { pubkey: local.basepoints.fundingPubkey, signature: ours },
    { pubkey: remote.basepoints.fundingPubkey, signature: theirs },
  );
  return { commitments, negotiation: isRelayed(tx, env) ? withSigned(negotiation, transaction) : negotiation };
}

/** A peer may be a few blocks ahead of us. */
const aheadBlocks = 144;

const isRelayed = ({ transaction: { outputs, lockTime }, weight, feeSat }: ClosingTx, { height }: Env): boolean =>
  lockTime <= height + aheadBlocks && feeSat >= feeOf(relayPerKw, weight - signatureSlack) && !outputs.some(isDust);

export const said = (close: Close, ...messages: readonly OutMessage[]): Reply => ok({ ...close, messages });
