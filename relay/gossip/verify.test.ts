import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { decodeMessage } from '../../shared/ln/wire/registry.ts';
import { must } from '../keeper/testing.ts';
import { announcement, forged, nodeAnnouncement, pair, scid, signer, update } from './testing.ts';
import { createVerifier } from './verify.ts';

const [alice, bob] = [signer('alice'), signer('bob')];
const channel = pair(scid(500), alice, bob);
const verifierOf = createVerifier();
const sha256 = (bytes: Uint8Array) => Uint8Array.from(createHash('sha256').update(bytes).digest());
const digestOf = (message: Uint8Array, from: number) => sha256(sha256(message.subarray(from)));
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

test.each([
  ['channel_announcement', announcement(channel), 258, channel.node1.id],
  ['channel_update', update(channel, 0, 1_000), 66, channel.node1.id],
  ['node_announcement', nodeAnnouncement(alice, 1_000), 66, alice.id],
])('a %s: as the portable check says', (_name, message, from, id) => {
  const digest = digestOf(message, from);
  const verify = verifierOf(message);
  const cases: [Uint8Array, Uint8Array, Uint8Array][] = [
    [message.slice(2, 66), digest, id],
    [forged(message).slice(2, 66), digest, id],
    [message.slice(2, 66), digest, signer('carol').id],
    [new Uint8Array(64), digest, id],
    [message.slice(2, 65), digest, id],
    [message.slice(2, 66), digest, Uint8Array.of(2, ...new Uint8Array(31), 5)],
  ];
  const verdicts = cases.map(([signature, hash, pubkey]) => verify(signature, hash, pubkey));
  expect(verdicts).toEqual([true, false, false, false, false, false]);
  expect(verdicts).toEqual(cases.map(([signature, hash, pubkey]) => verifyCompact(signature, hash, pubkey)));
});

test('only over the message that it was made for', () => {
  const message = update(channel, 0, 1_000);
  const other = update(channel, 0, 1_001);
  expect(verifierOf(other)(message.slice(2, 66), digestOf(message, 66), channel.node1.id)).toBe(false);
  expect(must(decodeMessage(message)).name).toBe('channel_update');
});

test('the high twin of a signature is refused, as nodes refuse it', () => {
  const message = update(channel, 1, 1_000);
  const s = ORDER - BigInt(`0x${Buffer.from(message.slice(34, 66)).toString('hex')}`);
  const high = Uint8Array.from(Buffer.concat([message.slice(2, 34), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]));
  const verify = verifierOf(message);
  expect(verify(message.slice(2, 66), digestOf(message, 66), channel.node2.id)).toBe(true);
  expect(verify(high, digestOf(message, 66), channel.node2.id)).toBe(false);
});
