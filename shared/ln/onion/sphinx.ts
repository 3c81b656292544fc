/**
 * BOLT 4 § Packet Construction and § Onion Decryption: an onion made for a route, and one layer of it taken off.
 *
 * Callers must still: take a fresh random session key for every onion (two onions with one of them can be linked and read), give the
 * payment hash as associated data of a payment and nothing for an onion message, check the payload (`payload.ts`), and refuse an
 * HTLC whose onion they have seen before if they hold the money for longer than the sender expects.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { Writer } from '../../lib/writer.ts';
import { ecdh, isPoint, multiply, multiplySecret, pointFromSecret } from '../keys/secp.ts';
import { bigsize } from '../wire/codec.ts';
import { Reader } from '../wire/cursor.ts';
import { guarded } from '../wire/tlv.ts';
import { badOnion } from './codes.ts';
import { deriveKey, hmac256, sameMac, streamOver } from './stream.ts';

/** Of a payment; an onion message may have others. */
export const PAYLOADS_BYTES = 1300;
const VERSION_BYTES = 1;
const POINT_BYTES = 33;
const MAC_BYTES = 32;
const HEADER_BYTES = VERSION_BYTES + POINT_BYTES;
export const ONION_BYTES = HEADER_BYTES + PAYLOADS_BYTES + MAC_BYTES;
const NO_MAC = new Uint8Array(MAC_BYTES);

/** `payload` is the TLV stream alone; `nodeId` is the node's id, or its blinded one. */
export type OnionHop = { readonly nodeId: Uint8Array; readonly payload: Uint8Array };
/** `hop` counts from 0, the first node that takes off a layer. */
export type BuildError =
  /** Node ids come from graphs and invoices: this one is no point. */
  | { readonly code: 'bad-node-id'; readonly hop: number }
  | { readonly code: 'no-hops' }
  /** The payloads do not fit: take fewer hops, or less metadata. */
  | { readonly code: 'too-long'; readonly bytes: number };
export type BuiltOnion = {
  readonly packet: Uint8Array;
  /** By hop; they decrypt what comes back (`unwrapFailure`). */
  readonly sharedSecrets: readonly Uint8Array[];
};

/** Throws if the session key is no secret, or a payload is shorter than the two bytes of a record: bugs of ours. */
export function buildOnion(input: {
  readonly sessionKey: Uint8Array;
  readonly hops: readonly OnionHop[];
  readonly associatedData: Uint8Array;
  readonly payloadsBytes?: number;
}): Result<BuiltOnion, BuildError> {
  const { sessionKey, hops, associatedData, payloadsBytes = PAYLOADS_BYTES } = input;
  if (hops.length === 0) return err({ code: 'no-hops' });
  const frames = hops.map(({ payload }) => frame(payload));
  const bytes = frames.reduce((sum, { length }) => sum + length + MAC_BYTES, 0);
  if (bytes > payloadsBytes) return err({ code: 'too-long', bytes });
  const secrets = sharedSecretsOf(
    sessionKey,
    hops.map(({ nodeId }) => nodeId),
  );
  if (!secrets.ok) return secrets;

  const rhos = secrets.value.map((secret) => deriveKey('rho', secret));
  const filler = fillerOf(frames, rhos, payloadsBytes);
  let payloads = streamOver(deriveKey('pad', sessionKey), new Uint8Array(payloadsBytes));
  let mac: Uint8Array = NO_MAC;
  for (const [i, secret] of [...secrets.value.entries()].reverse()) {
    const shifted = concat(frames[i] ?? NO_MAC, mac, payloads).subarray(0, payloadsBytes);
    payloads = streamOver(rhos[i] ?? NO_MAC, shifted);
    if (i === hops.length - 1) payloads.set(filler, payloadsBytes - filler.length);
    mac = hmac256(deriveKey('mu', secret), concat(payloads, associatedData));
  }
  const packet = concat(Uint8Array.of(0), pointFromSecret(sessionKey), payloads, mac);
  return ok({ packet, sharedSecrets: secrets.value });
}

/** The payload behind its length. */
function frame(payload: Uint8Array): Uint8Array {
  // BOLT 4: "`length` values of 0 and 1 are reserved"
  if (payload.length < 2) throw new RangeError('an onion payload of less than two bytes');
  const to = new Writer();
  bigsize.write(to, BigInt(payload.length));
  to.bytes(payload);
  return to.done();
}

/** BOLT 4 § Blinding Ephemeral Onion Keys: each hop's secret, with an ephemeral key that only the sender can follow. */
function sharedSecretsOf(sessionKey: Uint8Array, nodeIds: readonly Uint8Array[]): Result<readonly Uint8Array[], BuildError> {
  const secrets: Uint8Array[] = [];
  let ephemeral = sessionKey;
  for (const [hop, nodeId] of nodeIds.entries()) {
    const secret = ecdh(nodeId, ephemeral);
    if (secret === undefined) return err({ code: 'bad-node-id', hop });
    secrets.push(secret);
    if (hop < nodeIds.length - 1) ephemeral = multiplySecret(ephemeral, sha256(concat(pointFromSecret(ephemeral), secret)));
  }
  return ok(secrets);
}

/** BOLT 4 § Filler Generation: what the zeros that each hop appends have become when the last hop sees them. */
function fillerOf(frames: readonly Uint8Array[], rhos: readonly Uint8Array[], payloadsBytes: number): Uint8Array {
  let filler = new Uint8Array(0);
  for (const [i, { length }] of frames.slice(0, -1).entries()) {
    const start = payloadsBytes - filler.length;
    filler = Uint8Array.from(streamOver(rhos[i] ?? NO_MAC, concat(filler, new Uint8Array(length + MAC_BYTES)), start));
  }
  return filler;
}

export type PeeledOnion = {
  /** The TLV stream, without its length. */
  readonly payload: Uint8Array;
  /** Answers to the sender are made with it (`failure-packet.ts`); it belongs to this HTLC for as long as it lives. */
  readonly sharedSecret: Uint8Array;
  /** For the next node; without it this node is the last one. */
  readonly next?: Uint8Array;
};
export type PeelError =
  /** The sender cannot be answered: `update_fail_malformed_htlc` with this code and hash goes to the peer. */
  | { readonly reply: 'malformed'; readonly failureCode: number; readonly sha256OfOnion: Uint8Array }
  /** The onion was meant for us but its payload has no readable frame: `invalid_onion_payload`, encrypted with this secret. */
  | { readonly reply: 'payload'; readonly sharedSecret: Uint8Array };

/**
 * Takes off the layer for the node of `nodeSecret`. `pathKey` is the one of `update_add_htlc` or `onion_message`, if it had one: then
 * every fault is the same, `invalid_onion_blinding`. Never throws on a packet of any content or length.
 */
export function peelOnion(input: {
  readonly packet: Uint8Array;
  readonly associatedData: Uint8Array;
  readonly nodeSecret: Uint8Array;
  readonly pathKey?: Uint8Array;
}): Result<PeeledOnion, PeelError> {
  const { packet, associatedData, nodeSecret, pathKey } = input;
  const malformed = (code: number) =>
    err({
      reply: 'malformed' as const,
      failureCode: pathKey === undefined ? code : badOnion.invalid_onion_blinding,
      sha256OfOnion: sha256(packet),
    });
  // BOLT 4: "if `version` is not 0: MUST abort processing the packet and fail"
  if (packet[0] !== 0) return malformed(badOnion.invalid_onion_version);
  const publicKey = packet.subarray(VERSION_BYTES, HEADER_BYTES);
  // BOLT 4: "if `public_key` is not a valid pubkey: MUST abort processing the packet and fail"
  if (!isPoint(publicKey)) return malformed(badOnion.invalid_onion_key);
  const sharedSecret = secretOf(publicKey, nodeSecret, pathKey);
  if (sharedSecret === undefined) return malformed(badOnion.invalid_onion_key);
  if (packet.length < HEADER_BYTES + MAC_BYTES) return malformed(badOnion.invalid_onion_hmac);
  const payloads = packet.subarray(HEADER_BYTES, -MAC_BYTES);
  // BOLT 4: "MUST use a constant time comparison of the computed HMAC and `hmac`"
  const mac = hmac256(deriveKey('mu', sharedSecret), concat(payloads, associatedData));
  if (!sameMac(mac, packet.subarray(-MAC_BYTES))) return malformed(badOnion.invalid_onion_hmac);

  const unwrapped = streamOver(deriveKey('rho', sharedSecret), concat(payloads, new Uint8Array(payloads.length)));
  const framed = guarded(() => readFrame(unwrapped));
  if (!framed.ok || framed.value === undefined || framed.value.rest.length < payloads.length) {
    return pathKey === undefined ? err({ reply: 'payload', sharedSecret }) : malformed(badOnion.invalid_onion_blinding);
  }
  const { payload, nextMac, rest } = framed.value;
  // BOLT 4: "Otherwise (all-zero `next_hmac`): This is the final destination of the onion"
  if (sameMac(nextMac, NO_MAC)) return ok({ payload, sharedSecret });
  const nextKey = multiply(publicKey, blindingFactor(publicKey, sharedSecret));
  if (nextKey === undefined) return malformed(badOnion.invalid_onion_key);
  return ok({ payload, sharedSecret, next: concat(Uint8Array.of(0), nextKey, rest.subarray(0, payloads.length), nextMac) });
}

const blindingFactor = (publicKey: Uint8Array, sharedSecret: Uint8Array): Uint8Array => sha256(concat(publicKey, sharedSecret));

/** BOLT 4: "Tweak its own `node_privkey` below by multiplying by [...] `HMAC256` [...]" where the path to us is blinded. */
function secretOf(publicKey: Uint8Array, nodeSecret: Uint8Array, pathKey: Uint8Array | undefined): Uint8Array | undefined {
  if (pathKey === undefined) return ecdh(publicKey, nodeSecret);
  const blindingSecret = ecdh(pathKey, nodeSecret);
  return blindingSecret && ecdh(publicKey, multiplySecret(nodeSecret, deriveKey('blinded_node_id', blindingSecret)));
}

/** Undefined for a reserved length; throws a `WireFault` where the bytes end too early. */
function readFrame(unwrapped: Uint8Array) {
  const from = new Reader(unwrapped);
  const length = bigsize.read(from);
  // BOLT 4: "If the `payload_length` is less than two: MUST abort processing the packet and fail"
  if (length < 2n || length > BigInt(from.left)) return undefined;
  const payload = from.bytes(Number(length));
  return { payload, nextMac: from.bytes(MAC_BYTES), rest: from.bytes(from.left) };
}
