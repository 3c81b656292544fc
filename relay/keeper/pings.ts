/**
 * BOLT 1 § ping and pong, answered by the relay so that the app may sleep. Bytes in, bytes out, no socket and no clock.
 */
import { messageType } from './classify.ts';

const PING = 18;
const PONG = 19;
/** Ours ask for no padding: the pong alone proves life. */
const OUR_PING = Uint8Array.of(0, PING, 0, 0, 0, 0);
/** BOLT 1: "MUST respond by sending a `pong` message, with `byteslen` equal to `num_pong_bytes`." if that is less. */
const PONG_LIMIT = 65_532;

export const isPing = (message: Uint8Array): boolean => messageType(message) === PING;
export const isPong = (message: Uint8Array): boolean => messageType(message) === PONG;
export const ourPing = (): Uint8Array => OUR_PING;

/** The pong to send, or undefined where BOLT 1 says to ignore the ping (and for one that is cut short). */
export function pongFor(ping: Uint8Array): Uint8Array | undefined {
  if (ping.length < 4) return undefined;
  const count = ((ping[2] ?? 0) << 8) | (ping[3] ?? 0);
  if (count >= PONG_LIMIT) return undefined;
  const pong = new Uint8Array(4 + count);
  pong.set([0, PONG, count >> 8, count & 0xff]);
  return pong;
}
