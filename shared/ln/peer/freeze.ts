/**
 * A peer as bytes and back. The shape is checked at thaw, member by member and strictly: a state that newer code wrote, or that
 * storage mangled, is refused as a whole rather than half understood. A change of shape needs a new version and keeps this reader.
 */
import * as v from 'valibot';
import { type FreezeError, freeze, thaw } from '../../lib/freeze.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { peerShape } from './freeze-shapes.ts';
import { recordV1, upgradeV1 } from './freeze-v1.ts';
import type { PeerState } from './state.ts';

export type ThawError = {
  /** As `freeze.ts` says; `invalid`: ours, but not a peer that this code knows. */
  readonly code: FreezeError['code'] | 'invalid';
  readonly detail: string;
};

const VERSION = 2;
const record = v.strictObject({ version: v.literal(VERSION), peer: peerShape });

export const freezePeer = (state: PeerState): Uint8Array => freeze({ version: VERSION, peer: state });

/** Never throws. */
export function thawPeer(frozen: Uint8Array): Result<PeerState, ThawError> {
  const thawed = thaw(frozen);
  if (!thawed.ok) return thawed;
  if (isVersion(thawed.value, 1)) {
    const old = v.safeParse(recordV1, thawed.value, { abortEarly: true });
    return old.success ? ok(upgradeV1(old.output.peer)) : invalid(old.issues[0]);
  }
  const parsed = v.safeParse(record, thawed.value, { abortEarly: true });
  return parsed.success ? ok(parsed.output.peer) : invalid(parsed.issues[0]);
}

const isVersion = (value: unknown, version: number): boolean =>
  typeof value === 'object' && value !== null && 'version' in value && value.version === version;

const invalid = (issue: v.BaseIssue<unknown>): Result<never, ThawError> =>
  err({ code: 'invalid', detail: `${v.getDotPath(issue) ?? 'record'}: ${issue.message}`.slice(0, 200) });
