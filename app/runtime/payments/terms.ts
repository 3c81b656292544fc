/**
 * Our `channel_update` for the peers that we pass payments on to: without it a peer cannot write into its invoices how it is reached over us.
 * BOLT 7 § The `channel_update` Message. Said once in each connection while payments are passed on, and once more, disabled, when they are not.
 */
import { compare, fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { scidForPeer } from '../../../shared/ln/channel/scid.ts';
import type { Normal } from '../../../shared/ln/channel/state.ts';
import { sign } from '../../../shared/ln/keys/secp.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import { signUpdate } from '../../../shared/ln/peer/policy.ts';
import { setting } from '../../store/store.ts';
import { networkOf } from '../network.ts';
import { type Collected, collect, type Live } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { round } from '../round.ts';
import { forwardingOf } from './forward-record.ts';

const OFF = 'off';

/** True: somebody was told. */
export async function tellTerms(ports: Ports, live: readonly Live[], into: Collected): Promise<boolean> {
  const rules = await forwardingOf(ports);
  let said = false;
  for (const { record, state } of live) {
    const { told } = record;
    if (state.link !== 'ready' || (!rules.on && told === undefined)) continue;
    const now = rules.on ? JSON.stringify(rules) : OFF;
    const isNew = (key: string): boolean => {
      const before = told?.terms[key];
      return rules.on ? told?.epoch !== state.epoch || before !== now : before !== undefined && before !== OFF;
    };
    const channels = state.channels.flatMap((channel) => {
      // What is announced has its update from `announce.ts`.
      if (channel.tag !== 'normal' || channel.announcement?.complete) return [];
      const shortChannelId = scidForPeer(channel);
      const key = toHex(channel.commitments.channelId);
      return shortChannelId !== undefined && isNew(key) ? [{ channel, shortChannelId, key }] : [];
    });
    const keys = channels.length === 0 ? undefined : await ports.keys();
    if (keys === undefined) continue;
    // BOLT 7: a newer one must have a greater `timestamp`.
    const timestamp = Math.max(Math.floor(ports.now() / 1_000), (told?.timestamp ?? 0) + 1);
    const { chainHash } = networkOf(await setting(ports.db, 'network'));
    const commands = channels.map(({ channel, shortChannelId }): PeerCommand => {
      const { cltvExpiryDelta, feeBaseMsat, feeProportionalMillionths, htlcMinimumMsat, on } = rules;
      const update = {
        chainHash,
        shortChannelId,
        timestamp,
        direction: compare(fromHex(keys.nodeId()), fromHex(record.peerId)) < 0 ? (0 as const) : (1 as const),
        disabled: !on,
        cltvExpiryDelta,
        htlcMinimumMsat: BigInt(htlcMinimumMsat),
        htlcMaximumMsat: mostMsat(channel),
        feeBaseMsat,
        feeProportionalMillionths,
      };
      return { tag: 'say-update', update: signUpdate(update, (digest) => sign(digest, keys.nodeSecret())) };
    });
    const terms = { ...(told?.epoch === state.epoch ? told.terms : {}), ...Object.fromEntries(channels.map(({ key }) => [key, now])) };
    const stepped = await round(ports, record.peerId, commands, { told: { epoch: state.epoch, timestamp, terms } });
    if (!stepped.ok) continue;
    collect(into, record.peerId, stepped.value);
    said = true;
  }
  return said;
}

/** What one HTLC over the channel can be at the most. */
function mostMsat({ commitments: { terms } }: Normal): bigint {
  const all = terms.fundingAmountSat * 1_000n;
  return terms.remote.maxHtlcValueInFlightMsat < all ? terms.remote.maxHtlcValueInFlightMsat : all;
}
