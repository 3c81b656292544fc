/**
 * An update on its way into both commitments. BOLT 2 § Normal Operation.
 *
 * Every update, be it an HTLC, its removal or a fee, goes the same five steps, and from how far it came follows in which
 * commitment it counts. So the channel keeps one table of HTLCs and derives each commitment from it; nothing is written twice.
 */

/** "local" is us, "remote" the peer. */
export type Side = 'local' | 'remote';
export const otherSide = (side: Side): Side => (side === 'local' ? 'remote' : 'local');

/** Steps of an update, in order; "it" is the side that made the update. */
export type Progress =
  /** The update message went over. */
  | 'proposed'
  /** It sent `commitment_signed`: the update is in the other side's newest commitment. */
  | 'signed'
  /** The other side's `revoke_and_ack`: the commitment before has gone. */
  | 'revoked'
  /** The other side's `commitment_signed`: the update is in its own newest commitment, too. */
  | 'countersigned'
  /** Its `revoke_and_ack`: irrevocably committed. */
  | 'locked';

const order: { readonly [P in Progress]: number } = { proposed: 0, signed: 1, revoked: 2, countersigned: 3, locked: 4 };
export const reached = (progress: Progress, step: Progress): boolean => order[progress] >= order[step];

/**
 * The commitments that there are, or could be next.
 * `local`: our newest. `remote`: the peer's newest that stands alone. `remote-next`: what we have signed last (the same as `remote`
 * unless the peer still owes a revocation). `local-proposed`, `remote-proposed`: what the next signature would cover. `eventual`: everything that either side has said.
 */
export type View = 'local' | 'local-proposed' | 'remote' | 'remote-next' | 'remote-proposed' | 'eventual';

/** From which step on an update by that side counts. */
const counts: { readonly [V in View]: { readonly [S in Side]: Progress } } = {
  local: { remote: 'signed', local: 'countersigned' },
  'local-proposed': { remote: 'proposed', local: 'revoked' },
  remote: { local: 'revoked', remote: 'locked' },
  'remote-next': { local: 'signed', remote: 'countersigned' },
  'remote-proposed': { local: 'proposed', remote: 'revoked' },
  eventual: { local: 'proposed', remote: 'proposed' },
};
export const countsIn = (view: View, by: Side, progress: Progress): boolean => reached(progress, counts[view][by]);

/** How an HTLC ends, said by the side that it was offered to. */
export type Removal = { readonly progress: Progress } & (
  | { readonly kind: 'fulfill'; readonly preimage: Uint8Array; readonly attribution?: Attribution }
  | { readonly kind: 'fail'; readonly reason: Uint8Array; readonly attribution?: Attribution }
  | { readonly kind: 'fail-malformed'; readonly sha256OfOnion: Uint8Array; readonly failureCode: number }
);
/** `attribution_data` as it goes over the wire: the channel carries it and does not look into it. */
export type Attribution = { readonly htlcHoldTimes: readonly number[]; readonly truncatedHmacs: Uint8Array };

/** How we end an HTLC that the peer offered. */
export type RemovalRequest =
  | { readonly kind: 'fulfill'; readonly preimage: Uint8Array; readonly attribution?: Attribution }
  | { readonly kind: 'fail'; readonly reason: Uint8Array; readonly attribution?: Attribution }
  | { readonly kind: 'fail-malformed'; readonly sha256OfOnion: Uint8Array; readonly failureCode: number };

export type Htlc = {
  /** Who offered it. An HTLC is known by this and its id, never by its hash. */
  readonly by: Side;
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  /** Block height. */
  readonly cltvExpiry: number;
  /** 1366 bytes, of an HTLC of the peer's. Ours are in the bytes that may have to be sent again. */
  readonly onion?: Uint8Array;
  /** BOLT 4 § Route Blinding, of an HTLC of the peer's. */
  readonly pathKey?: Uint8Array;
  readonly added: Progress;
  readonly removal?: Removal;
  /** Learned from the peer, and not forgotten when its uncommitted `update_fulfill_htlc` is. */
  readonly preimage?: Uint8Array;
};

/** An `update_fee`; the opener makes them. */
export type FeeUpdate = { readonly feeratePerKw: number; readonly progress: Progress };

/** Is the HTLC an output (or dust) of that commitment? */
export const isIn = (view: View, htlc: Htlc): boolean =>
  countsIn(view, htlc.by, htlc.added) && !(htlc.removal && countsIn(view, otherSide(htlc.by), htlc.removal.progress));

/** Has the HTLC been fulfilled as far as that commitment knows? */
export const isFulfilledIn = (view: View, { by, removal }: Htlc): boolean =>
  removal?.kind === 'fulfill' && countsIn(view, otherSide(by), removal.progress);

/** One step of every update of that side that stands at `from`. */
export type Move = { readonly by: Side; readonly from: Progress; readonly to: Progress };

const moveOne = (progress: Progress, by: Side, moves: readonly Move[]): Progress =>
  moves.find((move) => move.by === by && move.from === progress)?.to ?? progress;

export function moveHtlc(htlc: Htlc, moves: readonly Move[]): Htlc {
  const added = moveOne(htlc.added, htlc.by, moves);
  const { removal } = htlc;
  const progress = removal && moveOne(removal.progress, otherSide(htlc.by), moves);
  if (added === htlc.added && progress === removal?.progress) return htlc;
  return { ...htlc, added, ...(removal && progress ? { removal: { ...removal, progress } } : {}) };
}

export const moveFee = (fee: FeeUpdate, by: Side, moves: readonly Move[]): FeeUpdate => {
  const progress = moveOne(fee.progress, by, moves);
  return progress === fee.progress ? fee : { ...fee, progress };
};

/** What each message of the dance moves. */
export const onCommitSent: readonly Move[] = [
  { by: 'local', from: 'proposed', to: 'signed' },
  { by: 'remote', from: 'revoked', to: 'countersigned' },
];
export const onRevocationReceived: readonly Move[] = [
  { by: 'local', from: 'signed', to: 'revoked' },
  { by: 'remote', from: 'countersigned', to: 'locked' },
];
export const onCommitReceived: readonly Move[] = [
  { by: 'remote', from: 'proposed', to: 'signed' },
  { by: 'local', from: 'revoked', to: 'countersigned' },
];
export const onRevocationSent: readonly Move[] = [
  { by: 'remote', from: 'signed', to: 'revoked' },
  { by: 'local', from: 'countersigned', to: 'locked' },
];
