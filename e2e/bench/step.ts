/**
 * `stepPeer` alone, without signatures: an `update_add_htlc` received and an HTLC offered, with more and more HTLCs in flight and
 * channels beside. Beside it the same step as it would be on storage instead of a value: thawed before and frozen after, each time.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Commitments } from '../../shared/ln/channel/commitments.ts';
import type { AddRequest } from '../../shared/ln/channel/updates.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEnv } from '../../shared/ln/peer/env.ts';
import { freezePeer, thawPeer } from '../../shared/ln/peer/freeze.ts';
import { stepPeer } from '../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { encode } from '../../shared/ln/peer/wire.ts';
import { Pair, type Party } from '../../shared/ln/testing/pair.ts';
import { fastCurve } from '../lab/curve.ts';
import { type Bench, median, type Options, text } from './report.ts';

const IN_FLIGHT = [0, 50, 100, 200, 350, 482];
const CHANNELS = [1, 10, 50];
/** In each of many channels. */
const FEW = 30;
const TARGET_US = 50;

const digest = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));
const add = (i: number): AddRequest => ({
  amountMsat: 1_000_000n,
  paymentHash: digest(`payment ${i}`),
  cltvExpiry: 1_100,
  onion: new Uint8Array(1366).fill(i),
});

/** Two nodes with one channel and so many HTLCs of Alice's in it, irrevocably committed. */
function pairWith(htlcs: number): Pair {
  const pair = new Pair({ fundingSat: 16_000_000n, maxAcceptedHtlcs: 483 });
  for (const party of pair.parties) party.icy = false;
  pair.connect();
  pair.settle();
  for (let i = 0; i < htlcs; i += 1) pair.alice.ask({ tag: 'add', request: `${i}`, ...add(i) });
  pair.settle();
  for (const { commitments } of pair.parties)
    if (commitments.htlcs.filter(({ added }) => added === 'locked').length !== htlcs) throw new Error('not all HTLCs are committed');
  return pair;
}

/** The channel that steps is the last of so many; the others have as many HTLCs. */
function amongChannels({ state, channel, commitments }: Party, count: number): PeerState {
  if (channel.tag !== 'normal') throw new Error(`the channel is ${channel.tag}`);
  const other = (i: number): Commitments => ({ ...commitments, channelId: digest(`channel ${i}`) });
  const others = Array.from({ length: count - 1 }, (_, i) => ({ ...channel, commitments: other(i) }));
  return { ...state, channels: [...others, channel] };
}

type Case = { readonly state: PeerState; readonly command: PeerCommand; readonly env: PeerEnv };

/** The next HTLC of Alice's, as Bob hears it. */
function received({ alice, bob }: Pair, channels: number): Case {
  const { channelId, nextRemoteHtlcId: id } = bob.commitments;
  const { onion: onionRoutingPacket, ...rest } = add(Number(id));
  const bytes = encode({ name: 'update_add_htlc', channelId, id, onionRoutingPacket, ...rest });
  const state = amongChannels(bob, channels);
  if (alice.commitments.nextLocalHtlcId !== id) throw new Error('the two do not agree');
  return { state, env: bob.env(), command: { tag: 'frame', epoch: state.epoch, n: state.lastInSeq + 1, bytes } };
}
/** The next HTLC of Alice's, as she offers it. */
function offered({ alice }: Pair, channels: number): Case {
  const { channelId, nextLocalHtlcId: id } = alice.commitments;
  const command = { tag: 'add', request: 'next', ...add(Number(id)) } as const;
  return { state: amongChannels(alice, channels), env: alice.env(), command: { tag: 'channel', channelId, command } };
}

const asValue = ({ state, command, env }: Case) => stepPeer(state, command, env).state;
function fromStorage(frozen: Uint8Array, { command, env }: Case): Uint8Array {
  const thawed = thawPeer(frozen);
  if (!thawed.ok) throw new Error(thawed.error.code);
  return freezePeer(stepPeer(thawed.value, command, env).state);
}

function check(one: Case): void {
  const count = (state: PeerState) =>
    state.channels.reduce((sum, channel) => sum + ('commitments' in channel ? channel.commitments.htlcs.length : 0), 0);
  if (count(asValue(one)) !== count(one.state) + 1) throw new Error('the step refused the HTLC');
}

/** µs of one call: of so many slices the median and the best. */
function slices(run: () => unknown, [count, sliceMs]: readonly [number, number]): { readonly median: number; readonly best: number } {
  const times = Array.from({ length: count }, () => {
    const from = performance.now();
    let calls = 0;
    for (; performance.now() - from < sliceMs; calls += 1) run();
    return ((performance.now() - from) * 1000) / calls;
  });
  // The first one compiles and does not count.
  const counted = times.slice(1);
  return { median: median(counted), best: Math.min(...counted) };
}

export async function step({ smoke }: Options): ReturnType<Bench> {
  await fastCurve();
  const size: readonly [number, number] = smoke ? [3, 2] : [21, 10];
  const us = ({ best, median }: ReturnType<typeof slices>) => `${text(best, 1)} (${text(median, 1)})`;
  const measure = (pair: Pair, channels = 1) => {
    const [hear, offer] = [received(pair, channels), offered(pair, channels)];
    check(hear);
    check(offer);
    const frozen = freezePeer(hear.state);
    return {
      hear: slices(() => asValue(hear), size),
      offer: slices(() => asValue(offer), size),
      stored: slices(() => fromStorage(frozen, hear), size),
    };
  };
  const byHtlcs = (smoke ? [0, 30] : IN_FLIGHT).map((htlcs) => ({ htlcs, ...measure(pairWith(htlcs)) }));
  const few = pairWith(FEW);
  const byChannels = CHANNELS.map((channels) => ({ channels, ...measure(few, channels) }));

  const [none, most] = [byHtlcs[0], byHtlcs.at(-1)];
  const [alone, among] = [byChannels[0], byChannels.at(-1)];
  if (!none || !most || !alone || !among) throw new Error('nothing was measured');
  const columns = ['update_add_htlc received', 'HTLC offered', 'received, thawed before and frozen after'];
  const cells = ({ hear, offer, stored }: ReturnType<typeof measure>) => [us(hear), us(offer), us(stored)];
  return {
    name: 'step',
    tables: [
      {
        title: 'One step with so many HTLCs in flight, µs: best (median)',
        columns: ['HTLCs', ...columns],
        rows: byHtlcs.map((row) => [`${row.htlcs}`, ...cells(row)]),
      },
      {
        title: `One step with so many channels of ${FEW} HTLCs each, µs: best (median)`,
        columns: ['channels', ...columns],
        rows: byChannels.map((row) => [`${row.channels}`, ...cells(row)]),
      },
    ],
    figures: [
      {
        name: 'update_add_htlc received, no HTLC in flight, best',
        value: none.hear.best,
        unit: 'µs',
        target: { at: 'most', value: TARGET_US },
      },
      { name: 'HTLC offered, no HTLC in flight, best', value: none.offer.best, unit: 'µs', target: { at: 'most', value: TARGET_US } },
      { name: `received, for each HTLC in flight`, value: (most.hear.best - none.hear.best) / most.htlcs, unit: 'µs' },
      { name: `received, ${among.channels} channels over one`, value: among.hear.best / alone.hear.best, unit: '×' },
      { name: `received with ${FEW} HTLCs, thawed and frozen over as a value`, value: alone.stored.best / alone.hear.best, unit: '×' },
    ],
  };
}
