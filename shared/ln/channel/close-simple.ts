/**
 * `closing_complete` and `closing_sig` (`option_simple_close`). BOLT 2 § Closing Negotiation. Each side pays for a transaction of its own,
 * and may replace it by one that pays more; the other side signs whatever pays it in full.
 */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { type ClosingTx, type ClosingVariant, closeeVariant, closerVariants, simpleClosing } from '../tx/closing.ts';
import { dustLimitOf } from '../tx/dust.ts';
import { isShutdownScript } from '../tx/scripts.ts';
import { type Close, feesOf, isSignedByPeer, type Parties, partiesOf, type Reply, said, signClose, withClose } from './close.ts';
import type { Commitments } from './commitments.ts';
import type { Env } from './env.ts';
import type { ChannelError } from './error.ts';
import type { ClosingComplete, ClosingSig } from './message.ts';

type Signatures = Pick<ClosingComplete, 'closerOutputOnly' | 'closeeOutputOnly' | 'closerAndCloseeOutputs'>;

const fieldOf = {
  closer_output_only: 'closerOutputOnly',
  closee_output_only: 'closeeOutputOnly',
  closer_and_closee_outputs: 'closerAndCloseeOutputs',
} as const satisfies { readonly [V in ClosingVariant]: keyof Signatures };
const allVariants: readonly ClosingVariant[] = ['closer_output_only', 'closee_output_only', 'closer_and_closee_outputs'];
const given = (signatures: Signatures): readonly ClosingVariant[] =>
  allVariants.filter((variant) => signatures[fieldOf[variant]] !== undefined);

/** A transaction as far as its closer decides. */
type Terms = { readonly feeSat: bigint; readonly lockTime: number };

function build(parties: Parties, closer: 'local' | 'remote', terms: Terms, variant: ClosingVariant): Result<ClosingTx, ChannelError> {
  const { channel, local, remote } = parties;
  const roles = closer === 'local' ? { closer: local, closee: remote } : { closer: remote, closee: local };
  const built = simpleClosing({ channel, ...roles, ...terms, variant });
  return built.ok ? built : err({ code: 'closing-invalid', detail: built.error.detail });
}

/** `closing_complete` at the wanted fee: the first of a connection, or one that pays more than the last. Says nothing if there is no point in it. */
export function proposeClose(close: Close, env: Env): Reply {
  const { commitments, negotiation } = close;
  const { complete } = negotiation;
  const feeSat = affordable(commitments, env);
  // BOLT 2: "MUST wait until it has received `closing_sig` first."
  if (feeSat === undefined || (complete && (!complete.answered || feeSat <= complete.feeSat))) return said(close);
  const parties = partiesOf(commitments);
  const { local, remote } = parties;
  const lockTime = env.height;
  const signatures: { -readonly [F in keyof Signatures]: Uint8Array } = {};
  for (const variant of closerVariants({ closer: local, closee: remote, feeSat })) {
    const tx = build(parties, 'local', { feeSat, lockTime }, variant);
    if (!tx.ok) return tx;
    // What is left of ours as dust goes to the fee, too.
    const goneSat = variant === 'closee_output_only' ? local.balanceMsat / 1000n : feeSat;
    const signed = signClose(commitments, tx.value, goneSat, env.openSigner(commitments.terms.keyPath));
    if (!signed.ok) return signed;
    signatures[fieldOf[variant]] = signed.value;
  }
  const closeeScript = remote.scriptPubKey;
  const next: Close = { commitments, negotiation: { ...negotiation, complete: { feeSat, lockTime, closeeScript, answered: false } } };
  return said(next, {
    name: 'closing_complete',
    channelId: commitments.channelId,
    closerScriptpubkey: local.scriptPubKey,
    closeeScriptpubkey: closeeScript,
    feeSatoshis: feeSat,
    locktime: lockTime,
    ...signatures,
  });
}

/**
 * BOLT 2: "MUST set `fee_satoshis` to a fee less than or equal to its outstanding balance, rounded down to whole satoshis.", "MUST set
 * `fee_satoshis` so that at least one output is not dust." Undefined if we have too little for a transaction that is relayed: then the
 * peer's pays us, or we have nothing to be paid.
 */
function affordable(commitments: Commitments, env: Env): bigint | undefined {
  const { local, remote } = partiesOf(commitments);
  const { wantedSat, relayedSat } = feesOf(commitments, env);
  const keepSat = local.balanceMsat < remote.balanceMsat ? 0n : dustLimitOf(local.scriptPubKey);
  const mostSat = local.balanceMsat / 1000n - keepSat;
  if (mostSat < relayedSat) return undefined;
  return wantedSat < relayedSat ? relayedSat : wantedSat > mostSat ? mostSat : wantedSat;
}

/** The peer's transaction: it pays the fee, so what matters is that it is right. Answered by `closing_sig`. */
export function receiveClosingComplete(close: Close, msg: ClosingComplete, env: Env): Reply {
  const { feeSatoshis: feeSat, locktime: lockTime, closerScriptpubkey, closeeScriptpubkey } = msg;
  const script = checkScripts(close.commitments, msg, env);
  if (script) return err(script);
  // BOLT 2: "MUST use `closer_scriptpubkey` for its own future `closing_complete` messages."
  const commitments: Commitments = { ...close.commitments, remoteShutdownScript: closerScriptpubkey };
  const parties = partiesOf(commitments);
  const { local, remote } = parties;
  // BOLT 2: "If `fee_satoshis` is greater than the closer's outstanding balance"
  if (feeSat * 1000n > remote.balanceMsat) return err({ code: 'close-fee-out-of-range', got: feeSat, limit: remote.balanceMsat / 1000n });
  const variant = closeeVariant(local, given(msg));
  const theirs = msg[fieldOf[variant]];
  // BOLT 2: "If the selected signature field does not exist"
  if (!theirs) return err({ code: 'closing-invalid', detail: `closing_complete lacks ${variant}` });
  const tx = build(parties, 'remote', { feeSat, lockTime }, variant);
  if (!tx.ok) return tx;
  // BOLT 2: "If the signature field is not valid for the corresponding closing transaction specified in BOLT #3"
  if (!isSignedByPeer(commitments, tx.value, theirs)) return err({ code: 'closing-signature-invalid', detail: variant });
  const goneSat = variant === 'closer_output_only' ? local.balanceMsat / 1000n : 0n;
  const ours = signClose(commitments, tx.value, goneSat, env.openSigner(commitments.terms.keyPath));
  if (!ours.ok) return ours;
  return said(withClose({ ...close, commitments }, tx.value, ours.value, theirs, env), {
    name: 'closing_sig',
    channelId: commitments.channelId,
    closerScriptpubkey,
    closeeScriptpubkey,
    feeSatoshis: feeSat,
    locktime: lockTime,
    // BOLT 2: "MUST send `closing_sig` with a single valid signature in the same TLV field as the `closing_complete`."
    [fieldOf[variant]]: ours.value,
  });
}

function checkScripts({ terms, localShutdownScript }: Commitments, msg: ClosingComplete, env: Env): ChannelError | undefined {
  // BOLT 2: "If `closee_scriptpubkey` does not match the last script it sent (from `closing_complete` or from the initial `shutdown`)"
  if (!localShutdownScript || !equal(msg.closeeScriptpubkey, localShutdownScript))
    return { code: 'closing-invalid', detail: 'closee_scriptpubkey' };
  // BOLT 2: "If `closer_scriptpubkey` is invalid (as detailed in the `shutdown` requirements)"
  if (!isShutdownScript(msg.closerScriptpubkey, env.negotiated)) return { code: 'closing-invalid', detail: 'closer_scriptpubkey' };
  const upfront = terms.remote.upfrontShutdownScript;
  return upfront && !equal(upfront, msg.closerScriptpubkey) ? { code: 'shutdown-script-differs' } : undefined;
}

/** The peer's signature on our transaction. */
export function receiveClosingSig(close: Close, msg: ClosingSig, env: Env): Reply {
  const { commitments, negotiation } = close;
  const { complete } = negotiation;
  if (!complete || complete.answered) return err({ code: 'misplaced-message', detail: 'closing_sig' });
  const { feeSat, lockTime, closeeScript } = complete;
  const { channel, local, remote } = partiesOf(commitments);
  // BOLT 2: "If `closer_scriptpubkey`, `closee_scriptpubkey`, `fee_satoshis` or `locktime` don't match what was sent in `closing_complete`"
  const matches =
    equal(msg.closerScriptpubkey, local.scriptPubKey) &&
    equal(msg.closeeScriptpubkey, closeeScript) &&
    msg.feeSatoshis === feeSat &&
    msg.locktime === lockTime;
  if (!matches) return err({ code: 'closing-invalid', detail: 'closing_sig is not for our closing_complete' });
  const parties: Parties = { channel, local, remote: { ...remote, scriptPubKey: closeeScript } };
  // BOLT 2: "If `tlvs` does not contain exactly one signature", "If `tlvs` does not contain one of the TLV fields sent in `closing_complete`"
  const [variant, ...more] = given(msg);
  const theirs = variant && msg[fieldOf[variant]];
  const offered = closerVariants({ closer: parties.local, closee: parties.remote, feeSat });
  if (!variant || !theirs || more.length > 0 || !offered.includes(variant))
    return err({ code: 'closing-invalid', detail: 'closing_sig has not one of our signatures' });
  const tx = build(parties, 'local', { feeSat, lockTime }, variant);
  if (!tx.ok) return tx;
  if (!isSignedByPeer(commitments, tx.value, theirs)) return err({ code: 'closing-signature-invalid', detail: variant });
  const goneSat = variant === 'closee_output_only' ? local.balanceMsat / 1000n : feeSat;
  const ours = signClose(commitments, tx.value, goneSat, env.openSigner(commitments.terms.keyPath));
  if (!ours.ok) return ours;
  const done = withClose(close, tx.value, ours.value, theirs, env);
  return ok({ ...done, negotiation: { ...done.negotiation, complete: { ...complete, answered: true } }, messages: [] });
}
