/** What the scenarios ask of both ends of a channel: the phone's and the peer's. */
import * as v from 'valibot';
import type { ChannelView } from '../../app/runtime/api.ts';
import { waitFor } from '../lab/wait.ts';
import type { Peer, PeerChannel } from '../peers/peer.ts';
import type { InteropPeer, InteropWorld } from './world.ts';

export const CAPACITY_SAT = 200_000n;
/** What the peer gives us when it opens, so that both can pay. */
export const PUSH_SAT = 60_000n;
/** What either end must have for the scenarios' payments. */
const PAYABLE_SAT = 30_000n;
/** No page of the app: nothing of ours runs at this address, and a page there saves opening one for each call. */
const QUIET_PATH = '/manifest.webmanifest';

export const withUs = async (world: InteropWorld, peer: Peer): Promise<readonly PeerChannel[]> =>
  (await peer.channels()).filter((channel) => channel.peer === world.nodeId);
export const activeCount = async (world: InteropWorld, peer: Peer): Promise<number> =>
  (await withUs(world, peer)).filter((channel) => channel.active).length;

/** Mines until the peer calls that many channels with us active. */
export async function untilActive(world: InteropWorld, peer: Peer, count: number): Promise<void> {
  let mined = 0;
  await waitFor(
    async () => {
      if ((await activeCount(world, peer)) >= count) return true;
      if (mined < 6) {
        mined += 1;
        await world.btcd.mine(1);
      }
      return undefined;
    },
    { what: `${peer.alias} to list ${count} active channels with us`, timeoutMs: 60_000 },
  );
}

/** The phone's channels with this peer that are not over. */
export const ours = async (world: InteropWorld, peer: Peer): Promise<readonly ChannelView[]> =>
  (await world.phone.channels()).filter((channel) => channel.peerId === peer.id && channel.tag === 'normal');

export type Sums = { readonly ours: bigint; readonly theirs: bigint; readonly htlcs: number };

/** Over all channels between the two; only differences mean the same on both sides. */
export async function sums(world: InteropWorld, peer: Peer): Promise<Sums> {
  const [here, there] = [await ours(world, peer), await withUs(world, peer)];
  return {
    ours: here.reduce((sum, channel) => sum + BigInt(channel.oursSat), 0n),
    theirs: there.reduce((sum, channel) => sum + channel.ownSat, 0n),
    htlcs: here.reduce((sum, channel) => sum + channel.htlcs.length, 0) + there.reduce((sum, channel) => sum + channel.htlcs, 0),
  };
}

/** Both ends without an HTLC in flight; what they have then. */
export async function quietSums(world: InteropWorld, peer: Peer): Promise<Sums> {
  return waitFor(
    async () => {
      const now = await sums(world, peer);
      return now.htlcs === 0 ? now : undefined;
    },
    { what: `no HTLC to be left between ${peer.alias} and us`, timeoutMs: 60_000 },
  );
}

/** `moved`: from them to us. Throws unless both ends say so. */
export function expectMoved(before: Sums, after: Sums, moved: bigint): void {
  const [gained, given] = [after.ours - before.ours, before.theirs - after.theirs];
  if (gained !== moved || given !== moved) throw new Error(`we gained ${gained} and they gave ${given} sat instead of ${moved}`);
}

/** One channel with this peer that can carry payments both ways, opened by the peer if there is none. */
export async function ensureChannel(world: InteropWorld, { peer }: InteropPeer): Promise<void> {
  if (!(await peer.connectedTo(world.nodeId))) await awake(world, () => world.phone.call('refresh', null));
  await waitFor(() => peer.connectedTo(world.nodeId), { what: `${peer.alias} to be connected`, timeoutMs: 60_000 });
  const both = (await ours(world, peer)).filter((channel) => least(channel) >= PAYABLE_SAT);
  if (both.length > 0) return untilActive(world, peer, 1);
  const active = await activeCount(world, peer);
  await world.phone.call('set-peer-policy', { peerId: peer.id, onOpen: 'sign', zeroConf: false });
  const opened = await peer.openChannel(world.nodeId, CAPACITY_SAT, { pushSat: PUSH_SAT });
  if (!opened.ok) throw new Error(opened.error);
  await untilActive(world, peer, active + 1);
}

/** The same, and no other channel that a payment could take. */
export async function ensureOneChannel(world: InteropWorld, interop: InteropPeer): Promise<Target> {
  const { peer } = interop;
  await ensureChannel(world, interop);
  const kept = await target(world, peer);
  for (const { fundingOutpoint } of await withUs(world, peer)) {
    if (fundingOutpoint === undefined || fundingOutpoint === kept.outpoint) continue;
    const asked = await peer.closeChannel(fundingOutpoint);
    if (!asked.ok) throw new Error(asked.error);
    await waitFor(() => unminedSpender(world, fundingOutpoint), { what: 'the other channel to be closed', timeoutMs: 60_000 });
  }
  await mineAndSee(world, 1);
  return kept;
}

/** A page that runs nothing of the app stays open for the calls of `work`; then the phone sleeps again. */
export async function awake<T>(world: InteropWorld, work: () => Promise<T>): Promise<T> {
  await world.phone.openPage(QUIET_PATH);
  try {
    return await work();
  } finally {
    await world.phone.sleep();
  }
}

/** Invoices of the phone's, each for `amountSat`, or for what the payer likes. The phone sleeps when they are there. */
export const invoicesOfOurs = (
  world: InteropWorld,
  count: number,
  amountSat: bigint | undefined,
  terms: { readonly expirySeconds?: number } = {},
): Promise<string[]> =>
  awake(world, async () => {
    const texts: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const asked = amountSat === undefined ? {} : { amountMsat: (amountSat * 1_000n).toString() };
      const { text } = await world.phone.call('create-invoice', { ...asked, ...terms, description: `item ${i}` });
      texts.push(text);
    }
    return texts;
  });

let named = 0;
/** Begins to pay; how it ends is asked with `sentByUs`. Repeated while the peer is not connected. */
export async function payFromPhone(
  world: InteropWorld,
  text: string,
  terms: { readonly amountMsat?: string; readonly maxFeeMsat?: string } = {},
  patienceMs = 30_000,
): Promise<string> {
  named += 1;
  const id = `interop-${named}`;
  await waitFor(
    async () => {
      const begun = await world.phone.call('pay', { id, text, ...terms });
      if (begun.state === 'failed') throw new Error(begun.failure);
      return true;
    },
    { what: 'a route to the peer', timeoutMs: patienceMs },
  );
  return id;
}

/** Resolves when all of them are sent; throws at once if one failed. */
export async function untilSent(world: InteropWorld, ids: readonly string[], timeoutMs = 60_000): Promise<void> {
  const failed = await waitFor(
    async () => {
      const payments = (await world.phone.call('payments', null)).filter(({ id }) => ids.includes(id));
      const bad = payments.find(({ state }) => state === 'failed');
      if (bad !== undefined) return `failed: ${bad.failure}`;
      return payments.length === ids.length && payments.every(({ state }) => state === 'sent') ? 'none' : undefined;
    },
    { what: `${ids.length} payments to be sent`, timeoutMs },
  );
  if (failed !== 'none') throw new Error(failed);
}

/** Mines, and has the phone look until it knows the tip. */
export async function mineAndSee(world: InteropWorld, blocks: number): Promise<void> {
  await world.btcd.mine(blocks);
  const { height } = await world.btcd.tip();
  await waitFor(
    async () => {
      await world.phone.call('refresh', null);
      return (await world.phone.call('snapshot', null)).chain.height >= height;
    },
    { what: `the phone to know block ${height}`, timeoutMs: 30_000 },
  );
}

/** Looks at the chain with the phone until `seen` holds; mines a block whenever the phone knows all there are. */
export async function mineUntil(
  world: InteropWorld,
  options: { readonly what: string; readonly atMost: number; readonly step?: number },
  seen: () => Promise<boolean>,
): Promise<number> {
  const { what, atMost, step = 1 } = options;
  let mined = 0;
  while (!(await seen())) {
    if (mined >= atMost) throw new Error(`${mined} blocks were mined, and not yet: ${what}`);
    await mineAndSee(world, step);
    mined += step;
  }
  return mined;
}

export const coinsOfOurs = async (world: InteropWorld): Promise<bigint> =>
  (await world.phone.call('coins', null)).reduce((sum, coin) => sum + (coin.confirmations > 0 ? BigInt(coin.amountSat) : 0n), 0n);

/** Coins of our own: what spends an HTLC of an anchors channel pays its fee from them. */
export async function ensureCoins(world: InteropWorld, amountSat: bigint): Promise<void> {
  const had = await coinsOfOurs(world);
  if (had >= amountSat) return;
  const { address } = await world.phone.call('receive-address', null);
  await world.btcd.fund(address, amountSat);
  await mineUntil(world, { what: 'our coins', atMost: 3 }, async () => (await coinsOfOurs(world)) >= had + amountSat);
}

export type Target = { readonly id: string; readonly outpoint: string; readonly oursSat: bigint; readonly theirsSat: bigint };

/** The richest for both: closing it shows two outputs. */
export async function target(world: InteropWorld, peer: Peer): Promise<Target> {
  const [channel] = [...(await ours(world, peer))].sort((a, b) => (least(a) < least(b) ? 1 : -1));
  if (channel?.fundingTxid === undefined) throw new Error('no channel to close');
  return {
    id: channel.id,
    outpoint: `${channel.fundingTxid}:${channel.fundingVout}`,
    oursSat: BigInt(channel.oursSat),
    theirsSat: BigInt(channel.theirsSat),
  };
}
const least = (channel: { readonly oursSat: string; readonly theirsSat: string }): bigint =>
  BigInt(channel.oursSat) < BigInt(channel.theirsSat) ? BigInt(channel.oursSat) : BigInt(channel.theirsSat);

const Tx = v.object({ vin: v.array(v.object({ txid: v.string(), vout: v.number(), sequence: v.number() })), vout: v.array(v.unknown()) });

/** `sequence`: of its one input that tells. */
export type Unmined = { readonly txid: string; readonly outputs: number; readonly sequence: number };

/** The transaction in the mempool that spends it. */
export async function unminedSpender(world: InteropWorld, outpoint: string): Promise<Unmined | undefined> {
  for (const txid of v.parse(v.array(v.string()), await world.btcd.rpc('getrawmempool', []))) {
    const tx = v.parse(Tx, await world.btcd.rpc('getrawtransaction', [txid, 1]));
    const spending = tx.vin.find((input) => `${input.txid}:${input.vout}` === outpoint);
    if (spending !== undefined) return { txid, outputs: tx.vout.length, sequence: spending.sequence };
  }
  return undefined;
}
