/**
 * Signatures of gossip (BOLT 7), checked by node:crypto: natively, and without reaching anything that could sign. What is signed is the
 * double SHA-256 of a message; OpenSSL always hashes once by itself, so it is given the inner hash, which the message at hand tells.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** As the checks of `shared/ln/gossip` want it: `digest` is the double SHA-256. Malformed input is false; never throws. */
export type Verify = (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array) => boolean;

/** Type and signatures: what a message has in front of the bytes that are signed. */
const signedFrom: { readonly [type: number]: number } = { 256: 2 + 4 * 64, 257: 2 + 64, 258: 2 + 64 };
/** SubjectPublicKeyInfo of a compressed point on secp256k1, up to the point. */
const SPKI_PREFIX = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex');
/** Half of the group's order: nodes refuse the other twin of a signature, and so nobody else would take such a message from us. */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');
/** Keys that stay parsed: one node signs for many channels. */
const KEYS_KEPT = 4_096;

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** `verifierOf(message)` checks signatures over that message. Keys are shared by all verifiers of one call of this. */
export function createVerifier(): (message: Uint8Array) => Verify {
  const keys = new Map<string, KeyObject>();
  const keyOf = (pubkey: Uint8Array): KeyObject => {
    const name = Buffer.from(pubkey).toString('latin1');
    const known = keys.get(name);
    if (known !== undefined) return known;
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, pubkey]), format: 'der', type: 'spki' });
    if (keys.size >= KEYS_KEPT) keys.clear();
    keys.set(name, key);
    return key;
  };
  return (message) => {
    const from = signedFrom[((message[0] ?? 0) << 8) | (message[1] ?? 0)];
    const inner = from === undefined ? undefined : sha256(message.subarray(from));
    const outer = inner === undefined ? undefined : sha256(inner);
    return (signature, digest, pubkey) => {
      if (inner === undefined || outer?.equals(digest) !== true) return false;
      if (signature.length !== 64 || pubkey.length !== 33 || HALF_ORDER.compare(signature, 32) < 0) return false;
      try {
        return verify('sha256', inner, { key: keyOf(pubkey), dsaEncoding: 'ieee-p1363' }, signature);
      } catch {
        // Not a point of the curve.
        return false;
      }
    };
  };
}
