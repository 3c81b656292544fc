/**
 * The commitments of a channel as one value: the table of HTLCs, the balances under it, the numbers and signatures of both sides.
 * Numbers count up from 0. The verbs of BOLT 2 over it are in `funding.ts`, `updates.ts`, `dance.ts`, `reestablish.ts` and
 * `close.ts`; here is what all of them read.
 */
import { equal } from '../../lib/bytes.ts';
import type { SecretStore } from '../keys/shachain.ts';
import type { SignerGuard } from '../signer/signer.ts';
import type { CommitmentTemplate, Outpoint, TemplateHtlc } from '../tx/commitment.ts';
import { countsIn, type FeeUpdate, type Htlc, isFulfilledIn, isIn, type Side, type View } from './htlc.ts';
import type { ChannelTerms } from './terms.ts';

export type Commitments = {
  readonly channelId: Uint8Array;
  readonly terms: ChannelTerms;
  readonly fundingOutpoint: Outpoint;
  /** What each side has when every HTLC of the table still belongs to who offered it. */
  readonly toLocalMsat: bigint;
  readonly toRemoteMsat: bigint;
  /** The oldest first; the first is in every commitment. */
  readonly fees: readonly FeeUpdate[];
  /** In the order they were offered in. An HTLC leaves the table when no commitment can bring it back. */
  readonly htlcs: readonly Htlc[];
  readonly nextLocalHtlcId: bigint;
  readonly nextRemoteHtlcId: bigint;
  /** Ours, with the peer's checked signatures: those of the HTLCs in output order. They make it worth something on chain. */
  readonly localCommit: {
    readonly number: bigint;
    readonly remoteSignature: Uint8Array;
    readonly htlcSignatures: readonly Uint8Array[];
  };
  /** The peer's newest that it cannot deny: the one before it is revoked. */
  readonly remoteCommit: { readonly number: bigint; readonly perCommitmentPoint: Uint8Array };
  /** Signed by us and not answered by `revoke_and_ack` yet: one number further. `messages`: its updates and itself, to be repeated. */
  readonly remoteNext?: { readonly perCommitmentPoint: Uint8Array; readonly messages: readonly Uint8Array[] };
  /** For the peer's next commitment. Absent while it owes us a revocation, and before `channel_ready`. */
  readonly remoteNextPerCommitmentPoint?: Uint8Array;
  readonly remoteSecrets: SecretStore;
  /** Our updates since our last `commitment_signed`, encoded. */
  readonly unsigned: readonly Uint8Array[];
  /** Our last `revoke_and_ack`, encoded, and whether our last `commitment_signed` went out after it. */
  readonly revocation?: { readonly message: Uint8Array; readonly beforeCommit: boolean };
  /** The scid that the peer gave for the channel, if any. */
  readonly remoteAlias?: bigint;
  /** Where a mutual close pays us: decided, whether or not our `shutdown` could be said yet. */
  readonly localShutdownScript?: Uint8Array;
  /** Our `shutdown` went out on this connection. */
  readonly shutdownSent?: true;
  /** The peer's `shutdown` of this connection, or what its `closing_complete` changed it to. */
  readonly remoteShutdownScript?: Uint8Array;
  /** The user's choice for the closing transaction. */
  readonly closeFeeratePerKw?: number;
  /** What the signer must remember. */
  readonly guard: SignerGuard;
};

/** The content of one commitment transaction. */
export type CommitmentSpec = {
  readonly toLocalMsat: bigint;
  readonly toRemoteMsat: bigint;
  readonly feeratePerKw: number;
  readonly htlcs: readonly Htlc[];
};

/** BOLT 2: "derived from the funding transaction by combining the `funding_txid` and the `funding_output_index`, using big-endian exclusive-OR" */
export function channelIdFrom(outpoint: Outpoint): Uint8Array {
  const id = Uint8Array.from(outpoint.txid);
  id[30] = (id[30] ?? 0) ^ (outpoint.vout >> 8);
  id[31] = (id[31] ?? 0) ^ (outpoint.vout & 0xff);
  return id;
}

export const openerOf = (terms: ChannelTerms): Side => (terms.localIsOpener ? 'local' : 'remote');

/** What each side has in the beginning. */
export function initialBalances(terms: ChannelTerms): { readonly toLocalMsat: bigint; readonly toRemoteMsat: bigint } {
  const openerMsat = terms.fundingAmountSat * 1000n - terms.pushMsat;
  return terms.localIsOpener
    ? { toLocalMsat: openerMsat, toRemoteMsat: terms.pushMsat }
    : { toLocalMsat: terms.pushMsat, toRemoteMsat: openerMsat };
}

export const initialSpec = (terms: ChannelTerms): CommitmentSpec => ({
  ...initialBalances(terms),
  feeratePerKw: terms.feeratePerKw,
  htlcs: [],
});

/** One commitment's content, from the table. Linear in the HTLCs. */
export function specOf(commitments: Commitments, view: View): CommitmentSpec {
  let { toLocalMsat, toRemoteMsat } = commitments;
  const htlcs: Htlc[] = [];
  for (const htlc of commitments.htlcs) {
    const present = isIn(view, htlc);
    if (present) htlcs.push(htlc);
    const moved = !present && isFulfilledIn(view, htlc);
    if (!present && !moved) continue;
    const { amountMsat } = htlc;
    if (htlc.by === 'local') {
      toLocalMsat -= amountMsat;
      if (moved) toRemoteMsat += amountMsat;
    } else {
      toRemoteMsat -= amountMsat;
      if (moved) toLocalMsat += amountMsat;
    }
  }
  return { toLocalMsat, toRemoteMsat, feeratePerKw: feerateIn(commitments, view), htlcs };
}

/** BOLT 2: the newest `update_fee` that counts. */
export function feerateIn({ fees, terms }: Pick<Commitments, 'fees' | 'terms'>, view: View): number {
  const opener = openerOf(terms);
  return fees.findLast(({ progress }) => countsIn(view, opener, progress))?.feeratePerKw ?? terms.feeratePerKw;
}

/** A commitment as a transaction template: ours (holder "local") or the peer's (holder "remote"). */
export function templateFor(
  holder: Side,
  terms: ChannelTerms,
  fundingOutpoint: Outpoint,
  commit: { readonly number: bigint; readonly perCommitmentPoint: Uint8Array },
  spec: CommitmentSpec,
): CommitmentTemplate {
  const ours = holder === 'local';
  const [mine, other] = ours ? [terms.local, terms.remote] : [terms.remote, terms.local];
  return {
    kind: terms.kind,
    number: commit.number,
    fundingOutpoint,
    fundingAmountSat: terms.fundingAmountSat,
    holderIsOpener: terms.localIsOpener === ours,
    toHolderMsat: ours ? spec.toLocalMsat : spec.toRemoteMsat,
    toCounterpartyMsat: ours ? spec.toRemoteMsat : spec.toLocalMsat,
    feeratePerKw: spec.feeratePerKw,
    dustLimitSat: mine.dustLimitSat,
    toSelfDelay: other.toSelfDelay,
    holder: mine.basepoints,
    counterparty: other.basepoints,
    perCommitmentPoint: commit.perCommitmentPoint,
    htlcs: spec.htlcs.map((htlc) => templateHtlc(htlc, holder)),
  };
}

const templateHtlc = ({ by, id, amountMsat, paymentHash, cltvExpiry }: Htlc, holder: Side): TemplateHtlc => ({
  offered: by === holder,
  id,
  amountMsat,
  paymentHash,
  cltvExpiry,
});

export const localTemplate = (commitments: Commitments, perCommitmentPoint: Uint8Array): CommitmentTemplate =>
  templateFor(
    'local',
    commitments.terms,
    commitments.fundingOutpoint,
    { number: commitments.localCommit.number, perCommitmentPoint },
    specOf(commitments, 'local'),
  );

export const remoteTemplate = (commitments: Commitments): CommitmentTemplate =>
  templateFor('remote', commitments.terms, commitments.fundingOutpoint, commitments.remoteCommit, specOf(commitments, 'remote'));

/** Undefined unless a revocation is owed. */
export function remoteNextTemplate(commitments: Commitments): CommitmentTemplate | undefined {
  const { terms, fundingOutpoint, remoteNext, remoteCommit } = commitments;
  if (!remoteNext) return undefined;
  const next = { number: remoteCommit.number + 1n, perCommitmentPoint: remoteNext.perCommitmentPoint };
  return templateFor('remote', terms, fundingOutpoint, next, specOf(commitments, 'remote-next'));
}

export const findHtlc = ({ htlcs }: Commitments, by: Side, id: bigint): Htlc | undefined =>
  htlcs.find((htlc) => htlc.by === by && htlc.id === id);

export const replaceHtlc = (commitments: Commitments, changed: Htlc): Commitments => ({
  ...commitments,
  htlcs: commitments.htlcs.map((htlc) => (htlc.by === changed.by && htlc.id === changed.id ? changed : htlc)),
});

/** Nothing is on its way, and no HTLC is left: both commitments say the same. */
export const isQuiet = ({ htlcs, fees, remoteNext }: Commitments): boolean =>
  htlcs.length === 0 && remoteNext === undefined && fees.every(({ progress }) => progress === 'locked');

/** The preimages that the peer, or we, have shown for HTLCs that are still in the table; without repetition. */
export function knownPreimages({ htlcs }: Commitments): readonly Uint8Array[] {
  const all = htlcs.flatMap(({ preimage, removal }) => [
    ...(preimage ? [preimage] : []),
    ...(removal?.kind === 'fulfill' ? [removal.preimage] : []),
  ]);
  return all.filter((preimage, at) => all.findIndex((other) => equal(other, preimage)) === at);
}
