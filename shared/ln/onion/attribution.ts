/**
 * BOLT 4 § Initialization of `attribution_data`: how long each hop held an HTLC, with codes that name who tampered.
 *
 * `hmac_x_y` is of the x-th node from the one that has the block now, for the case that y more hops follow it. A block holds those
 * with x + y < 20, by rising x and, within it, falling y. Hold times are in units of 100 ms; 0 says that a hop does not know.
 */
import { concat } from '../../lib/bytes.ts';
import { Writer } from '../../lib/writer.ts';
import { deriveKey, hmac256, sameMac, streamOver } from './stream.ts';

/** As `update_fail_htlc` and `update_fulfill_htlc` carry it. */
export type AttributionData = { readonly htlcHoldTimes: readonly number[]; readonly truncatedHmacs: Uint8Array };

export const MAX_ATTRIBUTED_HOPS = 20;
const HOPS = MAX_ATTRIBUTED_HOPS;
const MAC_BYTES = 4;
const TIME_BYTES = 4;
const TIMES_BYTES = HOPS * TIME_BYTES;
const MACS_BYTES = ((HOPS * (HOPS + 1)) / 2) * MAC_BYTES;
const BLOCK_BYTES = TIMES_BYTES + MACS_BYTES;
/** The longest hold that a u32 tells. */
const MAX_HOLD = 0xffff_ffff;

/** The codes of x and of all after it. */
const macsOf = (x: number): number => TIMES_BYTES + (x * HOPS - (x * (x - 1)) / 2) * MAC_BYTES;
const macAt = (x: number, y: number): number => macsOf(x) + (HOPS - 1 - x - y) * MAC_BYTES;

function toBlock(data: AttributionData | undefined): Uint8Array {
  const to = new Writer();
  // BOLT 4: "otherwise: MUST instantiate an all-zeroes `attribution_data` block"
  for (let i = 0; i < HOPS; i++) to.uint(TIME_BYTES, data?.htlcHoldTimes[i] ?? 0);
  to.bytes(data?.truncatedHmacs ?? new Uint8Array(MACS_BYTES));
  return to.done();
}
const holdTimeAt = (block: Uint8Array, i: number): number =>
  block.subarray(i * TIME_BYTES, (i + 1) * TIME_BYTES).reduce((value, byte) => value * 256 + byte, 0);
const fromBlock = (block: Uint8Array): AttributionData => ({
  htlcHoldTimes: Array.from({ length: HOPS }, (_, i) => holdTimeAt(block, i)),
  truncatedHmacs: block.slice(TIMES_BYTES),
});

/** `hmac_0_y` over the packet, the first y + 1 hold times, and the codes of the y nodes after this one. */
function macOver(um: Uint8Array, packet: Uint8Array, block: Uint8Array, y: number): Uint8Array {
  const downstream = Array.from({ length: y }, (_, i) => block.subarray(macAt(i + 1, y - 1 - i), macAt(i + 1, y - 1 - i) + MAC_BYTES));
  return hmac256(um, concat(packet, block.subarray(0, (y + 1) * TIME_BYTES), ...downstream)).subarray(0, MAC_BYTES);
}

/** Makes room for one more hop at the front: what would be the 21st falls out. */
function shifted(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES);
  out.set(block.subarray(0, TIMES_BYTES - TIME_BYTES), TIME_BYTES);
  for (let x = 0; x < HOPS - 1; x++) out.set(block.subarray(macsOf(x) + MAC_BYTES, macsOf(x + 1)), macsOf(x + 1));
  return out;
}
function unshifted(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES);
  out.set(block.subarray(TIME_BYTES, TIMES_BYTES));
  for (let x = 0; x < HOPS - 1; x++) out.set(block.subarray(macsOf(x + 1), macsOf(x + 2)), macsOf(x) + MAC_BYTES);
  return out;
}

/**
 * What a node adds on the way back. `downstream` is what it got from the next node; without it (also at the end of the route) it starts
 * from zeros. `packet` is the error packet before this node's stream went over it, and empty for a fulfilled HTLC.
 */
export function attribute(input: {
  readonly sharedSecret: Uint8Array;
  readonly packet: Uint8Array;
  readonly holdTime: number;
  readonly downstream?: AttributionData;
}): AttributionData {
  const { sharedSecret, packet, holdTime, downstream } = input;
  const block = shifted(toBlock(downstream));
  const time = new Writer();
  time.uint(TIME_BYTES, Math.min(Math.max(0, Math.floor(holdTime)), MAX_HOLD));
  block.set(time.done());
  const um = deriveKey('um', sharedSecret);
  for (let y = 0; y < HOPS; y++) block.set(macOver(um, packet, block, y), macAt(0, y));
  return fromBlock(streamOver(deriveKey('ammagext', sharedSecret), block));
}

/** What one hop said, and the block as it got it. */
export type Attributed = { readonly holdTime: number; readonly next: AttributionData };

/** Takes off the layer of one hop, `following` hops before the end of the route; undefined where its code does not fit. */
export function readAttribution(input: {
  readonly sharedSecret: Uint8Array;
  readonly packet: Uint8Array;
  readonly data: AttributionData;
  readonly following: number;
}): Attributed | undefined {
  const { sharedSecret, packet, data, following } = input;
  if (following >= HOPS) return undefined;
  const block = streamOver(deriveKey('ammagext', sharedSecret), toBlock(data));
  const mac = macOver(deriveKey('um', sharedSecret), packet, block, following);
  if (!sameMac(mac, block.subarray(macAt(0, following), macAt(0, following) + MAC_BYTES))) return undefined;
  return { holdTime: holdTimeAt(block, 0), next: fromBlock(unshifted(block)) };
}

const NO_PACKET = new Uint8Array(0);

/** BOLT 4 § Hold times for successful payments: by hop, as far as their codes fit. `data` is that of our peer's `update_fulfill_htlc`. */
export function readHoldTimes(sharedSecrets: readonly Uint8Array[], data: AttributionData): readonly number[] {
  const times: number[] = [];
  let left = data;
  for (const [i, sharedSecret] of sharedSecrets.entries()) {
    const read = readAttribution({ sharedSecret, packet: NO_PACKET, data: left, following: sharedSecrets.length - 1 - i });
    if (read === undefined) break;
    times.push(read.holdTime);
    left = read.next;
  }
  return times;
}
