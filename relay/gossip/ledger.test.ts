/** What stays of the graph, what goes, and that a restart finds it as it was. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeMessage } from '../../shared/ln/wire/registry.ts';
import { parseConfig } from '../config.ts';
import { must } from '../keeper/testing.ts';
import type { Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import type { Verdict } from './funding.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { announcement, nodeAnnouncement, type Pair, pair, regtest, scid, signer, update } from './testing.ts';
import { createVerifier } from './verify.ts';

const DAY = 86_400;
const START = 1_800_000_000;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const [alice, bob, carol] = [signer('alice'), signer('bob'), signer('carol')];
const ab = pair(scid(500), alice, bob);
const bc = pair(scid(501), bob, carol);
const verifierOf = createVerifier();

let store: Store;
let now: number;
let ledger: Ledger;
const open = (): void => {
  const { limits } = must(parseConfig({}));
  ledger = openLedger({ store, chainHash: regtest, limits, clock: () => now * 1000, log: silent });
};
beforeEach(() => {
  store = openStore(null);
  now = START;
  open();
});
afterEach(() => store.close());

function hear(raw: Uint8Array, verdict?: Verdict): string {
  const message = must(decodeMessage(raw));
  if (message.name !== 'channel_announcement' && message.name !== 'channel_update' && message.name !== 'node_announcement')
    return 'no gossip';
  const heard = ledger.hear(message, raw, verifierOf(raw));
  const tag = heard.tag === 'new-channel' && verdict !== undefined ? ledger.settle(heard.channel, raw, verdict) : heard.tag;
  ledger.flush();
  return tag;
}
const outpointOf = (of: Pair): string => `tx of ${of.shortChannelId}:0`;
function hearAll(of: Pair, at = now): void {
  expect(hear(announcement(of), { kind: 'there', capacitySat: 1_000_000, outpoint: outpointOf(of) })).toBe('taken');
  for (const direction of [0, 1] as const) expect(hear(update(of, direction, at))).toBe('taken');
}
const ids = (): bigint[] => [...ledger.graph().shortChannelIds];
const rows = (table: string): number => Number(store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);

test('a restart finds the graph as it was, and knows what it knew', () => {
  hearAll(ab);
  hearAll(bc, now - 50);
  expect(hear(update(ab, 0, now + 9, { feeBaseMsat: 77 }))).toBe('taken');
  expect(hear(nodeAnnouncement(bob, now))).toBe('taken');
  ledger.spent(600, [outpointOf(bc)]);
  const before = { graph: ledger.graph(), size: ledger.size(), newest: ledger.newest(), nodes: ledger.nodes() };
  open();
  expect({ graph: ledger.graph(), size: ledger.size(), newest: ledger.newest(), nodes: ledger.nodes() }).toEqual(before);
  expect(before).toMatchObject({ size: 6, newest: now + 9, nodes: 3 });
  expect(before.graph.feeBaseMsat[0]).toBe(77);
  expect(ids()).toEqual([ab.shortChannelId]);
  expect([hear(announcement(ab)), hear(update(ab, 0, now + 9, { feeBaseMsat: 77 })), hear(nodeAnnouncement(bob, now))]).toEqual([
    'known',
    'known',
    'known',
  ]);
  // Nothing has changed since: no snapshot is due.
  expect(ledger.changes()).toBe(0);
});

test('what a block spends is in no graph from then on, comes back with a re-org, and is forgotten after 72 blocks', () => {
  hearAll(ab);
  hearAll(bc);
  expect(hear(nodeAnnouncement(alice, now))).toBe('taken');
  expect(ledger.spent(600, ['something else:1', outpointOf(ab)])).toBe(1);
  expect(ids()).toEqual([bc.shortChannelId]);
  ledger.unspent(600);
  expect(ids()).toEqual([ab.shortChannelId, bc.shortChannelId]);
  open();
  expect(ids()).toEqual([ab.shortChannelId, bc.shortChannelId]);
  ledger.spent(601, [outpointOf(ab)]);
  ledger.spent(601 + 71, []);
  expect([ledger.prune(), rows('gossip_channels'), rows('gossip_nodes')]).toEqual([0, 2, 1]);
  ledger.spent(601 + 72, []);
  expect([ledger.prune(), rows('gossip_channels'), rows('gossip_nodes')]).toEqual([1, 1, 0]);
  expect([ledger.channels(), ledger.size(), ledger.nodes()]).toEqual([1, 3, 2]);
});

test('a channel of which nothing was heard for two weeks is forgotten, on disk too', () => {
  hearAll(ab);
  now += 10 * DAY;
  hearAll(bc);
  now += 4 * DAY + 1;
  expect([ledger.prune(), rows('gossip_channels')]).toEqual([1, 1]);
  open();
  expect(ids()).toEqual([bc.shortChannelId]);
});

test('a channel whose output was not there is looked for again some hours later', () => {
  expect(hear(announcement(ab), { kind: 'not-there' })).toBe('not-there');
  expect([hear(announcement(ab)), ledger.knows(ab.shortChannelId)]).toEqual(['ignored', true]);
  now += 6 * 3_600;
  ledger.prune();
  expect([ledger.knows(ab.shortChannelId), hear(announcement(ab))]).toEqual([false, 'new-channel']);
});

test('only an update that would be the newest of its direction is worth a signature', () => {
  hearAll(ab);
  const isNewer = (raw: Uint8Array): boolean => {
    const message = must(decodeMessage(raw));
    return message.name === 'channel_update' && ledger.isNewer(message);
  };
  expect([update(ab, 0, now - 1), update(ab, 0, now), update(ab, 0, now + 1), update(bc, 0, now)].map(isNewer)).toEqual([
    false,
    false,
    true,
    false,
  ]);
});
