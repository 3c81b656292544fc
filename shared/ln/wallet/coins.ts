/**
 * The wallet's own coins on chain as a plain value: which outputs are ours, what spent them, what they are set aside for, and which
 * indexes of our keys are used. P2WPKH only.
 *
 * Callers must still: prove that a transaction is in the best chain before it is seen here, tell of every re-org, and store the
 * state in the same commit as whatever spends its coins.
 */
import { toHex } from '../../lib/bytes.ts';
import { sameOutpoint } from '../onchain/classify.ts';
import type { Coin } from '../onchain/types.ts';
import type { WalletSigner } from '../signer/signer.ts';
import type { ParsedInput, ParsedTransaction } from '../tx/parse.ts';
import { p2wpkh } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';

/** `height`: of the block that it is in. */
export type WalletOutput = Coin & {
  readonly height: number;
  readonly coinbase: boolean;
  readonly spent?: { readonly txid: Uint8Array; readonly height: number };
};

/** A confirmed spend of one of our scripts whose output has not been seen yet: payments may come in any order. */
export type StraySpend = { readonly outpoint: Outpoint; readonly txid: Uint8Array; readonly height: number };

/** Coins set aside for the funding transaction of a channel. It stays until the channel is forgotten, confirmed or not. */
export type FundingReservation = {
  readonly kind: 'funding';
  readonly peerId: string;
  readonly temporaryChannelId: Uint8Array;
  readonly outpoints: readonly Outpoint[];
  /** Whole and signed: asked for again, it is the same. */
  readonly transaction: Uint8Array;
  readonly txid: Uint8Array;
  readonly vout: number;
};
/** Coins that pay the fees of what a peer's channels have to claim on chain. */
export type ClaimReservation = { readonly kind: 'claim'; readonly peerId: string; readonly outpoints: readonly Outpoint[] };
export type Reservation = FundingReservation | ClaimReservation;

export type WalletState = {
  /** Every index below it is in use or was handed out. */
  readonly nextIndex: number;
  /** The index whose address was handed out last. */
  readonly receiveIndex?: number;
  /** Our scripts by index: those in use and `GAP` more. Kept because to derive them anew costs more than to read them. */
  readonly scripts: readonly Uint8Array[];
  readonly outputs: readonly WalletOutput[];
  readonly strays: readonly StraySpend[];
  readonly reservations: readonly Reservation[];
};

/** So many scripts beyond those in use are watched: what another device with the same words has handed out is found, too. */
export const GAP = 20;
/** A coinbase output may be spent by the hundredth block after it. */
const COINBASE_MATURITY = 100;

export const newWallet: WalletState = { nextIndex: 0, scripts: [], outputs: [], strays: [], reservations: [] };

const has = (outpoints: readonly Outpoint[], outpoint: Outpoint): boolean => outpoints.some((one) => sameOutpoint(one, outpoint));

/** What a copy for another device must hold: scripts are made anew, and what was spent is of no more use. */
export const essence = (state: WalletState): WalletState => ({ ...state, scripts: [], strays: [], outputs: unspent(state) });

/** A copy takes the place of a wallet that has seen nothing yet; one that has keeps what it has seen. */
export function revived(state: WalletState, copy: WalletState): WalletState {
  const isUntouched = state.outputs.length === 0 && state.strays.length === 0 && state.reservations.length === 0;
  const base = isUntouched ? { ...copy, scripts: state.scripts } : state;
  return withUsedIndex(base, Math.max(state.nextIndex, copy.nextIndex) - 1);
}

const missingScripts = ({ scripts, nextIndex }: WalletState): number => Math.max(0, nextIndex + GAP - scripts.length);
export const lacksScripts = (state: WalletState): boolean => missingScripts(state) > 0;

/** With the scripts of all indexes in use and the gap. The same value when there is nothing to add. */
export function withScripts(state: WalletState, wallet: Pick<WalletSigner, 'scriptPubKey'>): WalletState {
  const { scripts } = state;
  const missing = missingScripts(state);
  if (missing === 0) return state;
  return { ...state, scripts: [...scripts, ...Array.from({ length: missing }, (_, i) => wallet.scriptPubKey(scripts.length + i))] };
}

/** Every index up to this one is in use. */
export const withUsedIndex = (state: WalletState, index: number): WalletState =>
  index < state.nextIndex ? state : { ...state, nextIndex: index + 1 };

/** The address to show: the one shown before until somebody has paid to it. */
export function receiving(state: WalletState): { readonly state: WalletState; readonly index: number } {
  const shown = state.receiveIndex;
  if (shown !== undefined && !state.outputs.some(({ index }) => index === shown)) return { state, index: shown };
  const index = state.nextIndex;
  return { state: { ...state, receiveIndex: index, nextIndex: index + 1 }, index };
}

const isCoinbase = ({ inputs: [first] }: ParsedTransaction): boolean =>
  first !== undefined && first.outpoint.vout === 0xffff_ffff && first.outpoint.txid.every((byte) => byte === 0);

/** Of the output that a P2WPKH input spends. */
function spentScript({ witness: [, pubkey, ...more] }: ParsedInput): Uint8Array | undefined {
  return pubkey?.length === 33 && more.length === 0 ? p2wpkh(pubkey) : undefined;
}

/** A transaction that is in the best chain at `height`. Seen again, the newer height counts. */
export function sawTransaction(state: WalletState, tx: ParsedTransaction, height: number): WalletState {
  const indexOf = new Map(state.scripts.map((script, index) => [toHex(script), index]));
  const spent = { txid: tx.txid, height };
  const spends = tx.inputs.map(({ outpoint }) => outpoint);
  const paid = tx.outputs.flatMap(({ amountSat, scriptPubKey }, vout): WalletOutput[] => {
    const index = indexOf.get(toHex(scriptPubKey));
    if (index === undefined) return [];
    const outpoint = { txid: tx.txid, vout };
    const stray = state.strays.find((one) => sameOutpoint(one.outpoint, outpoint));
    const before = state.outputs.find((one) => sameOutpoint(one.outpoint, outpoint))?.spent;
    const spender = stray === undefined ? before : { txid: stray.txid, height: stray.height };
    return [{ outpoint, amountSat, index, height, coinbase: isCoinbase(tx), ...(spender === undefined ? {} : { spent: spender }) }];
  });
  const known = state.outputs.map((output) => (has(spends, output.outpoint) ? { ...output, spent } : output));
  const strays = tx.inputs.flatMap((input): StraySpend[] => {
    const script = spentScript(input);
    const isOurs = script !== undefined && indexOf.has(toHex(script));
    return isOurs && !known.some(({ outpoint }) => sameOutpoint(outpoint, input.outpoint)) ? [{ outpoint: input.outpoint, ...spent }] : [];
  });
  const arrived = paid.map(({ outpoint }) => outpoint);
  const next: WalletState = {
    ...state,
    outputs: [...known.filter(({ outpoint }) => !has(arrived, outpoint)), ...paid],
    strays: [...state.strays.filter(({ outpoint }) => !has(arrived, outpoint) && !has(spends, outpoint)), ...strays],
  };
  return paid.reduce((wallet, { index }) => withUsedIndex(wallet, index), next);
}

/** Blocks above this height left the best chain. What is set aside stays so: the transaction may be mined again. */
export function reorged(state: WalletState, height: number): WalletState {
  const outputs = state.outputs
    .filter((output) => output.height <= height)
    .map(({ spent, ...output }): WalletOutput => (spent === undefined || spent.height > height ? output : { ...output, spent }));
  return { ...state, outputs, strays: state.strays.filter((stray) => stray.height <= height) };
}

/** `height`: of the best chain's tip. */
export const isMature = ({ height: madeAt, coinbase }: WalletOutput, height: number): boolean =>
  coinbase ? height + 1 - madeAt >= COINBASE_MATURITY : madeAt <= height;

/** What an output is set aside for. */
export const reservationOf = (state: WalletState, outpoint: Outpoint): Reservation | undefined =>
  state.reservations.find(({ outpoints }) => has(outpoints, outpoint));

export const unspent = (state: WalletState): readonly WalletOutput[] => state.outputs.filter(({ spent }) => spent === undefined);

/**
 * Confirmed coins that nothing of ours is spending. `claimsOf`: those that the claims of this peer's channels spend stay among them,
 * because a claim that is made anew spends the same coins.
 */
export function spendable(state: WalletState, height: number, claimsOf?: string): readonly Coin[] {
  const taken = state.reservations
    .filter(({ kind, peerId }) => kind === 'funding' || peerId !== claimsOf)
    .flatMap(({ outpoints }) => outpoints);
  return unspent(state)
    .filter((output) => isMature(output, height) && !has(taken, output.outpoint))
    .map(({ outpoint, amountSat, index }) => ({ outpoint, amountSat, index }));
}

/** Throws if one of the coins is set aside already: callers choose among `spendable`. */
export function reserve(state: WalletState, reservation: FundingReservation): WalletState {
  if (reservation.outpoints.some((outpoint) => reservationOf(state, outpoint))) throw new Error('a coin would be spent twice');
  return { ...state, reservations: [...state.reservations, reservation] };
}

/** Frees the coins of a peer's funding transactions whose channels are no more. The same value when none is freed. */
export function keepFundings(state: WalletState, peerId: string, isAlive: (funding: FundingReservation) => boolean): WalletState {
  const reservations = state.reservations.filter((one) => one.kind !== 'funding' || one.peerId !== peerId || isAlive(one));
  return reservations.length === state.reservations.length ? state : { ...state, reservations };
}

/**
 * `spent`: all that the claims of a peer's channels spend at this moment; those of it that are coins of ours are set aside, others of
 * before are free again. The same value when nothing changes.
 */
export function withClaims(state: WalletState, peerId: string, spent: readonly Outpoint[]): WalletState {
  const before = state.reservations.find((one) => one.kind === 'claim' && one.peerId === peerId)?.outpoints ?? [];
  // A coin that a re-org took away may come back.
  const isCoin = (outpoint: Outpoint): boolean =>
    has(before, outpoint) || state.outputs.some((output) => sameOutpoint(output.outpoint, outpoint));
  const outpoints = spent.filter((outpoint, i) => isCoin(outpoint) && !has(spent.slice(0, i), outpoint));
  if (outpoints.length === before.length && outpoints.every((outpoint) => has(before, outpoint))) return state;
  const others = state.reservations.filter((one) => one.kind !== 'claim' || one.peerId !== peerId);
  return { ...state, reservations: outpoints.length === 0 ? others : [...others, { kind: 'claim', peerId, outpoints }] };
}
