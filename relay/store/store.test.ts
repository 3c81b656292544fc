import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Backups } from './backups.ts';
import { migrations } from './schema.ts';
import { openStore } from './store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'beckon-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a folder is made for its owner alone, and what was stored is there the next time', () => {
  const data = join(folder, 'deep', 'data');
  const store = openStore(data);
  expect(statSync(data).mode & 0o777).toBe(0o700);
  new Backups(store, () => 1).put('me', 3, Uint8Array.of(1, 2));
  store.close();
  const again = openStore(data);
  expect(new Backups(again, () => 1).newest('me')).toEqual({ seq: 3, bytes: Uint8Array.of(1, 2) });
  again.close();
});

test('a file of an older version is brought up to date, step by step', () => {
  const db = new DatabaseSync(join(folder, 'relay.sqlite'));
  db.close();
  const store = openStore(folder);
  expect(store.db.prepare('PRAGMA user_version').get()).toEqual({ user_version: migrations.length });
  store.close();
});

test('a file of a newer relay is left alone', () => {
  const db = new DatabaseSync(join(folder, 'relay.sqlite'));
  db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
  db.close();
  expect(() => openStore(folder)).toThrow('newer relay');
});

test('a transaction that throws changes nothing', () => {
  const store = openStore(null);
  const backups = new Backups(store, () => 1);
  expect(() =>
    store.transaction(() => {
      backups.put('me', 1, new Uint8Array(1));
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(backups.newest('me')).toBeUndefined();
  expect(store.transaction(() => 5)).toBe(5);
  store.close();
});

test('no table has a place for a transport key', () => {
  expect(migrations.join('\n').replace(/--.*/g, '')).not.toMatch(/sending|receiving|chaining|secret/i);
});
