/**
 * The updates of BOLT 2 § Normal Operation: HTLCs offered, settled and failed, and the feerate. Each verb judges one message by the
 * commitments that it would lead to; what was judged here is signed in `dance.ts`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { maxFeeratePerKw } from '../signer/commitments.ts';
import { commitmentFeeSat } from '../tx/weight.ts';
import { encodeMessage } from '../wire/registry.ts';
import { checkCounts, checkExposure, checkFunds, roomForHtlcs, roomForSpike, spendableMsat, weigh } from './afford.ts';
import { type Commitments, findHtlc, replaceHtlc } from './commitments.ts';
import type { ChannelError } from './error.ts';
import { type Attribution, type Htlc, isIn, type Removal, type RemovalRequest } from './htlc.ts';
import * as limits from './limits.ts';
import type { OutMessage, UpdateAddHtlc, UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFee, UpdateFulfillHtlc } from './message.ts';
import type { ChannelTerms } from './terms.ts';

/** What a payment asks of the channel. `onion`: 1366 bytes. */
export type AddRequest = {
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly cltvExpiry: number;
  readonly onion: Uint8Array;
  readonly pathKey?: Uint8Array;
};

export type Said<T = unknown> = Result<{ readonly commitments: Commitments; readonly message: OutMessage } & T, ChannelError>;

/** An update of ours: kept encoded until the commitment that holds it is revoked, so that it can be repeated byte for byte. */
export const saying = (commitments: Commitments, message: OutMessage): { commitments: Commitments; message: OutMessage } => ({
  commitments: { ...commitments, unsigned: [...commitments.unsigned, encodeMessage(message)] },
  message,
});

export function sendAdd(commitments: Commitments, add: AddRequest): Said<{ readonly id: bigint }> {
  const { channelId, nextLocalHtlcId: id } = commitments;
  const { amountMsat, paymentHash, cltvExpiry } = add;
  const htlc: Htlc = { by: 'local', id, amountMsat, paymentHash, cltvExpiry, added: 'proposed' };
  const next = { ...commitments, htlcs: [...commitments.htlcs, htlc], nextLocalHtlcId: id + 1n };
  const fault = checkAdd(next, htlc) ?? checkOurs(next, htlc);
  if (fault) return err(fault);
  const message: OutMessage = {
    name: 'update_add_htlc',
    channelId,
    id,
    amountMsat,
    paymentHash,
    cltvExpiry,
    onionRoutingPacket: add.onion,
    ...(add.pathKey ? { blindedPath: add.pathKey } : {}),
  };
  return ok({ ...saying(next, message), id });
}

export function receiveAdd(commitments: Commitments, msg: UpdateAddHtlc): Result<Commitments, ChannelError> {
  // BOLT 2: "if other `id` violations occur: MAY send a `warning` and close the connection, or send an `error` and fail the channel."
  if (msg.id !== commitments.nextRemoteHtlcId) return err({ code: 'htlc-id-unexpected', got: msg.id, limit: commitments.nextRemoteHtlcId });
  // BOLT 2 § Closing Initiation: "MUST NOT send an `update_add_htlc` after a `shutdown`."
  if (commitments.remoteShutdownScript) return err({ code: 'add-after-shutdown' });
  const htlc: Htlc = {
    by: 'remote',
    id: msg.id,
    amountMsat: msg.amountMsat,
    paymentHash: msg.paymentHash,
    cltvExpiry: msg.cltvExpiry,
    onion: msg.onionRoutingPacket,
    ...(msg.blindedPath ? { pathKey: msg.blindedPath } : {}),
    added: 'proposed',
  };
  const next = { ...commitments, htlcs: [...commitments.htlcs, htlc], nextRemoteHtlcId: msg.id + 1n };
  const load = weigh(next, 'local-proposed');
  const fault = checkAdd(next, htlc) ?? checkCounts(load, 'remote') ?? checkFunds(load, 'remote');
  return fault ? err(fault) : ok(next);
}

/** An update of ours must hold in the commitment that we sign next, and when everything that is on its way has arrived. */
function checkOurs(next: Commitments, added: Htlc | undefined): ChannelError | undefined {
  const room = added ? roomForSpike : roomForHtlcs;
  for (const view of ['remote-proposed', 'eventual'] as const) {
    const load = weigh(next, view);
    const fault =
      checkCounts(load, 'local') ?? checkFunds(load, 'local', room) ?? (view === 'eventual' ? checkExposure(load, added) : undefined);
    if (fault) return fault;
  }
  return undefined;
}

/** BOLT 2 § Adding an HTLC: of the HTLC itself. */
function checkAdd({ terms }: Commitments, { by, amountMsat, cltvExpiry }: Htlc): ChannelError | undefined {
  const receiver = by === 'local' ? terms.remote : terms.local;
  // BOLT 2: "MUST offer `amount_msat` greater than 0.", "MUST NOT offer `amount_msat` below the receiving node's `htlc_minimum_msat`"
  const least = receiver.htlcMinimumMsat > 1n ? receiver.htlcMinimumMsat : 1n;
  if (amountMsat < least) return { code: 'htlc-too-small', got: amountMsat, limit: least };
  // BOLT 2: "MUST set `cltv_expiry` less than 500000000."
  if (cltvExpiry >= limits.heightLimit) return { code: 'cltv-not-a-height', got: BigInt(cltvExpiry), limit: BigInt(limits.heightLimit) };
  return undefined;
}

/** Does this HTLC of the peer's take us over what we risk in dust? Then it is failed once it can be. Bug class: CVE-2021-41591. */
export const isOverExposed = (commitments: Commitments, htlc: Htlc): boolean =>
  checkExposure(weigh(commitments, 'eventual'), htlc) !== undefined;

export function sendRemoval(commitments: Commitments, id: bigint, request: RemovalRequest): Said {
  const htlc = findHtlc(commitments, 'remote', id);
  // BOLT 2: "until the corresponding HTLC is irrevocably committed in both sides' commitment transactions: MUST NOT send an
  // `update_fulfill_htlc`, `update_fail_htlc`, or `update_fail_malformed_htlc`."
  if (htlc?.added !== 'locked' || htlc.removal) return err({ code: 'htlc-unknown', got: id, limit: commitments.nextRemoteHtlcId });
  if (request.kind === 'fulfill' && !equal(sha256(request.preimage), htlc.paymentHash)) return err({ code: 'preimage-wrong' });
  // BOLT 4: the failure codes of a malformed onion carry the BADONION bit.
  if (request.kind === 'fail-malformed' && (request.failureCode & limits.badOnion) === 0) return err({ code: 'failure-code-wrong' });
  const removal: Removal = { ...request, progress: 'proposed' };
  const { onion: _, ...rest } = htlc;
  return ok(saying(replaceHtlc(commitments, { ...rest, removal }), removalMessage(commitments.channelId, id, removal)));
}

const attributed = ({ attribution }: { readonly attribution?: Attribution }) => (attribution ? { attributionData: attribution } : {});
export function removalMessage(channelId: Uint8Array, id: bigint, removal: Removal): OutMessage {
  switch (removal.kind) {
    case 'fulfill':
      return { name: 'update_fulfill_htlc', channelId, id, paymentPreimage: removal.preimage, ...attributed(removal) };
    case 'fail':
      return { name: 'update_fail_htlc', channelId, id, reason: removal.reason, ...attributed(removal) };
    case 'fail-malformed':
      return {
        name: 'update_fail_malformed_htlc',
        channelId,
        id,
        sha256OfOnion: removal.sha256OfOnion,
        failureCode: removal.failureCode,
      };
  }
}

type RemovalMessage = UpdateFulfillHtlc | UpdateFailHtlc | UpdateFailMalformedHtlc;

/** The peer ends an HTLC of ours. The preimage is known from here on, whatever becomes of the update. */
export function receiveRemoval(commitments: Commitments, msg: RemovalMessage): Result<Commitments, ChannelError> {
  const htlc = findHtlc(commitments, 'local', msg.id);
  // BOLT 2: "if the `id` does not correspond to an HTLC in its current commitment transaction"
  if (htlc?.added !== 'locked' || htlc.removal) return err({ code: 'htlc-unknown', got: msg.id, limit: commitments.nextLocalHtlcId });
  const removal = removalFrom(msg);
  // BOLT 2: "if the `payment_preimage` value in `update_fulfill_htlc` doesn't SHA256 hash to the corresponding HTLC `payment_hash`"
  if (removal.kind === 'fulfill' && !equal(sha256(removal.preimage), htlc.paymentHash)) return err({ code: 'preimage-wrong' });
  // BOLT 2: "if the `BADONION` bit in `failure_code` is not set for `update_fail_malformed_htlc`"
  if (removal.kind === 'fail-malformed' && (removal.failureCode & limits.badOnion) === 0) return err({ code: 'failure-code-wrong' });
  const learned = removal.kind === 'fulfill' ? { preimage: removal.preimage } : {};
  return ok(replaceHtlc(commitments, { ...htlc, ...learned, removal }));
}

/** As the channel keeps it and tells it. */
export const attributionOf = ({ attributionData }: UpdateFulfillHtlc | UpdateFailHtlc) =>
  attributionData ? { attribution: attributionData } : {};
function removalFrom(msg: RemovalMessage): Removal {
  switch (msg.name) {
    case 'update_fulfill_htlc':
      return { kind: 'fulfill', preimage: msg.paymentPreimage, progress: 'proposed', ...attributionOf(msg) };
    case 'update_fail_htlc':
      return { kind: 'fail', reason: msg.reason, progress: 'proposed', ...attributionOf(msg) };
    case 'update_fail_malformed_htlc':
      return { kind: 'fail-malformed', sha256OfOnion: msg.sha256OfOnion, failureCode: msg.failureCode, progress: 'proposed' };
  }
}

export function sendFee(commitments: Commitments, feeratePerKw: number): Said {
  // BOLT 2: "The node _not responsible_ for paying the Bitcoin fee: MUST NOT send `update_fee`."
  if (!commitments.terms.localIsOpener) return err({ code: 'fee-not-opener' });
  // Once we have signed the last HTLC away, the peer may be at the closing negotiation before we are, and take no update any more.
  if (commitments.shutdownSent && !commitments.htlcs.some((htlc) => isIn('remote-next', htlc))) return err({ code: 'fee-after-shutdown' });
  const next = withFee(commitments, feeratePerKw);
  const fault = checkFeerate(commitments.terms, feeratePerKw) ?? checkOurs(next, undefined);
  if (fault) return err(fault);
  return ok(saying(next, { name: 'update_fee', channelId: commitments.channelId, feeratePerKw }));
}

/** Our signer signs no more where we pay, and a feerate that cannot be signed must not be said. */
function checkFeerate({ kind, fundingAmountSat }: ChannelTerms, feeratePerKw: number): ChannelError | undefined {
  if (feeratePerKw > maxFeeratePerKw) return { code: 'fee-too-high', got: BigInt(feeratePerKw), limit: BigInt(maxFeeratePerKw) };
  const doubleSat = 2n * commitmentFeeSat(kind, feeratePerKw, 0);
  return doubleSat > fundingAmountSat ? { code: 'fee-over-half', got: doubleSat, limit: fundingAmountSat } : undefined;
}

export type FeeRange = { readonly min: number; readonly max: number };

export function receiveFee(commitments: Commitments, msg: UpdateFee, range: FeeRange): Result<Commitments, ChannelError> {
  // BOLT 2: "if the sender is not responsible for paying the Bitcoin fee"
  if (commitments.terms.localIsOpener) return err({ code: 'fee-not-opener' });
  // BOLT 2: "if the `update_fee` is too low for timely processing, OR is unreasonably large"
  if (msg.feeratePerKw < range.min) return err({ code: 'fee-too-low', got: BigInt(msg.feeratePerKw), limit: BigInt(range.min) });
  if (msg.feeratePerKw > range.max) return err({ code: 'fee-too-high', got: BigInt(msg.feeratePerKw), limit: BigInt(range.max) });
  const next = withFee(commitments, msg.feeratePerKw);
  // BOLT 2: "if the sender cannot afford the new fee rate on the receiving node's current commitment transaction"
  const fault = checkFunds(weigh(next, 'local-proposed'), 'remote') ?? checkExposure(weigh(next, 'eventual'), undefined);
  return fault ? err(fault) : ok(next);
}

/** BOLT 2: of several updates before a signature only the last counts. */
const withFee = (commitments: Commitments, feeratePerKw: number): Commitments => ({
  ...commitments,
  fees: [...commitments.fees.filter(({ progress }) => progress !== 'proposed'), { feeratePerKw, progress: 'proposed' }],
});

/** For the page: what could be sent now. Zero where anything less than a payment stands in the way. */
export const sendableMsat = (commitments: Commitments): bigint => spendableMsat(weigh(commitments, 'eventual'), 'local', true);

/** For the page: what the peer could send us now, as far as we can see. */
export const receivableMsat = (commitments: Commitments): bigint => spendableMsat(weigh(commitments, 'eventual'), 'remote', true);
