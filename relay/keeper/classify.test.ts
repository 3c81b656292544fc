import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { classify, messageType } from './classify.ts';
import { messageOf } from './testing.ts';

const of = (type: number) => classify(messageOf(type));

test('every message that the BOLTs name has a row of its own', () => {
  // `msgtype,<name>,<number>[,…]` lines, extracted from the BOLTs.
  const csv = readFileSync(new URL('../../shared/ln/vectors/messages.csv', import.meta.url), 'utf8');
  const types = [...csv.matchAll(/^msgtype,([a-z0-9_]+),(\d+)/gm)].map((match) => ({ name: match[1] ?? '', type: Number(match[2]) }));
  expect(types.length).toBeGreaterThan(30);
  // BOLT 4's failure codes share the table with the messages.
  const failures = new Set(['final_incorrect_cltv_expiry', 'final_incorrect_htlc_amount', 'expiry_too_far', 'mpp_timeout']);
  const quiet = new Set(['warning', 'stfu', 'peer_storage_retrieval', 'update_add_htlc', 'update_fulfill_htlc', 'update_fail_htlc']);
  for (const name of ['update_fail_malformed_htlc', 'update_fee', 'channel_update', 'start_batch']) quiet.add(name);
  const dropped = new Set([
    'peer_storage',
    'channel_announcement',
    'node_announcement',
    'query_short_channel_ids',
    'reply_short_channel_ids_end',
  ]);
  for (const name of ['query_channel_range', 'reply_channel_range', 'gossip_timestamp_filter']) dropped.add(name);
  for (const { name, type } of types.filter((row) => !failures.has(row.name))) {
    const expected = name === 'ping' || name === 'pong' ? 'relay' : dropped.has(name) ? 'drop' : quiet.has(name) ? 'queue' : 'wake';
    expect([name, of(type)]).toEqual([name, expected]);
  }
});

test('unknown even types wake (the app must close), unknown odd ones are dropped', () => {
  expect([of(100), of(32_768), of(101), of(32_769), of(65_535)]).toEqual(['wake', 'wake', 'drop', 'drop', 'drop']);
});

test('what is too short for a type is the app to judge', () => {
  expect([messageType(new Uint8Array(0)), messageType(Uint8Array.of(1))]).toEqual([-1, -1]);
  expect(classify(Uint8Array.of(1))).toBe('wake');
});
