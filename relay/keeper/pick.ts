/** Which of the waiting frames go into one answer. */
import { type Frame, limits } from '../../shared/protocol/session.ts';
import { toBase64Url } from './bytes.ts';
import type { Epoch, Inbound } from './session.ts';
import type { Slot } from './slot.ts';

/** How far one WebSocket has been told, per session. */
export type Cursor = Map<string, { epoch: number; n: number }>;
export type Picked = { readonly slot: Slot; readonly epoch: Epoch; readonly frame: Inbound };

/**
 * One frame of each session in turn, so that a flood in one does not starve the others; in each session in order.
 * `turn` says which session is first: big frames may leave room for a few only. With a cursor: only what it has not seen.
 */
export function pick(
  slots: readonly Slot[],
  turn: number,
  cursor?: Cursor,
): { readonly picked: readonly Picked[]; readonly more: boolean } {
  const lanes = slots.flatMap((slot) => {
    if (slot.epoch === undefined || slot.epoch.waiting.length === 0) return [];
    const seen = cursor?.get(slot.session);
    const after = seen !== undefined && seen.epoch === slot.epoch.number ? seen.n : 0;
    return [{ slot, epoch: slot.epoch, frames: slot.epoch.waiting.filter((frame) => frame.n > after) }];
  });
  const picked: Picked[] = [];
  let bytes = 0;
  for (let round = 0; ; round++) {
    let any = false;
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[(turn + i) % lanes.length];
      const frame = lane?.frames[round];
      if (lane === undefined || frame === undefined) continue;
      if (picked.length >= limits.framesPerAnswer || bytes + frame.bytes.length > limits.bytesPerAnswer) return { picked, more: true };
      picked.push({ slot: lane.slot, epoch: lane.epoch, frame });
      bytes += frame.bytes.length;
      any = true;
    }
    if (!any) return { picked, more: false };
  }
}

export const toJson = ({ slot, epoch, frame }: Picked): Frame => ({
  session: slot.session,
  epoch: epoch.number,
  n: frame.n,
  bytes: toBase64Url(frame.bytes),
});
