/**
 * The plaintext of a push (`wakePayload` of shared/protocol/session.ts). The waiting frames ride along only when all of them
 * fit: half of them would make the worker answer a state that it sees half of.
 */
import type { Frame, SessionStatus, WakePayload, WakeReason } from '../../shared/protocol/session.ts';
import { maxPlaintextBytes } from './sender.ts';

export type Waiting = { readonly frames: readonly Frame[]; readonly sessions: readonly SessionStatus[] };

/** `slim` never carries more than the reason. */
export function composePayload(
  head: { readonly wakeId: string; readonly reason: WakeReason; readonly sentAtMs: number },
  waiting: Waiting,
): { readonly payload: string; readonly slim: string } {
  const bare: WakePayload = { v: 1, ...head };
  const slim = JSON.stringify(bare);
  const sessions = waiting.sessions.length > 0 ? { sessions: [...waiting.sessions] } : {};
  const frames = waiting.frames.length > 0 ? { frames: [...waiting.frames] } : {};
  const candidates: readonly WakePayload[] = [
    { ...bare, ...frames, ...sessions },
    { ...bare, ...frames },
    { ...bare, ...sessions },
  ];
  const payload = candidates.map((candidate) => JSON.stringify(candidate)).find((text) => Buffer.byteLength(text) <= maxPlaintextBytes);
  return { payload: payload ?? slim, slim };
}
