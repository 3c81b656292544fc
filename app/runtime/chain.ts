/**
 * The chain as far as the app can check it: headers by work and links, a funding transaction by its merkle proof, its output
 * by value and script. What the relay says is a hint; only what passed here becomes a fact for a channel.
 */
import { equal, fromHex, reversed } from '../../shared/lib/bytes.ts';
import { freeze, thaw } from '../../shared/lib/freeze.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { liveOf } from '../../shared/ln/channel/state.ts';
import type { ChainEvent, PeerCommand } from '../../shared/ln/peer/command.ts';
import type { FundingWatch } from '../../shared/ln/peer/derived.ts';
import { watches } from '../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { checkFundingOutput } from '../../shared/ln/spv/funding.ts';
import { checkHeaders, earlier, type HeaderChain, type HeaderUpdate, startChain } from '../../shared/ln/spv/headers.ts';
import { networks } from '../../shared/ln/spv/networks.ts';
import type { ChainHint } from '../../shared/protocol/session.ts';
import type { RelayClient } from '../net/relay.ts';
import { setting, writeHeaders } from '../store/store.ts';
import { sendBroadcasts } from './broadcast.ts';
import { refreshFees } from './fees.ts';
import { networkOf } from './network.ts';
import { type Collected, collect, type Live, livePeers } from './peers.ts';
import type { Ports } from './ports.ts';
import { isProven, provenTx } from './proofs.ts';
import { round } from './round.ts';
import { takeHints } from './spends.ts';
import { walletReorged } from './wallet.ts';

const BATCH = 2_000;
/** Headers per call are 160 kB at most; this bounds one run on a fresh mainnet wallet to the next visit's work. */
const MAX_BATCHES = 200;
const MAX_FORK_STEPS = 12;

type ChainFault = { readonly code: 'relay' | 'wrong-network' | 'forged' | 'storage-failed'; readonly detail: string };

async function storedChain(ports: Ports, rules: (typeof networks)['mainnet']): Promise<HeaderChain> {
  const stored = await setting(ports.db, 'chain');
  if (stored === undefined) return startChain(rules);
  const thawed = thaw(stored.state);
  // Written by `follow` below from a HeaderChain; a version of the app that changes its shape starts over from the checkpoint.
  return thawed.ok ? (thawed.value as HeaderChain) : startChain(rules);
}

/** `settled`: ids of the hints that are dealt with. Not `reached`: the relay was no help; try again later. */
export type Followed = { readonly reached: boolean; readonly settled: readonly string[] };

/** Follows the relay's chain, gives every channel what is proved, and sends what should be mined. */
export async function followChain(ports: Ports, into: Collected, hints: readonly ChainHint[] = []): Promise<Followed> {
  const relay = await ports.relay();
  const followed = await follow(ports, relay, into);
  const known = await setting(ports.db, 'chain');
  if (!followed.ok) {
    if (known !== undefined) {
      const error = `${followed.error.code}: ${followed.error.detail}`;
      await writeHeaders(ports.db, known.height + 1, [], { ...known, error });
    }
    return { reached: false, settled: [] };
  }
  await refreshFees(ports, relay);
  let whole = true;
  for (const live of await livePeers(ports))
    for (const watch of watches(live.state)) whole = (await proveFunding(ports, relay, live, watch, followed.value, into)) && whole;
  const settled = await takeHints(ports, relay, hints, into);
  for (const { record } of await livePeers(ports)) {
    const ticked = await round(ports, record.peerId, [{ tag: 'tick' }]);
    if (ticked.ok) collect(into, record.peerId, ticked.value);
  }
  await sendBroadcasts(ports, relay, into);
  ports.broadcast({ t: 'changed' });
  // What is not about spends is about fundings and heights, which were just looked at: all of it, or it is hinted again.
  const about = new Set(hints.filter(({ kind }) => kind === 'confirmed').map(({ id }) => id));
  return { reached: true, settled: whole ? settled : settled.filter((id) => !about.has(id)) };
}

async function follow(ports: Ports, relay: RelayClient, into: Collected): Promise<Result<HeaderChain, ChainFault>> {
  const name = networkOf(await setting(ports.db, 'network')).name;
  const rules = networks[name];
  let chain = await storedChain(ports, rules);
  const tip = await relay.call('chain/tip', {});
  if (!tip.ok) return err({ code: 'relay', detail: tip.error.detail });
  if (tip.value.network !== name) return err({ code: 'wrong-network', detail: `${tip.value.network} instead of ${name}` });
  const tipHash = reversed(fromHex(tip.value.hash));
  let from = Math.max(chain.base.height + 1, Math.min(chain.tip.height + 1, tip.value.height));
  let steps = 0;
  for (let batches = 0; batches < MAX_BATCHES && !equal(chain.tip.hash, tipHash); batches += 1) {
    const answer = await relay.call('chain/headers', { from, count: BATCH });
    if (!answer.ok) return err({ code: 'relay', detail: answer.error.detail });
    const update = checkHeaders(rules, chain, from, fromHex(answer.value.headers), ports.now());
    if (!update.ok) {
      const forkIsLower = update.error.code === 'does-not-link' && update.error.height === from;
      const lower = earlier(chain, from);
      steps += 1;
      if (!forkIsLower || lower === from || steps > MAX_FORK_STEPS) return err({ code: 'forged', detail: update.error.code });
      from = lower;
      continue;
    }
    if (update.value.headers.length === 0) break;
    const stored = await keep(ports, chain, update.value, into);
    if (!stored.ok) return stored;
    chain = update.value.chain;
    from = chain.tip.height + 1;
  }
  // Nothing new is news too: the page shows when the chain was last looked at.
  const written = await writeHeaders(ports.db, chain.tip.height + 1, [], chainSetting(ports, chain));
  return written.ok ? ok(chain) : err({ code: 'storage-failed', detail: written.error.detail });
}

const chainSetting = (ports: Ports, chain: HeaderChain) => ({
  state: freeze(chain),
  height: chain.tip.height,
  tipTimeMs: chain.tip.time * 1_000,
  checkedAtMs: ports.now(),
});

/** Channels and the wallet learn of a re-org before the new headers are written: killed in between, the same update comes again. */
async function keep(ports: Ports, old: HeaderChain, update: HeaderUpdate, into: Collected): Promise<Result<null, ChainFault>> {
  if (update.forkHeight < old.tip.height) {
    const coins = await walletReorged(ports, update.forkHeight);
    if (!coins.ok) return err({ code: 'storage-failed', detail: coins.error.detail });
    for (const { record, state } of await livePeers(ports)) {
      if (state.channels.length === 0) continue;
      const spends: PeerCommand = { tag: 'chain', event: { tag: 'reorged', height: update.forkHeight } };
      const stepped = await round(ports, record.peerId, [...confirmedAbove(state, update.forkHeight), spends]);
      if (stepped.ok) collect(into, record.peerId, stepped.value);
      // The new chain must not be written before the channels know what it took from them.
      else if (stepped.error.code !== 'quarantined') return err({ code: 'storage-failed', detail: stepped.error.detail });
    }
  }
  const written = await writeHeaders(
    ports.db,
    update.forkHeight + 1,
    update.headers.map((header) => header.bytes),
    chainSetting(ports, update.chain),
  );
  return written.ok ? ok(null) : err({ code: 'storage-failed', detail: written.error.detail });
}

function confirmedAbove(state: PeerState, height: number): PeerCommand[] {
  return state.channels.flatMap((channel): PeerCommand[] => {
    const live = liveOf(channel);
    if (!('commitments' in live) || live.confirmed === undefined || live.confirmed.height <= height) return [];
    return [{ tag: 'chain', event: { tag: 'funding-reorged', outpoint: live.commitments.fundingOutpoint } }];
  });
}

async function proveFunding(
  ports: Ports,
  relay: RelayClient,
  { record, state }: Live,
  watch: FundingWatch,
  chain: HeaderChain,
  into: Collected,
): Promise<boolean> {
  const events: ChainEvent[] = [];
  const { outpoint } = watch;
  const confirmed = confirmationOf(state, watch);
  if (confirmed !== undefined) {
    // Proved before, and `keep` tells of a re-org: its block is still ours, so only the depth grew.
    events.push({ tag: 'funding-confirmed', outpoint, ...confirmed, depth: chain.tip.height - confirmed.height + 1 });
  } else {
    const proven = await provenTx(ports, relay, outpoint.txid);
    if (!proven.ok) return false;
    if (isProven(proven.value)) {
      const { tx, height, pos } = proven.value;
      const paid = checkFundingOutput(tx, watch);
      if (paid.ok) events.push({ tag: 'funding-confirmed', outpoint, height, txIndex: pos, depth: chain.tip.height - height + 1 });
      else events.push({ tag: 'funding-wrong', outpoint, detail: paid.error.code });
    }
  }
  if (events.length === 0) return true;
  const stepped = await round(
    ports,
    record.peerId,
    events.map((event) => ({ tag: 'chain', event })),
  );
  if (!stepped.ok) return false;
  collect(into, record.peerId, stepped.value);
  return true;
}

function confirmationOf(state: PeerState, watch: FundingWatch): { height: number; txIndex: number } | undefined {
  for (const channel of state.channels) {
    const live = liveOf(channel);
    if ('commitments' in live && equal(live.commitments.channelId, watch.channelId)) return live.confirmed;
  }
  return undefined;
}
