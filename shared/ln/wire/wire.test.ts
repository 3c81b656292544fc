/** Laws of the codec for every message, over arbitrary values and hostile bytes. FUZZ_RUNS makes it longer. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { freeze, thaw } from '../../lib/freeze.ts';
import type { Plain } from '../../lib/plain.ts';
import { unfit } from '../../lib/writer.ts';
import { type AnyValues, arbitraryMessage } from '../testing/wire-arbitraries.ts';
import { u16 } from './codec.ts';
import { message } from './message.ts';
import { ping } from './messages/setup.ts';
import {
  type AnyMessage,
  allMessages,
  decodeMessage,
  encodeMessage,
  MAX_MESSAGE_BYTES,
  messageName,
  messageType,
  peerMessages,
  registry,
} from './registry.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 30);
const encodeAny = (values: AnyValues) => encodeMessage(values as AnyMessage);

/** Every byte string inside a value. */
function buffersOf(value: Plain | undefined): ArrayBufferLike[] {
  if (value instanceof Uint8Array) return [value.buffer];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(buffersOf) : [];
}

/** What must hold for any bytes at all. */
function lawful(bytes: Uint8Array): void {
  const before = Uint8Array.from(bytes);
  const decoded = decodeMessage(bytes);
  expect(bytes).toEqual(before);
  if (!decoded.ok) {
    expect(decoded.error.type).toBe(messageType(bytes));
    return;
  }
  expect(encodeMessage(decoded.value)).toEqual(bytes);
  expect(buffersOf(decoded.value)).not.toContain(bytes.buffer);
}

describe.each(allMessages.map((def) => [def.name, def] as const))('%s', (name, def) => {
  const valid = arbitraryMessage(def);

  test('decode(encode(x)) = x, and x can be frozen', () => {
    fc.assert(
      fc.property(valid, (values) => {
        const bytes = encodeAny(values);
        expect(messageName(bytes)).toBe(name);
        expect(decodeMessage(bytes)).toEqual({ ok: true, value: values });
        expect(thaw(freeze(values))).toEqual({ ok: true, value: values });
      }),
      { numRuns },
    );
  });

  test('a truncated message is an error, unless it was cut between records', () => {
    fc.assert(
      fc.property(valid, fc.nat(), (values, cut) => {
        const bytes = encodeAny(values);
        const { extension, unknownTlvs, ...rest } = values;
        const tailless = Object.fromEntries(Object.entries(rest).filter(([field]) => field === 'name' || field in def.fields));
        const fieldBytes = encodeAny(tailless as AnyValues).length;
        const part = bytes.subarray(0, cut % bytes.length);
        if (part.length < fieldBytes) expect(decodeMessage(part)).toMatchObject({ ok: false, error: { code: 'truncated' } });
        lawful(part);
      }),
      { numRuns },
    );
  });

  test('a mutated message decodes to what encodes to it, or to an error', () => {
    const edit = fc.record({ at: fc.nat(), drop: fc.nat(3), put: fc.uint8Array({ maxLength: 4 }) });
    fc.assert(
      fc.property(valid, fc.array(edit, { minLength: 1, maxLength: 4 }), (values, edits) => {
        lawful(
          edits.reduce((bytes, { at, drop, put }) => {
            const start = 2 + (at % (bytes.length - 1));
            return concat(bytes.subarray(0, start), put, bytes.subarray(start + drop));
          }, encodeAny(values)),
        );
      }),
      { numRuns },
    );
  });

  test('any bytes after its type', () => {
    const type = Uint8Array.of(def.type >> 8, def.type & 255);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => lawful(concat(type, bytes))),
      { numRuns },
    );
  });
});

test('any bytes at all', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), lawful), { numRuns: numRuns * 20 });
});

test('no type, too long, and the two kinds of unknown', () => {
  for (const bytes of [Uint8Array.of(), Uint8Array.of(1)])
    expect(decodeMessage(bytes)).toEqual({ ok: false, error: { code: 'truncated', detail: 'no message type' } });
  const long = new Uint8Array(MAX_MESSAGE_BYTES + 1);
  long.set([0, 18]);
  expect(decodeMessage(long)).toMatchObject({ ok: false, error: { code: 'oversized', type: 18 } });
  expect(decodeMessage(Uint8Array.of(0x80, 0, 1))).toMatchObject({ ok: false, error: { code: 'unknown-even', type: 32768 } });
  const odd = Uint8Array.of(0x80, 1, 1);
  expect(decodeMessage(odd)).toEqual({ ok: true, value: { name: 'unknown', type: 32769, bytes: odd } });
  expect(messageName(odd)).toBe('unknown');
});

test('a view into a bigger buffer decodes as what it shows', () => {
  const inner = encodeMessage({ name: 'ping', numPongBytes: 3, ignored: Uint8Array.of(1, 2) });
  const bigger = concat(Uint8Array.of(9, 9, 9), inner, Uint8Array.of(9, 9));
  expect(decodeMessage(bigger.subarray(3, 3 + inner.length))).toEqual(decodeMessage(inner));
});

test('a registry of few messages knows those only', () => {
  const few = registry([ping]);
  expect(few.decode(few.encode({ name: 'ping', numPongBytes: 1, ignored: new Uint8Array() })).ok).toBe(true);
  expect(few.decode(Uint8Array.of(0, 16))).toMatchObject({ ok: false, error: { code: 'unknown-even' } });
  expect(few.decode(Uint8Array.of(0, 19))).toMatchObject({ ok: true, value: { name: 'unknown' } });
});

test('no two messages share a name or a number, and no two records of one message', () => {
  for (const key of ['name', 'type'] as const) expect(new Set(allMessages.map((def) => def[key])).size).toBe(allMessages.length);
  for (const { tail } of allMessages)
    if (tail !== 'opaque') expect(new Set(Object.values(tail).map(({ type }) => type)).size).toBe(Object.keys(tail).length);
  expect(allMessages).toEqual(expect.arrayContaining([...peerMessages]));
});

test('values of ours that do not fit are refused loudly', () => {
  const channelId = new Uint8Array(32);
  const bad: readonly (() => Uint8Array)[] = [
    () => encodeMessage({ name: 'ping', numPongBytes: 65536, ignored: new Uint8Array() }),
    () => encodeMessage({ name: 'ping', numPongBytes: 1.5, ignored: new Uint8Array() }),
    () => encodeMessage({ name: 'ping', numPongBytes: -1, ignored: new Uint8Array() }),
    () => encodeMessage({ name: 'pong', ignored: new Uint8Array(65536) }),
    () => encodeMessage({ name: 'pong', ignored: new Uint8Array(MAX_MESSAGE_BYTES - 3) }),
    () => encodeMessage(JSON.parse('{"name":"nonsense"}')),
    () => encodeMessage({ name: 'tx_complete', channelId: new Uint8Array(31) }),
    () => encodeMessage({ name: 'channel_ready', channelId, secondPerCommitmentPoint: new Uint8Array(33) }),
    () => encodeMessage({ name: 'tx_remove_input', channelId, serialId: 1n << 64n }),
    () => encodeMessage({ name: 'tx_remove_input', channelId, serialId: -1n }),
    () => encodeMessage({ name: 'tx_ack_rbf', channelId, fundingOutputContribution: 1n << 63n }),
    () => encodeMessage({ name: 'tx_ack_rbf', channelId, unknownTlvs: [{ type: 4n, value: channelId }] }),
    () => encodeMessage({ name: 'stfu', channelId, initiator: 1, unknownTlvs: [1n, 1n].map((type) => ({ type, value: channelId })) }),
    () => encodeMessage({ name: 'start_batch', channelId, batchSize: 2, unknownTlvs: [{ type: 1n, value: channelId }] }),
  ];
  for (const encode of bad) expect(encode).toThrow(TypeError);
  expect(encodeMessage({ name: 'pong', ignored: new Uint8Array(MAX_MESSAGE_BYTES - 4) }).length).toBe(MAX_MESSAGE_BYTES);
  expect(() => encodeMessage({ name: 'ping' } as AnyMessage)).toThrow('ping without numPongBytes');
});

test('an exception of ours is not taken for a fault of the bytes', () => {
  const broken = message(5, 'broken', { field: { ...u16, read: () => unfit('broken') } });
  expect(() => registry([broken]).decode(Uint8Array.of(0, 5))).toThrow(TypeError);
});
