/** The byte strings that the relay-auth key signs. Both sides hash the same text; fields cannot run into each other. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

const digest = (tag: string, fields: readonly (string | number)[]): Uint8Array => sha256(utf8ToBytes(JSON.stringify([tag, ...fields])));

/** `audience` is the origin of the relay that the app means to talk to: an answer is worth nothing at another relay. */
export const authDigest = (audience: string, challenge: string): Uint8Array => digest('beckon/auth/1', [audience, challenge]);

export const wakeReceiptDigest = (wakeId: string, reason: string, result: string, ms: number): Uint8Array =>
  digest('beckon/wake/1', [wakeId, reason, result, ms]);
