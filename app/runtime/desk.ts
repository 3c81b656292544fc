/**
 * Where a round's channels get their answers: what they keep, what they ask back, what they ask of the rest of the node. Whatever an answer
 * writes goes into the same transaction as the step that asked, so that neither is ever there without the other.
 */
import { toHex } from '../../shared/lib/bytes.ts';
import type { Moment } from '../../shared/ln/payment/receive-set.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { Note, PeerEffect } from '../../shared/ln/peer/effect.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import type { PeerPolicy } from '../../shared/ln/peer/policy.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import type { InvoiceRecord, PaymentRecord, PeerRecord, Settings } from '../store/schema.ts';
import { loadArchive, loadPeer, type Write } from '../store/store.ts';
import type { NodeKeys } from './keys.ts';
import { openForwards } from './payments/forward-news.ts';
import { forwardingOf } from './payments/forward-record.ts';
import { openOutgoing } from './payments/outcome.ts';
import { claimPart, judgeHtlc, momentOf, receivedNote, setStateOf } from './payments/receive.ts';
import { withPolicies } from './payments/receive-hints.ts';
import { decidedRemovals, removeHtlc, type Standings, standingsOf } from './payments/receive-htlcs.ts';
import { htlcKey } from './payments/record.ts';
import type { Ports } from './ports.ts';
import type { RoundWallet } from './wallet.ts';

export type DeskEffect = Exclude<PeerEffect, { readonly tag: 'note' | 'disconnect' }>;

export type Desk = {
  /** To be written with the step. */
  readonly writes: () => readonly Write[];
  readonly settings: () => Partial<Settings>;
  /** What changes with it in the peer's record. */
  readonly change: (record: PeerRecord) => Pick<PeerRecord, 'policies'>;
  /** What a person is told of payments. */
  readonly notes: () => readonly Note[];
  /** What the channels are to be told in the same round. */
  readonly answer: (effect: DeskEffect, peer: PeerState) => Promise<readonly PeerCommand[]>;
};

export type DeskContext = {
  readonly keys: NodeKeys;
  /** Whose round it is, hex. */
  readonly peerId: string;
  readonly height: number;
  readonly wallet: RoundWallet;
  /** A payment that this round offers parts of. */
  readonly offering?: PaymentRecord;
};

export function openDesk(ports: Ports, { keys, peerId, height, wallet, offering }: DeskContext): Desk {
  const archives: Write[] = [];
  const invoices = new Map<string, InvoiceRecord>();
  const outgoing = openOutgoing(ports, offering);
  const forwards = openForwards(ports);
  const policies: PeerPolicy[] = [];
  const notes: Note[] = [];
  /** Of the round, once it is asked for. */
  let moment: Moment | undefined;
  const invoiceOf = async (paymentHash: string): Promise<InvoiceRecord | undefined> =>
    invoices.get(paymentHash) ?? ports.db.get('invoices', paymentHash);
  const storedStandings = async (id: string): Promise<Standings | undefined> => {
    const record = await loadPeer(ports.db, id);
    const thawed = record && record.quarantined === undefined ? thawPeer(record.frozen) : undefined;
    return thawed?.ok ? standingsOf(thawed.value) : undefined;
  };

  const answer = async (effect: DeskEffect, peer: PeerState): Promise<readonly PeerCommand[]> => {
    switch (effect.tag) {
      case 'keep-archive': {
        const { channelId, number, htlcs } = effect;
        archives.push({ store: 'archives', value: { channel: toHex(channelId), number: number.toString(), htlcs } });
        return [];
      }
      case 'need-archive': {
        const { channelId, number } = effect;
        const archive = await loadArchive(ports.db, toHex(channelId), number.toString());
        return [{ tag: 'channel', channelId, command: { tag: 'archive', number, htlcs: archive?.htlcs ?? [] } }];
      }
      case 'fund':
        return [wallet.fund(effect, peer)];
      case 'htlc-received': {
        const standings = standingsOf(peer);
        const books = {
          invoiceOf,
          standingsOf: async (id: string) => (id === peerId ? standings : storedStandings(id)),
          forwards: async () => (await forwardingOf(ports)).on,
        };
        moment ??= await momentOf(ports, height);
        const { refused, invoice, forward } = await judgeHtlc(effect, { keys, peerId, moment }, books);
        if (invoice) invoices.set(invoice.paymentHash, invoice);
        if (forward) await forwards.plan(forward);
        return [
          ...(refused ? [removeHtlc(effect.channelId, effect.htlc.id, refused)] : []),
          ...(invoice ? decidedRemovals(invoice, standings, moment) : []),
        ];
      }
      case 'htlc-claimed': {
        const invoice = await invoiceOf(toHex(effect.htlc.paymentHash));
        const claimed = invoice && claimPart(invoice, htlcKey(effect.channelId, effect.htlc.id), ports.now());
        if (claimed === undefined) return [];
        invoices.set(claimed.paymentHash, claimed);
        if (setStateOf(claimed) === 'paid') notes.push(receivedNote(effect.channelId, claimed));
        return [];
      }
      case 'htlc-offered':
      case 'add-refused':
      case 'htlc-fulfilled':
      case 'htlc-failed':
        if (!(await forwards.answer(effect))) await outgoing.answer(effect);
        return [];
      case 'peer-policy':
        policies.push(effect.policy);
        return [];
      case 'opening':
      case 'open-refused':
        return [];
    }
  };
  const writes = (): readonly Write[] => [
    ...archives,
    ...[...invoices.values()].map((value): Write => ({ store: 'invoices', value })),
    ...outgoing.writes(),
    ...forwards.writes(),
  ];
  const change = (record: PeerRecord) => withPolicies(record, policies, keys.nodeId);
  return { writes, settings: outgoing.settings, change, notes: () => [...notes, ...outgoing.notes], answer };
}
