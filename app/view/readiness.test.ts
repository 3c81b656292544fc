import { describe, expect, test } from 'vitest';
import type { Snapshot } from '../runtime/api.ts';
import { type DeviceFacts, type NeedId, readiness } from './readiness.ts';

const now = 1_700_000_000_000;
const snapshot: Snapshot = {
  wallet: 'ready',
  network: 'mainnet',
  relay: { url: 'https://relay.example', reachable: true },
  chain: { height: 800_000, checkedAtMs: now, stale: false },
  push: { subscribed: true },
  wordsSaved: true,
  lastWake: { atMs: now - 1_000, ms: 84, reason: 'message' },
  peers: [],
  channels: [],
  prompts: [],
  policy: { onOpen: 'ask', minFundingSat: '1', maxFundingSat: '2', minDepth: 3, allowPublic: false, promptMinutes: 5 },
  forwarding: { on: false, feeBaseMsat: 1_000, feeProportionalMillionths: 100, cltvExpiryDelta: 80, htlcMinimumMsat: '1000' },
  coinsSat: '0',
  missingPeers: 0,
  hideAmounts: false,
};
const facts: DeviceFacts = { installed: true, applePhone: false, permission: 'granted', persisted: true };

type Change = { readonly snapshot?: Partial<Snapshot>; readonly facts?: Partial<DeviceFacts> };
const cases: readonly (readonly [string, Change, 'good' | 'warn' | 'bad', NeedId | null])[] = [
  ['all is well', {}, 'good', null],
  ['in a browser tab', { facts: { installed: false } }, 'good', null],
  ['on an iPhone, not on the home screen', { facts: { installed: false, applePhone: true } }, 'bad', 'home-screen'],
  ['notifications not asked', { facts: { permission: 'default' } }, 'bad', 'notifications'],
  ['notifications denied', { facts: { permission: 'denied' } }, 'bad', 'notifications'],
  ['no push in this browser', { facts: { permission: 'unsupported' } }, 'bad', 'notifications'],
  ['the relay has no subscription', { snapshot: { push: { subscribed: false } } }, 'bad', 'notifications'],
  ['relay away', { snapshot: { relay: { url: '', reachable: false } } }, 'bad', 'relay'],
  ['storage may be cleared', { facts: { persisted: false } }, 'warn', 'storage'],
  ['storage unknown', { facts: { persisted: null } }, 'warn', 'storage'],
  ['words not saved', { snapshot: { wordsSaved: false } }, 'warn', 'words'],
  ['chain stands still', { snapshot: { chain: { height: 1, checkedAtMs: now, stale: true } } }, 'warn', 'chain'],
  ['chain never looked at', { snapshot: { chain: { height: 0, stale: false } } }, 'warn', 'chain'],
  ['last wake long ago', { snapshot: { lastWake: { atMs: now - 15 * 86_400_000, ms: 1, reason: 'test' } } }, 'warn', 'wake'],
];

describe('readiness', () => {
  test.for(cases)('%s', ([_name, change, level, need]) => {
    const verdict = readiness({ ...snapshot, ...change.snapshot }, { ...facts, ...change.facts }, now);
    expect(verdict.level).toBe(level);
    const wrong = verdict.needs.filter((one) => one.level === 'bad' || one.level === 'warn').map((one) => one.id);
    expect(wrong).toEqual(need === null ? [] : [need]);
  });

  test('never woken is only a warning', () => {
    const { lastWake: _, ...rest } = snapshot;
    expect(readiness(rest, facts, now).level).toBe('warn');
  });
});
