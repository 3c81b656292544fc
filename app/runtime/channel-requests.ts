/**
 * What a person asks of channels: open one from our own coins, close one with the peer or without. Each is one round and then a talk with the
 * relay, so that it leaves. What is asked is committed before anything is sent: a worker that dies goes on with it.
 */
import * as v from 'valibot';
import { equal, fromHex, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { type ChannelError, describe } from '../../shared/ln/channel/error.ts';
import { type ChannelState, channelIdOf, isPending, liveOf } from '../../shared/ln/channel/state.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import { negotiatedWith } from '../../shared/ln/peer/init.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { scriptFromAddress } from '../../shared/ln/wallet/address.ts';
import { loadPeer, setting } from '../store/store.ts';
import { done, fail, type Handlers, type PagePorts, sat, settle } from './answers.ts';
import type { ApiErrorCode } from './api.ts';
import { closeEstimate, commitmentFeerate, fundingCost, openEstimate, perKw } from './costs.ts';
import { defaultPolicy } from './env.ts';
import { feerateFor } from './fees.ts';
import { networkOf } from './network.ts';
import { Collected, collect } from './peers.ts';
import type { Ports } from './ports.ts';
import { type RoundError, round } from './round.ts';

/** Less is eaten by fees and reserves before it can be used. */
const MIN_OPEN_SAT = 20_000n;

/** From what is relayed at all to far above any day of the network. */
const feerate = v.pipe(v.number(), v.minValue(1), v.maxValue(1_000));
const hexId = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const openSchema = v.object({ peerId: v.string(), amountSat: sat, isPublic: v.boolean(), feerateSatPerVb: feerate });
const closeSchema = v.object({
  peerId: v.string(),
  channelId: hexId,
  feerateSatPerVb: feerate,
  address: v.optional(v.pipe(v.string(), v.maxLength(200))),
});

type Fault = { readonly code: ApiErrorCode; readonly detail: string };

function roundFault({ code, detail }: RoundError): Fault {
  if (code === 'no-wallet') return { code, detail: '' };
  if (code === 'peer-unknown') return { code, detail };
  return { code: code === 'quarantined' ? 'internal' : 'storage-failed', detail };
}

async function storedPeer(ports: Ports, peerId: string): Promise<Result<PeerState, Fault>> {
  if ((await ports.keys()) === undefined) return err({ code: 'no-wallet', detail: '' });
  const record = await loadPeer(ports.db, peerId);
  if (record === undefined) return err({ code: 'peer-unknown', detail: peerId.slice(0, 66) });
  const thawed = thawPeer(record.frozen);
  return thawed.ok ? thawed : err({ code: 'storage-failed', detail: thawed.error.detail });
}

type Stored = { readonly peer: PeerState; readonly channel: ChannelState };

async function storedChannel(ports: Ports, peerId: string, channelId: string): Promise<Result<Stored, Fault>> {
  const peer = await storedPeer(ports, peerId);
  if (!peer.ok) return peer;
  const id = v.is(hexId, channelId) ? fromHex(channelId) : undefined;
  const channel = peer.value.channels.find((one) => id !== undefined && equal(channelIdOf(one), id));
  if (channel === undefined) return err({ code: 'channel-unknown', detail: channelId.slice(0, 64) });
  return ok({ peer: peer.value, channel });
}

type OpenRefused = Extract<PeerEffect, { readonly tag: 'open-refused' }>['error'];
/** What of a request is wrong by its amount, so that another amount would do. */
const amountCodes: ReadonlySet<ChannelError['code']> = new Set([
  'funding-too-large',
  'cannot-afford',
  'funder-cannot-pay-fee',
  'fee-over-half',
]);

function refusalOf(error: OpenRefused): Fault {
  if (error.code === 'not-connected') return { code: 'peer-offline', detail: '' };
  return { code: amountCodes.has(error.code) ? 'amount-invalid' : 'channel-refused', detail: describe(error) };
}

export const channelRequests: Pick<Handlers, 'open-estimate' | 'open-channel' | 'close-estimate' | 'close-channel' | 'force-close'> = {
  async 'open-estimate'(ports, { amountSat }) {
    if (!v.is(sat, amountSat)) return fail('amount-invalid', 'not an amount');
    const keys = await ports.keys();
    return keys === undefined ? fail('no-wallet') : ok(await openEstimate(ports, keys, BigInt(amountSat)));
  },

  async 'open-channel'(ports, arg) {
    const parsed = v.safeParse(openSchema, arg);
    if (!parsed.success) return fail('amount-invalid', parsed.issues[0].message);
    const { peerId, isPublic } = parsed.output;
    const amountSat = BigInt(parsed.output.amountSat);
    const keys = await ports.keys();
    if (keys === undefined) return fail('no-wallet');
    if (amountSat < MIN_OPEN_SAT) return fail('amount-invalid', `the least is ${MIN_OPEN_SAT} sat`);
    const peer = await storedPeer(ports, peerId);
    if (!peer.ok) return fail(peer.error.code, peer.error.detail);
    if (peer.value.link !== 'ready') return fail('peer-offline');
    if (isPublic && !((await setting(ports.db, 'policy')) ?? defaultPolicy).allowPublic)
      return fail('policy-invalid', 'announced channels are not allowed');
    const fundingFeeratePerKw = perKw(parsed.output.feerateSatPerVb);
    const cost = await fundingCost(ports, keys, amountSat, fundingFeeratePerKw);
    if (!cost.ok)
      return fail('not-enough', `${cost.error.neededSat} sat are needed with the fee, ${cost.error.availableSat} sat are there`);

    const { anchors } = negotiatedWith(peer.value.remoteFeatures);
    const feeratePerKw = commitmentFeerate(anchors ? 'anchors_zero_fee_htlc_tx' : 'static_remotekey', await feerateFor(ports));
    const request = toHex(ports.entropy(16));
    const open = { fundingAmountSat: amountSat, pushMsat: 0n, feeratePerKw, fundingFeeratePerKw, isPublic };
    const stepped = await round(ports, peerId, [{ tag: 'open', request, open }]);
    if (!stepped.ok) return { ok: false, error: roundFault(stepped.error) };
    const { news } = stepped.value;
    const refused = news.find((effect) => effect.tag === 'open-refused');
    if (refused !== undefined) return { ok: false, error: refusalOf(refused.error) };
    const opening = news.find((effect) => effect.tag === 'opening');
    if (opening === undefined) return fail('internal', 'the open was neither begun nor refused');
    await send(ports, peerId, stepped.value);
    return ok({ channelId: toHex(opening.temporaryChannelId) });
  },

  async 'close-estimate'(ports, { peerId, channelId }) {
    const stored = await storedChannel(ports, peerId, channelId);
    if (!stored.ok) return fail(stored.error.code, stored.error.detail);
    const { peer, channel } = stored.value;
    const live = liveOf(channel);
    if (isPending(live)) return fail('channel-refused', 'nothing is in this channel yet');
    return ok(closeEstimate(live.commitments, negotiatedWith(peer.remoteFeatures).simpleClose, await feerateFor(ports)));
  },

  async 'close-channel'(ports, arg) {
    const parsed = v.safeParse(closeSchema, arg);
    if (!parsed.success) return fail('channel-unknown', parsed.issues[0].message);
    const { peerId, channelId, feerateSatPerVb, address } = parsed.output;
    const stored = await storedChannel(ports, peerId, channelId);
    if (!stored.ok) return fail(stored.error.code, stored.error.detail);
    const { tag } = liveOf(stored.value.channel);
    if (tag === 'closing' || tag === 'failed') return fail('channel-refused', 'it ends on the chain already');
    if (tag === 'wait-for-approval') return fail('channel-refused', 'answer the question instead');
    const script = address === undefined ? undefined : scriptFromAddress(address, networkOf(await setting(ports.db, 'network')).name);
    if (script?.ok === false) return fail('address-invalid', script.error.code);
    const stepped = await round(ports, peerId, [
      {
        tag: 'channel',
        channelId: fromHex(channelId),
        command: { tag: 'close', feeratePerKw: perKw(feerateSatPerVb), ...(script === undefined ? {} : { scriptPubKey: script.value }) },
      },
    ]);
    if (!stepped.ok) return { ok: false, error: roundFault(stepped.error) };
    // The channel would not: another address was agreed on, or the peer does not know this kind.
    const fault = stepped.value.notes.find(({ kind }) => kind === 'fault');
    await send(ports, peerId, stepped.value);
    return fault === undefined ? done : fail('channel-refused', fault.detail ?? '');
  },

  async 'force-close'(ports, { peerId, channelId }) {
    const stored = await storedChannel(ports, peerId, channelId);
    if (!stored.ok) return fail(stored.error.code, stored.error.detail);
    const live = liveOf(stored.value.channel);
    if (isPending(live)) return fail('channel-refused', 'nothing is in this channel yet');
    if (live.tag === 'failed' && live.doNotBroadcast)
      return fail('channel-refused', 'our state is old: only the peer can close this channel');
    const stepped = await round(ports, peerId, [{ tag: 'channel', channelId: fromHex(channelId), command: { tag: 'force-close' } }]);
    if (!stepped.ok) return { ok: false, error: roundFault(stepped.error) };
    await send(ports, peerId, stepped.value);
    return done;
  },
};

/** Whether or not the relay can be reached now: it is committed, and goes out with the next talk. */
async function send(ports: PagePorts, peerId: string, stepped: Parameters<typeof collect>[2]): Promise<void> {
  const into = new Collected();
  collect(into, peerId, stepped);
  await settle(ports, into);
  ports.broadcast({ t: 'changed' });
}
