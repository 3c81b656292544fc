/**
 * Route hints of our invoices: the peers through which somebody reaches us, and what they ask for it. BOLT 11: the `r` field. A payer sees our
 * channels nowhere else: none of them is announced, public by its terms or not.
 */
import { compare, equal, fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { scidForPeer } from '../../../shared/ln/channel/scid.ts';
import { liveOf } from '../../../shared/ln/channel/state.ts';
import { receivableMsat } from '../../../shared/ln/channel/updates.ts';
import type { RouteHintHop } from '../../../shared/ln/invoice/invoice.ts';
import type { PeerPolicy } from '../../../shared/ln/peer/policy.ts';
import type { PeerState } from '../../../shared/ln/peer/state.ts';
import type { PeerPolicyRecord, PeerRecord } from '../../store/schema.ts';

/** More make a QR code that phones do not read. */
const MAX_HINTS = 3;
/** For as long as the peer has not told its own: no less than what any node that we know asks for unless it was told to ask for more. */
const unknownPolicy = { feeBaseMsat: 1_000, feeProportionalMillionths: 200, cltvExpiryDelta: 144 } as const;

/**
 * The channels that can receive the most first, and one of each peer before a second of any, connected or not: who is away now may be back when
 * the payment comes. Nor does `disable` count: LND sets it while we are away, and passes payments on again long before it takes it back.
 */
export function routeHints(
  live: readonly { readonly record: PeerRecord; readonly state: PeerState }[],
): readonly (readonly RouteHintHop[])[] {
  const ways = live.flatMap(({ record, state }) =>
    state.channels.flatMap((channel) => {
      const normal = liveOf(channel);
      if (normal.tag !== 'normal') return [];
      const { channelId, localShutdownScript, remoteShutdownScript } = normal.commitments;
      const shortChannelId = scidForPeer(normal);
      const receivable = receivableMsat(normal.commitments);
      const policy = record.policies?.find((one) => one.channel === toHex(channelId));
      if (shortChannelId === undefined || receivable <= 0n || localShutdownScript || remoteShutdownScript) return [];
      const { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = policy ?? unknownPolicy;
      return [
        { receivable, hop: { nodeId: fromHex(record.peerId), shortChannelId, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } },
      ];
    }),
  );
  ways.sort((a, b) => (a.receivable < b.receivable ? 1 : a.receivable > b.receivable ? -1 : 0));
  const isBest = ({ hop }: (typeof ways)[number], i: number): boolean => ways.findIndex((one) => equal(one.hop.nodeId, hop.nodeId)) === i;
  return [...ways.filter(isBest), ...ways.filter((way, i) => !isBest(way, i))].slice(0, MAX_HINTS).map(({ hop }) => [hop]);
}

/** What becomes of a peer's record with what the peer told: the newest of each channel counts. Nothing if nothing does. */
export function withPolicies(
  { peerId, policies = [] }: Pick<PeerRecord, 'peerId' | 'policies'>,
  told: readonly PeerPolicy[],
  ourNodeId: () => string,
): Pick<PeerRecord, 'policies'> {
  let next = policies;
  for (const policy of told) {
    const channel = toHex(policy.channelId);
    const known = next.find((one) => one.channel === channel);
    const direction = compare(fromHex(peerId), fromHex(ourNodeId())) < 0 ? 0 : 1;
    if (policy.direction !== direction || policy.timestamp <= (known?.timestamp ?? 0)) continue;
    const { timestamp, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = policy;
    const kept: PeerPolicyRecord = { channel, timestamp, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta };
    next = [...next.filter((one) => one !== known), kept];
  }
  return next === policies ? {} : { policies: next };
}
