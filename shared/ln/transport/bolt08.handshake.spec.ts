/** BOLT 8 Appendix A, initiator and responder tests, each failing one too. */
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import vectors from '../vectors/bolt08/transport.json' with { type: 'json' };
import { type HandshakeError, receiveAct1, receiveAct2, receiveAct3, startInitiator } from './handshake.ts';

/** `{ act: 2, code: 'bad-version', version: 1 }` as the appendix writes it; two of its lines leave the version out. */
const specName = (error: HandshakeError) =>
  'act' in error ? `ACT${error.act}_${error.code.toUpperCase().replaceAll('-', '_')}` : error.code;
const bytes = (hex: string | undefined) => fromHex(hex ?? '');

describe('initiator', () => {
  test.each(vectors.initiator)('$name', (vector) => {
    const started = startInitiator({ ephemeralSecret: bytes(vector.ephemeralSecret), remoteStatic: bytes(vector.remoteStatic) });
    if (!started.ok) throw new Error(started.error.code);
    expect(toHex(started.value.act1)).toBe(vector.act1);

    const finished = receiveAct2(structuredClone(started.value.state), bytes(vector.act2), bytes(vector.staticSecret));
    if (!finished.ok) {
      expect(specName(finished.error)).toBe(vector.error?.split(' ')[0]);
      if (finished.error.code === 'bad-version') expect(finished.error.version).toBe(1);
      return;
    }
    expect(vector.error).toBeUndefined();
    expect(toHex(finished.value.act3)).toBe(vector.act3);
    expect(toHex(finished.value.keys.sending)).toBe(vector.keys?.sending);
    expect(toHex(finished.value.keys.receiving)).toBe(vector.keys?.receiving);
    expect(toHex(finished.value.keys.chaining)).toBe(vectors.messages.chaining);
  });
});

describe('responder', () => {
  test.each(vectors.responder)('$name', (vector) => {
    const run = (): HandshakeError | undefined => {
      const answered = receiveAct1({
        staticSecret: bytes(vector.staticSecret),
        ephemeralSecret: bytes(vector.ephemeralSecret),
        act1: bytes(vector.act1),
      });
      if (!answered.ok) return answered.error;
      expect(toHex(answered.value.act2)).toBe(vector.act2);
      const finished = receiveAct3(structuredClone(answered.value.state), bytes(vector.act3));
      if (!finished.ok) return finished.error;
      expect(toHex(finished.value.remoteStatic)).toBe(vectors.initiator[0]?.staticPublic);
      expect(toHex(finished.value.keys.sending)).toBe(vector.keys?.sending);
      expect(toHex(finished.value.keys.receiving)).toBe(vector.keys?.receiving);
      expect(toHex(finished.value.keys.chaining)).toBe(vectors.messages.chaining);
      return undefined;
    };
    const error = run();
    expect(error && specName(error)).toBe(vector.error?.split(' ')[0]);
    if (error?.code === 'bad-version') expect(error.version).toBe(1);
  });
});
