/**
 * What the relay saw spent, paid or reached, checked and told to the channels. A hint names a watch and a transaction; only a
 * transaction that our headers prove, witnesses included, and that does spend the output becomes a fact.
 */
import { equal, fromHex, reversed, toBase64Url, toHex } from '../../shared/lib/bytes.ts';
import type { OutputWatch } from '../../shared/ln/onchain/types.ts';
import type { ChainEvent, PeerCommand } from '../../shared/ln/peer/command.ts';
import type { FundingWatch, SpendWatch } from '../../shared/ln/peer/derived.ts';
import { spendWatches, watches } from '../../shared/ln/peer/machine.ts';
import type { RawTx } from '../../shared/ln/spv/rawtx.ts';
import type { Outpoint } from '../../shared/ln/tx/transaction.ts';
import { type ChainHint, limits, type Watch } from '../../shared/protocol/session.ts';
import type { RelayClient } from '../net/relay.ts';
import type { NodeKeys } from './keys.ts';
import { type Collected, collect, type Live, livePeers } from './peers.ts';
import type { Ports } from './ports.ts';
import { isProven, type Proven, provenTx, type Unconfirmed } from './proofs.ts';
import { round } from './round.ts';
import { coinWatches, walletSaw, walletWatches } from './wallet.ts';

export const outpointId = ({ txid, vout }: Outpoint): string => `o-${toBase64Url(txid)}-${vout}`;

/** The same outpoint as the relay's watch list names it. */
export const spendWatchOf = ({ outpoint, scriptPubKey }: OutputWatch): Watch => ({
  kind: 'outpoint',
  id: outpointId(outpoint),
  txid: toHex(reversed(outpoint.txid)),
  vout: outpoint.vout,
  script: toHex(scriptPubKey),
});

/** Depth 1 is told too, so that a person sees "1 of 3". */
const fundingWatchOf = ({ channelId, outpoint, scriptPubKey, minDepth }: FundingWatch): Watch => ({
  kind: 'tx',
  id: `t-${toHex(channelId).slice(0, 48)}`,
  txid: toHex(reversed(outpoint.txid)),
  script: toHex(scriptPubKey),
  depths: [...new Set([1, Math.max(1, minDepth), 6])],
});

const scriptWatchOf = ({ scriptPubKey, index }: { readonly scriptPubKey: Uint8Array; readonly index: number }): Watch => ({
  kind: 'script',
  id: `w-${index}`,
  script: toHex(scriptPubKey),
});

/** All that the relay is to look out for, what money hangs on first: a list that is too long loses its end. */
export async function watchList(ports: Ports, live: readonly Live[]): Promise<Watch[]> {
  const keys = await ports.keys();
  const spends = keys === undefined ? [] : live.flatMap(({ state }) => spendWatches(state, keys.openSigner).map(spendWatchOf));
  const fundings = live.flatMap(({ state }) => watches(state).map(fundingWatchOf));
  const coins = (await coinWatches(ports)).map(spendWatchOf);
  const scripts = (await walletWatches(ports)).map(scriptWatchOf);
  const byId = new Map([...spends, ...fundings, ...coins, ...scripts].map((watch) => [watch.id, watch]));
  return [...byId.values()].slice(0, limits.watches);
}

type Watching = { readonly peerId: string; readonly watch: SpendWatch };

async function watching(ports: Ports, { openSigner }: NodeKeys): Promise<Watching[]> {
  const live = await livePeers(ports);
  return live.flatMap(({ record, state }) => spendWatches(state, openSigner).map((watch) => ({ peerId: record.peerId, watch })));
}

/** Every channel that watches an output which this spends hears of it. False: something could not be written. */
async function tellInputs(
  ports: Ports,
  tx: RawTx,
  watched: readonly Watching[],
  into: Collected,
  event: (outpoint: Outpoint) => ChainEvent,
): Promise<boolean> {
  const byPeer = new Map<string, PeerCommand[]>();
  for (const input of tx.inputs) {
    for (const { peerId, watch } of watched) {
      if (watch.outpoint.vout !== input.vout || !equal(watch.outpoint.txid, input.txid)) continue;
      const commands = byPeer.get(peerId) ?? [];
      byPeer.set(peerId, commands);
      commands.push({ tag: 'chain', event: event(watch.outpoint) });
    }
  }
  let whole = true;
  for (const [peerId, commands] of byPeer) {
    const stepped = await round(ports, peerId, commands);
    if (stepped.ok) collect(into, peerId, stepped.value);
    else whole = false;
  }
  return whole;
}

/** A transaction that is proved to be in the chain goes to every channel that it concerns, and to our wallet. False: ask again later. */
export async function takeProven(ports: Ports, keys: NodeKeys, proven: Proven, into: Collected): Promise<boolean> {
  // A preimage, the number of a commitment, or whose coin was spent must not be read from a witness that is made up, or cut out.
  if (!proven.witnessed) return false;
  const { tx, txid, raw: transaction, height } = proven;
  const spent = (outpoint: Outpoint): ChainEvent => ({ tag: 'spent', outpoint, txid, transaction, height });
  const told = await tellInputs(ports, tx, await watching(ports, keys), into, spent);
  const seen = await walletSaw(ports, { transaction, height });
  return told && seen.ok;
}

const aboutTransaction: ReadonlySet<ChainHint['kind']> = new Set(['seen', 'spent', 'paid']);

/**
 * Hints of spends and payments, in the order of the chain. The ids of those that are dealt with: proved and committed, or about
 * nothing that we watch, or about a transaction that is in no block (any more). The others are to be repeated.
 */
export async function takeHints(
  ports: Ports,
  relay: RelayClient,
  hints: readonly ChainHint[],
  into: Collected,
): Promise<readonly string[]> {
  const keys = await ports.keys();
  if (keys === undefined) return [];
  const settled: string[] = [];
  const done = new Map<string, boolean>();
  for (const hint of hints.toSorted((a, b) => a.height - b.height)) {
    if (hint.txid === undefined || !aboutTransaction.has(hint.kind)) {
      settled.push(hint.id);
      continue;
    }
    const known = done.get(hint.txid) ?? (await takeHint(ports, relay, keys, hint.txid, into));
    done.set(hint.txid, known);
    if (known) settled.push(hint.id);
  }
  return settled;
}

async function takeHint(ports: Ports, relay: RelayClient, keys: NodeKeys, txid: string, into: Collected): Promise<boolean> {
  const found = await provenTx(ports, relay, reversed(fromHex(txid)));
  if (!found.ok) return false;
  if (found.value === undefined) return true;
  return isProven(found.value) ? takeProven(ports, keys, found.value, into) : takeSeen(ports, keys, found.value, into);
}

/** In no block yet: channels believe the preimages in it, which prove themselves, and nothing else. */
async function takeSeen(ports: Ports, keys: NodeKeys, { tx, raw: transaction }: Unconfirmed, into: Collected): Promise<boolean> {
  return tellInputs(ports, tx, await watching(ports, keys), into, (outpoint) => ({ tag: 'seen', outpoint, transaction }));
}
