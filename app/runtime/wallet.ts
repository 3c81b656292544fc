/**
 * Our coins on chain: what is watched for them, what proved transactions make of them, and what a round of a peer may spend. A coin
 * is set aside in the very commit that stores what spends it, under the wallet's own fence: of two that want the same coin one loses.
 */
import { equal, reversed, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { channelIdOf, commitmentsOf, liveOf } from '../../shared/ln/channel/state.ts';
import type { Coin, OutputWatch } from '../../shared/ln/onchain/types.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import type { WalletSigner } from '../../shared/ln/signer/signer.ts';
import { parseTransaction } from '../../shared/ln/tx/parse.ts';
import { addressOf } from '../../shared/ln/wallet/address.ts';
import {
  type FundingReservation,
  isMature,
  keepFundings,
  lacksScripts,
  receiving,
  reorged,
  reservationOf,
  reserve,
  revived,
  sawTransaction,
  spendable,
  unspent,
  type WalletState,
  withClaims,
  withScripts,
  withUsedIndex,
} from '../../shared/ln/wallet/coins.ts';
import { fundTransaction } from '../../shared/ln/wallet/funding.ts';
import type { WalletRecord } from '../store/schema.ts';
import { type CommitError, commit, loadWallet, setting } from '../store/store.ts';
import type { CoinView } from './api.ts';
import { networkOf } from './network.ts';
import type { Ports } from './ports.ts';

type WalletError = CommitError | { readonly code: 'no-wallet'; readonly detail: string };
type FundEffect = Extract<PeerEffect, { readonly tag: 'fund' }>;

/** The wallet as one round of a peer sees it. Nothing is written before the round's commit. */
export type RoundWallet = {
  /** Which the next step may spend: for `Env.coins`, asked anew for each step. */
  readonly coins: (peer: PeerState) => readonly Coin[];
  /** For `Env.sweepIndex`; counts as used when its script was asked for. */
  readonly sweepIndex: number;
  /** For `Env.wallet`. */
  readonly signer: WalletSigner;
  /** The answer to `fund`. The same channel asking again gets the same transaction. */
  readonly fund: (effect: FundEffect, peer: PeerState) => PeerCommand;
  /** For the commit of the round: what it must write of the wallet, given the peer that it writes. Undefined: nothing. */
  readonly changed: (peer: PeerState) => WalletRecord | undefined;
};

export async function openRoundWallet(ports: Ports, peerId: string, signer: WalletSigner): Promise<RoundWallet> {
  const [record, chain] = await Promise.all([loadWallet(ports.db), setting(ports.db, 'chain')]);
  const height = chain?.height ?? 0;
  const sweepIndex = record.state.nextIndex;
  let state = record.state;
  /** What the peer's channels hold of our coins at this moment. */
  const follow = (peer: PeerState): WalletState => {
    const closing = peer.channels.flatMap((channel) => (channel.tag === 'closing' ? [channel.onchain] : []));
    const swept = closing.reduce((wallet, onchain) => withUsedIndex(wallet, onchain.sweepIndex), state);
    // All that their claims spend, coins of ours among it.
    const spent = closing.flatMap(({ attempts }) => attempts.flatMap(({ inputs }) => inputs));
    state = keepFundings(withClaims(swept, peerId, spent), peerId, (funding) =>
      peer.channels.some((channel) => isFundedBy(channel, funding)),
    );
    return state;
  };
  return {
    coins: (peer) => spendable(follow(peer), height, peerId),
    sweepIndex,
    signer: {
      ...signer,
      scriptPubKey(index) {
        if (index === sweepIndex) state = withUsedIndex(state, index);
        return signer.scriptPubKey(index);
      },
    },
    fund({ temporaryChannelId, scriptPubKey, amountSat, feeratePerKw }, peer) {
      const answer = (command: Extract<PeerCommand, { readonly tag: 'channel' }>['command']): PeerCommand => ({
        tag: 'channel',
        channelId: temporaryChannelId,
        command,
      });
      const before = follow(peer).reservations.find(
        (one): one is FundingReservation =>
          one.kind === 'funding' && one.peerId === peerId && equal(one.temporaryChannelId, temporaryChannelId),
      );
      if (before !== undefined) return answer({ tag: 'funded', transaction: before.transaction, vout: before.vout });
      // The index before it is the round's sweep index: what comes back from two channels shall not meet on one script.
      const changeIndex = Math.max(state.nextIndex, sweepIndex + 1);
      const coins = spendable(state, height);
      const made = fundTransaction({ coins, scriptPubKey, amountSat, feeratePerKw, changeIndex, lockTime: height }, signer);
      if (!made.ok) {
        const { neededSat, availableSat } = made.error;
        return answer({ tag: 'not-funded', detail: `${neededSat} sat are needed with the fee, ${availableSat} sat are there` });
      }
      const { transaction, txid, vout, used, changeSat } = made.value;
      const outpoints = used.map(({ outpoint }) => outpoint);
      state = reserve(state, { kind: 'funding', peerId, temporaryChannelId, outpoints, transaction, txid, vout });
      if (changeSat > 0n) state = withUsedIndex(state, changeIndex);
      return answer({ tag: 'funded', transaction, vout });
    },
    changed(peer) {
      const next = follow(peer);
      return next === record.state ? undefined : { ...record, state: withScripts(next, signer) };
    },
  };
}

type Channel = PeerState['channels'][number];

/** The transaction that was made for it before the first signature, or that it stands on. */
function isFundedBy(channel: Channel, { temporaryChannelId, txid }: FundingReservation): boolean {
  const live = liveOf(channel);
  if (live.tag === 'wait-for-funding') return equal(channelIdOf(live), temporaryChannelId);
  const outpoint = live.tag === 'wait-for-funding-signed' ? live.fundingOutpoint : commitmentsOf(live)?.fundingOutpoint;
  return outpoint !== undefined && equal(outpoint.txid, txid);
}

const ATTEMPTS = 3;

/** Changes the wallet outside of a round. Never inside one: both take the node's lock. */
async function change<T>(
  ports: Ports,
  step: (state: WalletState) => { readonly state: WalletState; readonly value: T },
): Promise<Result<T, WalletError>> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await ports.exclusive(async (): Promise<Result<T, WalletError>> => {
      const [record, keys] = await Promise.all([loadWallet(ports.db), ports.keys()]);
      if (keys === undefined) return err({ code: 'no-wallet', detail: 'no wallet on this device' });
      const { state, value } = step(record.state);
      const next = withScripts(state, keys.wallet);
      if (next === record.state) return ok(value);
      const written = await commit(ports.db, { wallet: { ...record, state: next } });
      return written.ok ? ok(value) : written;
    });
    if (result.ok || result.error.code !== 'fence-lost' || attempt === ATTEMPTS) return result;
  }
}
const changeTo = (ports: Ports, step: (state: WalletState) => WalletState): Promise<Result<null, WalletError>> =>
  change(ports, (state) => ({ state: step(state), value: null }));

/** The scripts whose payments are coins, those most likely to be paid first. */
export async function walletWatches(ports: Ports): Promise<readonly { readonly scriptPubKey: Uint8Array; readonly index: number }[]> {
  // Without the lock where nothing is missing: each talk with the relay asks.
  if (lacksScripts((await loadWallet(ports.db)).state)) {
    const made = await change(ports, (state) => ({ state, value: null }));
    if (!made.ok) return [];
  }
  const { scripts } = (await loadWallet(ports.db)).state;
  return scripts.map((scriptPubKey, index) => ({ scriptPubKey, index })).reverse();
}

/** The coins, whose spending must be seen as well. */
export async function coinWatches(ports: Ports): Promise<readonly OutputWatch[]> {
  const { state } = await loadWallet(ports.db);
  return unspent(state).flatMap(({ outpoint, index }) => {
    const scriptPubKey = state.scripts[index];
    return scriptPubKey === undefined ? [] : [{ outpoint, scriptPubKey }];
  });
}

/** A transaction, whole, that was **proved** to be in the best chain; harmless if it does not concern us, and when repeated. */
export async function walletSaw(
  ports: Ports,
  seen: { readonly transaction: Uint8Array; readonly height: number },
): Promise<Result<null, WalletError>> {
  const parsed = parseTransaction(seen.transaction);
  if (!parsed.ok) throw new Error(`a proved transaction does not parse: ${parsed.error.reason}`);
  return changeTo(ports, (state) => sawTransaction(state, parsed.value, seen.height));
}

/** To be told before the headers of the new chain are written, as channels are. */
export const walletReorged = (ports: Ports, forkHeight: number): Promise<Result<null, WalletError>> =>
  changeTo(ports, (state) => reorged(state, forkHeight));

/** From a copy that was made on another device, or before the browser lost its store. */
export const reviveWallet = (ports: Ports, copy: WalletState): Promise<Result<null, WalletError>> =>
  changeTo(ports, (state) => revived(state, copy));

export async function receiveAddress(ports: Ports): Promise<Result<{ readonly address: string; readonly index: number }, WalletError>> {
  const given = await change(ports, (state) => {
    const { index, state: next } = receiving(state);
    return { state: next, value: index };
  });
  if (!given.ok) return given;
  const keys = await ports.keys();
  if (keys === undefined) return err({ code: 'no-wallet', detail: 'no wallet on this device' });
  const { name } = networkOf(await setting(ports.db, 'network'));
  return ok({ address: addressOf(keys.wallet.scriptPubKey(given.value), name), index: given.value });
}

/** What there is on chain, newest first. */
export async function coinViews(ports: Ports): Promise<readonly CoinView[]> {
  const [{ state }, chain, network] = await Promise.all([loadWallet(ports.db), setting(ports.db, 'chain'), setting(ports.db, 'network')]);
  const { name } = networkOf(network);
  const height = chain?.height ?? 0;
  return unspent(state)
    .toSorted((a, b) => b.height - a.height)
    .flatMap((output): CoinView[] => {
      const script = state.scripts[output.index];
      if (script === undefined) return [];
      const reserved = reservationOf(state, output.outpoint);
      return [
        {
          txid: toHex(reversed(output.outpoint.txid)),
          vout: output.outpoint.vout,
          amountSat: output.amountSat.toString(),
          address: addressOf(script, name),
          confirmations: Math.max(0, height - output.height + 1),
          mature: isMature(output, height),
          ...(reserved === undefined ? {} : { reservedFor: { what: reserved.kind, peerId: reserved.peerId } }),
        },
      ];
    });
}
