/**
 * BOLT 8 § Authenticated Key Exchange Handshake: Noise_XK as pure steps over plain values, without randomness.
 *
 * Callers must still: make a fresh random ephemeral secret for every handshake (reuse lets an observer impersonate), keep the
 * static secret out of what they freeze (the steps take it when it is needed), drop a state after its one use, read exactly
 * 50 or 66 bytes from the socket, and close it on any error.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { getPublicKey, getSharedSecret, utils } from '@noble/secp256k1';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { type CipherError, hkdfPair, nobleAead, nonceBytes, type TransportKeys } from './cipher.ts';

export type { TransportKeys };

export const ACT1_BYTES = 50;
export const ACT2_BYTES = 50;
export const ACT3_BYTES = 66;

/** Named after the ERROR lines of BOLT 8 Appendix A: ACT2_BAD_TAG is `{ act: 2, code: 'bad-tag' }`. */
export type HandshakeError =
  | { readonly code: 'read-failed' | 'bad-pubkey' | 'bad-tag' | 'bad-ciphertext'; readonly act: 1 | 2 | 3 }
  | { readonly code: 'bad-version'; readonly act: 1 | 2 | 3; readonly version: number }
  /** The node id that we were asked to connect to is not a compressed point. */
  | { readonly code: 'bad-remote-static' };
export type TransportError = HandshakeError | CipherError;

/** Between act one and act two. Holds the ephemeral secret, never the static one. */
export type InitiatorState = {
  readonly tag: 'awaiting-act2';
  readonly ephemeralSecret: Uint8Array;
  readonly h: Uint8Array;
  readonly chaining: Uint8Array;
};
/** Between act two and act three. */
export type ResponderState = {
  readonly tag: 'awaiting-act3';
  readonly ephemeralSecret: Uint8Array;
  readonly h: Uint8Array;
  readonly chaining: Uint8Array;
  readonly tempKey2: Uint8Array;
};

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const EMPTY = new Uint8Array(0);
const PROTOCOL = sha256(ascii('Noise_XK_secp256k1_ChaChaPoly_SHA256'));
const PROLOGUE = sha256(concat(PROTOCOL, ascii('lightning')));
const VERSION = Uint8Array.of(0);

const mix = (h: Uint8Array, data: Uint8Array) => sha256(concat(h, data));
/** BOLT 8 ECDH: the SHA-256 of the compressed product. The point must have been checked. */
const ecdh = (secret: Uint8Array, point: Uint8Array) => sha256(getSharedSecret(secret, point, true));
const isPoint = (bytes: Uint8Array) => bytes.length === 33 && utils.isValidPublicKey(bytes, true);

function checkAct(act: 1 | 2 | 3, bytes: Uint8Array, length: number): HandshakeError | undefined {
  if (bytes.length !== length) return { code: 'read-failed', act };
  const version = bytes[0] ?? 0;
  // BOLT 8: "If `v` is an unrecognized handshake version, then the responder MUST abort the connection attempt."
  return version === 0 ? undefined : { code: 'bad-version', act, version };
}

/** Act one. Secrets are 32 bytes, `remoteStatic` is the node id, 33 bytes. Throws on an ephemeral secret outside the curve order. */
export function startInitiator(input: {
  readonly ephemeralSecret: Uint8Array;
  readonly remoteStatic: Uint8Array;
}): Result<{ readonly act1: Uint8Array; readonly state: InitiatorState }, HandshakeError> {
  const { ephemeralSecret, remoteStatic } = input;
  if (!isPoint(remoteStatic)) return err({ code: 'bad-remote-static' });
  const ephemeral = getPublicKey(ephemeralSecret, true);
  const h = mix(mix(PROLOGUE, remoteStatic), ephemeral);
  const [chaining, tempKey1] = hkdfPair(PROTOCOL, ecdh(ephemeralSecret, remoteStatic));
  const tag = nobleAead.seal(tempKey1, nonceBytes(0), h, EMPTY);
  const state: InitiatorState = { tag: 'awaiting-act2', ephemeralSecret: Uint8Array.from(ephemeralSecret), h: mix(h, tag), chaining };
  return ok({ act1: concat(VERSION, ephemeral, tag), state });
}

/** Checks act two and answers with act three and the keys. `staticSecret` is the node's own, 32 bytes. */
export function receiveAct2(
  state: InitiatorState,
  act2: Uint8Array,
  staticSecret: Uint8Array,
): Result<{ readonly act3: Uint8Array; readonly keys: TransportKeys }, HandshakeError> {
  const fault = checkAct(2, act2, ACT2_BYTES);
  if (fault) return err(fault);
  const remoteEphemeral = act2.slice(1, 34);
  const tag = act2.slice(34);
  if (!isPoint(remoteEphemeral)) return err({ code: 'bad-pubkey', act: 2 });
  const h2 = mix(state.h, remoteEphemeral);
  const [chaining2, tempKey2] = hkdfPair(state.chaining, ecdh(state.ephemeralSecret, remoteEphemeral));
  // BOLT 8: "If the MAC check in this operation fails, then the initiator MUST terminate the connection without any further messages."
  if (!nobleAead.open(tempKey2, nonceBytes(0), h2, tag)) return err({ code: 'bad-tag', act: 2 });

  const h3 = mix(h2, tag);
  const sealedStatic = nobleAead.seal(tempKey2, nonceBytes(1), h3, getPublicKey(staticSecret, true));
  const h4 = mix(h3, sealedStatic);
  const [chaining, tempKey3] = hkdfPair(chaining2, ecdh(staticSecret, remoteEphemeral));
  const finalTag = nobleAead.seal(tempKey3, nonceBytes(0), h4, EMPTY);
  const [sending, receiving] = hkdfPair(chaining, EMPTY);
  return ok({ act3: concat(VERSION, sealedStatic, finalTag), keys: { sending, receiving, chaining } });
}

/** The responder's first step: checks act one, answers with act two. Throws on a secret outside the curve order. */
export function receiveAct1(input: {
  readonly staticSecret: Uint8Array;
  readonly ephemeralSecret: Uint8Array;
  readonly act1: Uint8Array;
}): Result<{ readonly act2: Uint8Array; readonly state: ResponderState }, HandshakeError> {
  const { staticSecret, ephemeralSecret, act1 } = input;
  const fault = checkAct(1, act1, ACT1_BYTES);
  if (fault) return err(fault);
  const remoteEphemeral = act1.slice(1, 34);
  const tag1 = act1.slice(34);
  if (!isPoint(remoteEphemeral)) return err({ code: 'bad-pubkey', act: 1 });
  const h1 = mix(mix(PROLOGUE, getPublicKey(staticSecret, true)), remoteEphemeral);
  const [chaining1, tempKey1] = hkdfPair(PROTOCOL, ecdh(staticSecret, remoteEphemeral));
  // BOLT 8: "the responder MUST terminate the connection without any further messages."
  if (!nobleAead.open(tempKey1, nonceBytes(0), h1, tag1)) return err({ code: 'bad-tag', act: 1 });

  const ephemeral = getPublicKey(ephemeralSecret, true);
  const h2 = mix(mix(h1, tag1), ephemeral);
  const [chaining, tempKey2] = hkdfPair(chaining1, ecdh(ephemeralSecret, remoteEphemeral));
  const tag2 = nobleAead.seal(tempKey2, nonceBytes(0), h2, EMPTY);
  const state: ResponderState = {
    tag: 'awaiting-act3',
    ephemeralSecret: Uint8Array.from(ephemeralSecret),
    h: mix(h2, tag2),
    chaining,
    tempKey2,
  };
  return ok({ act2: concat(VERSION, ephemeral, tag2), state });
}

/** The responder's last step: who is calling, and the keys. */
export function receiveAct3(
  state: ResponderState,
  act3: Uint8Array,
): Result<{ readonly keys: TransportKeys; readonly remoteStatic: Uint8Array }, HandshakeError> {
  const fault = checkAct(3, act3, ACT3_BYTES);
  if (fault) return err(fault);
  const sealedStatic = act3.slice(1, 50);
  const remoteStatic = nobleAead.open(state.tempKey2, nonceBytes(1), state.h, sealedStatic);
  if (!remoteStatic) return err({ code: 'bad-ciphertext', act: 3 });
  if (!isPoint(remoteStatic)) return err({ code: 'bad-pubkey', act: 3 });
  const [chaining, tempKey3] = hkdfPair(state.chaining, ecdh(state.ephemeralSecret, remoteStatic));
  if (!nobleAead.open(tempKey3, nonceBytes(0), mix(state.h, sealedStatic), act3.slice(50))) return err({ code: 'bad-tag', act: 3 });
  const [receiving, sending] = hkdfPair(chaining, EMPTY);
  return ok({ keys: { sending, receiving, chaining }, remoteStatic });
}
