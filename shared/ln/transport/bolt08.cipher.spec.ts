/** BOLT 8 Appendix A, message encryption tests: the key turns over after messages 499 and 999. */
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import vectors from '../vectors/bolt08/transport.json' with { type: 'json' };
import { newCipher } from './cipher.ts';

const { messages: vector } = vectors;
const chaining = fromHex(vector.chaining);

test(vector.name, () => {
  const initiator = newCipher({ sending: fromHex(vector.sending), receiving: fromHex(vector.receiving), chaining });
  const responder = newCipher({ sending: fromHex(vector.receiving), receiving: fromHex(vector.sending), chaining });
  const seen: Record<string, string> = {};
  for (let i = 0; i < vector.count; i++) {
    const frame = initiator.sealer.seal(fromHex(vector.message));
    if (i in vector.outputs) seen[i] = toHex(frame);
    const read = responder.opener.push(frame);
    expect(read.ok && read.value.messages.map(toHex)).toEqual([vector.message]);
  }
  expect(seen).toEqual(vector.outputs);
});
