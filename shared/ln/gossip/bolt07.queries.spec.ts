/** BOLT 7, extended-queries.json: 10 messages, 5 of them with lists that zlib has packed, which BOLT 7 has since forbidden. */
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import vectors from '../vectors/bolt07/extended-queries.json' with { type: 'json' };
import { decodeMessage, encodeMessage } from '../wire/registry.ts';
import {
  crc32c,
  decodeQueryFlags,
  decodeShortIds,
  decodeTimestamps,
  encodeQueryFlags,
  encodeShortIds,
  encodeTimestamps,
  MAX_SHORT_IDS,
  updateChecksum,
} from './queries.ts';

/** What of a vector's `msg` is looked at; each type has some of it. */
type Vector = {
  readonly type: string;
  readonly chainHash: string;
  readonly firstBlockNum?: number;
  readonly numberOfBlocks?: number;
  readonly complete?: number;
  readonly shortChannelIds?: { readonly array: readonly string[]; readonly encoding: string };
  readonly timestamps?: {
    readonly encoding: string;
    readonly timestamps: readonly { readonly timestamp1: number; readonly timestamp2: number }[];
  };
  readonly checksums?: { readonly checksums: readonly { readonly checksum1: number; readonly checksum2: number }[] };
  readonly tlvStream?: { readonly records: readonly (string | { readonly array: readonly number[]; readonly encoding: string })[] };
};
const all: readonly { readonly hex: string; readonly msg: Vector }[] = vectors;

function messageOf(hex: string) {
  const decoded = decodeMessage(fromHex(hex));
  if (!decoded.ok) throw new Error(decoded.error.detail);
  return decoded.value;
}
const scid = (text: string): bigint => {
  const [block = 0n, transaction = 0n, output = 0n] = text.split('x').map(BigInt);
  return (block << 40n) | (transaction << 16n) | output;
};
/** A plain list is what it should be, and is written as it came; a packed one is refused. */
const expectList = <T>(encoding: string, read: { readonly ok: boolean }, value: T): void =>
  expect(read).toMatchObject(encoding === 'UNCOMPRESSED' ? { ok: true, value } : { ok: false, error: { code: 'encoding' } });

const optionBits: { readonly [name: string]: bigint } = { WANT_TIMESTAMPS: 1n, WANT_CHECKSUMS: 2n };

describe('extended-queries.json', () => {
  const counts = { plain: 0, packed: 0 };

  test.each(all.map(({ hex, msg }, i) => ({ i, hex, msg })))('$i: $msg.type', ({ hex, msg }) => {
    const message = messageOf(hex);
    expect(toHex(encodeMessage(message))).toBe(hex);
    expect(message.name.replaceAll('_', '')).toBe(msg.type.toLowerCase());
    if (!('chainHash' in message)) throw new Error('no chain hash');
    expect(toHex(message.chainHash)).toBe(msg.chainHash);
    if (message.name === 'query_channel_range' || message.name === 'reply_channel_range')
      expect([message.firstBlocknum, message.numberOfBlocks]).toEqual([msg.firstBlockNum, msg.numberOfBlocks]);
    if (message.name === 'query_channel_range') {
      const [wanted] = msg.tlvStream?.records ?? [];
      const bits = typeof wanted === 'string' ? wanted.split(' | ').reduce((sum, name) => sum | (optionBits[name] ?? 0n), 0n) : undefined;
      expect(message.queryOption).toBe(bits);
    }
    if (message.name === 'reply_channel_range') {
      expect(message.syncComplete).toBe(msg.complete);
      const times = msg.timestamps?.timestamps.map(({ timestamp1, timestamp2 }) => [timestamp1, timestamp2] as const);
      expect(message.timestampsTlv === undefined).toBe(times === undefined);
      if (message.timestampsTlv && times) {
        expectList(msg.timestamps?.encoding ?? '', decodeTimestamps(message.timestampsTlv, times.length), times);
        if (msg.timestamps?.encoding === 'UNCOMPRESSED') expect(encodeTimestamps(times)).toEqual(message.timestampsTlv);
      }
      const sums = msg.checksums?.checksums.map(({ checksum1, checksum2 }) => ({ checksumNodeId1: checksum1, checksumNodeId2: checksum2 }));
      expect(message.checksumsTlv).toEqual(sums);
    }
    if (message.name === 'query_short_channel_ids') {
      const [flags] = msg.tlvStream?.records ?? [];
      expect(message.queryFlags === undefined).toBe(flags === undefined);
      if (message.queryFlags && typeof flags === 'object')
        expectList(flags.encoding, decodeQueryFlags(message.queryFlags, flags.array.length), flags.array.map(BigInt));
    }
    if (message.name === 'query_short_channel_ids' || message.name === 'reply_channel_range') {
      const ids = msg.shortChannelIds?.array.map(scid) ?? [];
      const encoding = msg.shortChannelIds?.encoding ?? '';
      expect(ids).toHaveLength(3);
      expectList(encoding, decodeShortIds(message.encodedShortIds), ids);
      if (encoding === 'UNCOMPRESSED') expect(encodeShortIds(ids)).toEqual(message.encodedShortIds);
      counts[encoding === 'UNCOMPRESSED' ? 'plain' : 'packed'] += 1;
    }
  });

  test('10 messages: 2 without ids, 4 with plain ids, 4 with packed ones', () => {
    expect(all).toHaveLength(10);
    expect(counts).toEqual({ plain: 4, packed: 4 });
  });
});

describe('lists', () => {
  const codeOf = (result: ReturnType<typeof decodeShortIds> | ReturnType<typeof decodeQueryFlags> | ReturnType<typeof decodeTimestamps>) =>
    result.ok ? 'ok' : result.error.code;

  test('ids are sorted and told once', () => {
    expect(decodeShortIds(encodeShortIds([3n, 1n, 3n, 2n]))).toEqual({ ok: true, value: [1n, 2n, 3n] });
    expect(decodeShortIds(encodeShortIds([]))).toEqual({ ok: true, value: [] });
  });

  test('of another encoding, cut, out of order, twice', () => {
    const good = encodeShortIds([1n, 2n]);
    expect(codeOf(decodeShortIds(new Uint8Array()))).toBe('encoding');
    expect(codeOf(decodeShortIds(Uint8Array.of(2)))).toBe('encoding');
    for (let end = 2; end < good.length; end += 1) expect(codeOf(decodeShortIds(good.subarray(0, end)))).toBe(end === 9 ? 'ok' : 'length');
    expect(codeOf(decodeShortIds(Uint8Array.from(good).fill(3, 8, 9)))).toBe('order');
    expect(codeOf(decodeShortIds(Uint8Array.from(good).fill(2, 8, 9)))).toBe('order');
  });

  test('times and flags: one for each channel', () => {
    expect(codeOf(decodeTimestamps(encodeTimestamps([[1, 2]]), 1))).toBe('ok');
    expect(codeOf(decodeTimestamps(encodeTimestamps([[1, 2]]), 2))).toBe('length');
    expect(codeOf(decodeTimestamps({ ...encodeTimestamps([]), encodingType: 1 }, 0))).toBe('encoding');
    expect(decodeQueryFlags(encodeQueryFlags([1n, 300n]), 2)).toEqual({ ok: true, value: [1n, 300n] });
    expect(codeOf(decodeQueryFlags(encodeQueryFlags([1n]), 2))).toBe('length');
    expect(codeOf(decodeQueryFlags({ encodingType: 0, encodedQueryFlags: Uint8Array.of(0xfd, 0, 1) }, 1))).toBe('flag');
    expect(codeOf(decodeQueryFlags({ encodingType: 0, encodedQueryFlags: Uint8Array.of(0xfd) }, 1))).toBe('flag');
  });

  test('as many ids as are allowed, and a flag for each, fit a message', () => {
    const ids = Array.from({ length: MAX_SHORT_IDS }, (_, i) => BigInt(i));
    const message = {
      name: 'query_short_channel_ids',
      chainHash: new Uint8Array(32),
      encodedShortIds: encodeShortIds(ids),
      queryFlags: encodeQueryFlags(ids.map(() => 31n)),
    } as const;
    expect(decodeMessage(encodeMessage(message)).ok).toBe(true);
  });
});

describe('checksums', () => {
  test('CRC32C: the four of RFC 3720, B.4, that are plain bytes, and the usual one', () => {
    const of = (bytes: Uint8Array): string => crc32c([bytes]).toString(16).padStart(8, '0');
    expect(of(new Uint8Array(32))).toBe('8a9136aa');
    expect(of(new Uint8Array(32).fill(0xff))).toBe('62a8ab43');
    expect(of(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe('46dd794e');
    expect(of(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe('113fdb5c');
    expect(of(new TextEncoder().encode('123456789'))).toBe('e3069283');
  });

  test('of an update: all but signature and time', () => {
    const update = {
      name: 'channel_update',
      signature: new Uint8Array(64).fill(1),
      chainHash: new Uint8Array(32).fill(2),
      shortChannelId: 3n,
      timestamp: 4,
      messageFlags: 1,
      channelFlags: 0,
      cltvExpiryDelta: 5,
      htlcMinimumMsat: 6n,
      feeBaseMsat: 7,
      feeProportionalMillionths: 8,
      htlcMaximumMsat: 9n,
    } as const;
    const sum = updateChecksum(update);
    expect(updateChecksum({ ...update, signature: new Uint8Array(64), timestamp: 5 })).toBe(sum);
    for (const change of [{ shortChannelId: 4n }, { channelFlags: 1 }, { messageFlags: 0 }, { htlcMaximumMsat: 8n }, { feeBaseMsat: 8 }])
      expect(updateChecksum({ ...update, ...change })).not.toBe(sum);
    const plain = `${'02'.repeat(32)}000000000000000301000005000000000000000600000007000000080000000000000009`;
    expect(sum).toBe(crc32c([fromHex(plain)]));
  });
});
