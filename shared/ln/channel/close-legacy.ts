/**
 * `closing_signed`. BOLT 2 § Legacy Closing Negotiation: the opener names a fee and a range, the other side picks a fee of it. Peers that
 * send no range are met half way.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { type ClosingTx, legacyClosing } from '../tx/closing.ts';
import { type Close, feesOf, isSignedByPeer, partiesOf, type Reply, said, signClose, withClose } from './close.ts';
import type { Commitments } from './commitments.ts';
import type { Env } from './env.ts';
import type { ChannelError } from './error.ts';
import type { ClosingSigned, OutMessage } from './message.ts';
import type { FeeRange } from './negotiation.ts';

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const clamp = (feeSat: bigint, { minSat, maxSat }: FeeRange): bigint => most(minSat, least(feeSat, maxSat));
const isWithin = (feeSat: bigint, { minSat, maxSat }: FeeRange): boolean => feeSat >= minSat && feeSat <= maxSat;
const isBetween = (feeSat: bigint, a: bigint, b: bigint): boolean => feeSat > least(a, b) && feeSat < most(a, b);
const outOfRange = (got: bigint, limit: bigint): Result<never, ChannelError> => err({ code: 'close-fee-out-of-range', got, limit });

/** Somebody has to move: the user, by another fee, or the peer. Until then the channel waits. */
const noOverlap = (got: bigint, { minSat, maxSat }: FeeRange): Result<never, ChannelError> =>
  err({ code: 'close-fee-no-overlap', got, limit: got < minSat ? minSat : maxSat });

/** BOLT 2: "The funder chooses a fee it thinks is fair". The other side waits. */
export function openNegotiation(close: Close, env: Env): Reply {
  if (!close.commitments.terms.localIsOpener || close.negotiation.offered) return said(close);
  const range = rangeOf(close.commitments, env);
  return propose(close, clamp(feesOf(close.commitments, env).wantedSat, range), range, env);
}

/**
 * What we would sign. The opener pays: up to twice what was wanted, or what a fast transaction costs, so that two estimates meet;
 * and never so much that no output remains. The other side takes anything that is relayed. BOLT 2: "the non-funder is not paying the fee, so there is no reason for it
 * to have a maximum feerate."
 */
function rangeOf(commitments: Commitments, env: Env): FeeRange {
  const { terms } = commitments;
  const { local, remote } = partiesOf(commitments);
  const { wantedSat, fastSat, relayedSat } = feesOf(commitments, env);
  const [payer, other] = terms.localIsOpener ? [local, remote] : [remote, local];
  const keepSat = payer.balanceMsat < other.balanceMsat ? 0n : most(terms.local.dustLimitSat, terms.remote.dustLimitSat);
  const affordableSat = most(0n, payer.balanceMsat / 1000n - keepSat);
  const maxSat = terms.localIsOpener ? least(most(2n * most(wantedSat, relayedSat), fastSat), affordableSat) : affordableSat;
  return { minSat: least(relayedSat, maxSat), maxSat };
}

export function receiveClosingSigned(close: Close, msg: ClosingSigned, env: Env): Reply {
  const { commitments, negotiation } = close;
  const { feeSatoshis: feeSat, feeRange } = msg;
  const { localIsOpener } = commitments.terms;
  const { offered, heardSat } = negotiation;
  const theirs = theirTransaction(commitments, msg);
  if (!theirs.ok) return theirs;
  const heard: Close = { commitments, negotiation: { ...negotiation, heardSat: feeSat } };
  const own = offered?.range ?? rangeOf(commitments, env);
  const agree = (range: FeeRange): Reply => agreeOn(heard, theirs.value, msg, range, env);
  // BOLT 2: "if `fee_satoshis` is equal to its previously sent `fee_satoshis`: SHOULD sign and broadcast the final closing transaction."
  // BOLT 2: "if `fee_satoshis` matches its previously sent `fee_range`: SHOULD use `fee_satoshis` to sign and broadcast the final closing
  // transaction"
  if (offered && (feeSat === offered.feeSat || isWithin(feeSat, own))) return agree(own);
  if (feeRange) {
    const received = { minSat: feeRange.minFeeSatoshis, maxSat: feeRange.maxFeeSatoshis };
    // BOLT 2: "if it is not the funder: SHOULD set `max_fee_satoshis` to at least the `max_fee_satoshis` received"
    const range = localIsOpener ? own : { ...own, maxSat: most(own.maxSat, received.maxSat) };
    const overlap = { minSat: most(range.minSat, received.minSat), maxSat: least(range.maxSat, received.maxSat) };
    // BOLT 2: "if there is no overlap between that and its own `fee_range`: SHOULD send a warning"
    if (overlap.minSat > overlap.maxSat) return noOverlap(feeSat, own);
    // BOLT 2: "if `fee_satoshis` is not in the overlap between the sent and received `fee_range`", and "if it has already sent a
    // `closing_signed`: if `fee_satoshis` is not the same as the value it sent". An `error` could be forged; the connection ends instead.
    if (localIsOpener || offered) return outOfRange(feeSat, offered?.feeSat ?? own.maxSat);
    // BOLT 2: "MUST propose a `fee_satoshis` in the overlap between received and (about-to-be) sent `fee_range`."
    return isWithin(feeSat, overlap) ? agree(range) : propose(heard, clamp(feeSat, overlap), range, env);
  }
  // BOLT 2: "if `fee_satoshis` is not strictly between its last-sent `fee_satoshis` and its previously-received `fee_satoshis`, UNLESS it
  // has since reconnected"
  if (offered && heardSat !== undefined && !isBetween(feeSat, offered.feeSat, heardSat)) return outOfRange(feeSat, heardSat);
  if (isWithin(feeSat, own)) return agree(own);
  // BOLT 2: "MUST propose a value "strictly between" the received `fee_satoshis` and its previously-sent `fee_satoshis`."
  const middle = offered ? (feeSat + offered.feeSat) / 2n : feesOf(commitments, env).wantedSat;
  const next = clamp(middle, own);
  return offered && !isBetween(next, feeSat, offered.feeSat) ? noOverlap(feeSat, own) : propose(heard, next, own, env);
}

/**
 * BOLT 2: "if the `signature` is not valid for either variant of closing transaction specified in BOLT #3". By its dust limit an output may be
 * missing, and it may leave out its own. No output here is below what is relayed: the dust limits of both sides are above that of every
 * script that `shutdown` allows.
 */
function theirTransaction(commitments: Commitments, { feeSatoshis, signature }: ClosingSigned): Result<ClosingTx, ChannelError> {
  const { local, remote } = commitments.terms;
  const variants = [
    { dustLimitSat: remote.dustLimitSat },
    { dustLimitSat: remote.dustLimitSat, omitted: 'remote' },
    { dustLimitSat: local.dustLimitSat },
  ] as const;
  let detail = '';
  for (const variant of variants) {
    const built = build(commitments, feeSatoshis, variant);
    if (built.ok && isSignedByPeer(commitments, built.value, signature)) return built;
    if (!built.ok) detail = built.error.detail;
  }
  return err({ code: 'closing-signature-invalid', detail: detail || `at ${feeSatoshis} sat` });
}

type Variant = { readonly dustLimitSat: bigint; readonly omitted?: 'remote' };
const build = (commitments: Commitments, feeSat: bigint, variant: Variant) =>
  legacyClosing({ ...partiesOf(commitments), localIsOpener: commitments.terms.localIsOpener, feeSat, ...variant });

/** Our share: the fee if we opened, and our output where it is too small for one. */
function sign(commitments: Commitments, tx: ClosingTx, feeSat: bigint, env: Env): Result<Uint8Array, ChannelError> {
  const { terms } = commitments;
  const { local } = partiesOf(commitments);
  const shareSat = terms.localIsOpener ? feeSat : 0n;
  const oursSat = local.balanceMsat / 1000n - shareSat;
  const isTooSmall = oursSat < most(terms.local.dustLimitSat, terms.remote.dustLimitSat);
  return signClose(commitments, tx, shareSat + (isTooSmall ? oursSat : 0n), env.openSigner(terms.keyPath));
}

const message = ({ channelId }: Commitments, feeSat: bigint, signature: Uint8Array, { minSat, maxSat }: FeeRange): OutMessage => ({
  name: 'closing_signed',
  channelId,
  feeSatoshis: feeSat,
  signature,
  feeRange: { minFeeSatoshis: minSat, maxFeeSatoshis: maxSat },
});

function propose({ commitments, negotiation }: Close, feeSat: bigint, range: FeeRange, env: Env): Reply {
  const built = build(commitments, feeSat, { dustLimitSat: commitments.terms.local.dustLimitSat });
  if (!built.ok) return err({ code: 'closing-invalid', detail: built.error.detail });
  const signed = sign(commitments, built.value, feeSat, env);
  if (!signed.ok) return signed;
  const next: Close = { commitments, negotiation: { ...negotiation, offered: { feeSat, range } } };
  return said(next, message(commitments, feeSat, signed.value, range));
}

/** BOLT 2: "SHOULD reply with a `closing_signed` with the same `fee_satoshis` value if it is different from its previously sent `fee_satoshis`" */
function agreeOn(close: Close, tx: ClosingTx, { feeSatoshis: feeSat, signature }: ClosingSigned, range: FeeRange, env: Env): Reply {
  const { commitments, negotiation } = close;
  const signed = sign(commitments, tx, feeSat, env);
  if (!signed.ok) return signed;
  const { negotiation: complete } = withClose(close, tx, signed.value, signature, env);
  const next: Close = { commitments, negotiation: { ...complete, offered: { feeSat, range } } };
  return negotiation.offered?.feeSat === feeSat
    ? ok({ ...next, messages: [] })
    : said(next, message(commitments, feeSat, signed.value, range));
}
