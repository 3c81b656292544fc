/** Is the node ready while it sleeps? Pure: what the worker and the browser say goes in, a verdict and its reasons come out. */
import type { Snapshot } from '../runtime/api.ts';
import type { Permission } from './device.svelte.ts';

export type Level = 'good' | 'note' | 'warn' | 'bad';
export type NeedId = 'home-screen' | 'notifications' | 'storage' | 'relay' | 'wake' | 'words' | 'chain';
export type Need = { readonly id: NeedId; readonly level: Level; readonly why: string };
export type Verdict = { readonly level: 'good' | 'warn' | 'bad'; readonly needs: readonly Need[] };
export type DeviceFacts = {
  readonly installed: boolean;
  readonly applePhone: boolean;
  readonly permission: Permission;
  readonly persisted: boolean | null;
};

/** A wake older than this proves little about today. */
const FRESH_WAKE_MS = 14 * 24 * 3_600_000;

function homeScreen(facts: DeviceFacts): Need {
  if (facts.installed) return { id: 'home-screen', level: 'good', why: 'installed' };
  return facts.applePhone ? { id: 'home-screen', level: 'bad', why: 'required' } : { id: 'home-screen', level: 'note', why: 'in-tab' };
}

function notifications(snapshot: Snapshot, facts: DeviceFacts): Need {
  if (facts.permission !== 'granted') return { id: 'notifications', level: 'bad', why: facts.permission };
  if (!snapshot.push.subscribed) return { id: 'notifications', level: 'bad', why: 'not-subscribed' };
  return { id: 'notifications', level: 'good', why: 'allowed' };
}

function storage(facts: DeviceFacts): Need {
  if (facts.persisted === true) return { id: 'storage', level: 'good', why: 'kept' };
  return { id: 'storage', level: 'warn', why: facts.persisted === null ? 'unknown' : 'not-kept' };
}

function wake(snapshot: Snapshot, now: number): Need {
  if (!snapshot.lastWake) return { id: 'wake', level: 'warn', why: 'never' };
  const old = now - snapshot.lastWake.atMs > FRESH_WAKE_MS;
  return { id: 'wake', level: old ? 'warn' : 'good', why: old ? 'old' : 'recent' };
}

function chain(snapshot: Snapshot): Need {
  if (snapshot.chain.checkedAtMs === undefined) return { id: 'chain', level: 'warn', why: 'unchecked' };
  return { id: 'chain', level: snapshot.chain.stale ? 'warn' : 'good', why: snapshot.chain.stale ? 'stale' : 'fresh' };
}

export function readiness(snapshot: Snapshot, facts: DeviceFacts, now: number): Verdict {
  const needs: readonly Need[] = [
    notifications(snapshot, facts),
    { id: 'relay', level: snapshot.relay.reachable ? 'good' : 'bad', why: snapshot.relay.reachable ? 'reachable' : 'unreachable' },
    wake(snapshot, now),
    storage(facts),
    { id: 'words', level: snapshot.wordsSaved ? 'good' : 'warn', why: snapshot.wordsSaved ? 'saved' : 'not-saved' },
    chain(snapshot),
    homeScreen(facts),
  ];
  const has = (level: Level) => needs.some((need) => need.level === level);
  return { level: has('bad') ? 'bad' : has('warn') ? 'warn' : 'good', needs };
}
