import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { graph as anyGraph, graphOf, type Row } from '../testing/graphs.ts';
import { MAX_MSAT, snapshotLimits } from './columns.ts';
import { Packer } from './pack.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';

const meta = { chainHash: new Uint8Array(32).fill(9), timestamp: 1_770_076_800 };
const codeOf = (bytes: Uint8Array) => {
  const result = decodeSnapshot(bytes);
  return result.ok ? 'ok' : result.error.code;
};
const id = (last: number): Uint8Array => new Uint8Array(33).fill(2, 0, 1).fill(last, 32);
const simple: Row = {
  shortChannelId: 5n,
  ends: [id(1), id(2)],
  capacitySat: 1000,
  policies: [
    {
      flags: 1,
      cltvExpiryDelta: 40,
      feeBaseMsat: 1,
      feeProportionalMillionths: 2,
      htlcMinimumMsat: 3,
      maximum: { percent: 99 },
      timestamp: 1,
    },
    undefined,
  ],
};

describe('a graph comes back as it went', () => {
  test('any graph', () => {
    fc.assert(
      fc.property(anyGraph, (graph) => {
        expect(decodeSnapshot(encodeSnapshot(graph, meta))).toEqual({ ok: true, value: { graph, ...meta } });
      }),
      { numRuns: 300 },
    );
  });

  test('the graph of nobody', () => {
    expect(decodeSnapshot(encodeSnapshot(graphOf([]), meta))).toMatchObject({
      ok: true,
      value: { graph: { nodeCount: 0, channelCount: 0 } },
    });
  });

  test('what no channel holds is our own bug, and thrown', () => {
    const htlcMaximumMsat = Float64Array.of(MAX_MSAT + 1, 0);
    expect(() => encodeSnapshot({ ...graphOf([simple]), htlcMaximumMsat }, meta)).toThrow(TypeError);
  });
});

describe('hostile bytes are an error of their own kind', () => {
  const good = encodeSnapshot(graphOf([simple, { ...simple, shortChannelId: 6n }]), meta);
  const head = concat(good.subarray(0, 4), meta.chainHash);
  /** A snapshot that says whatever `write` makes it say after its time. */
  const saying = (write: (to: Packer) => void): Uint8Array => {
    const to = new Packer();
    to.bytes(head);
    to.varint(1);
    write(to);
    return to.done();
  };

  test('the bytes themselves are good', () => {
    expect(codeOf(good)).toBe('ok');
  });

  test('each beginning of them is truncated, or too few for what they announce', () => {
    for (let end = 0; end < good.length; end += 1) expect(['truncated', 'too-big'], `${end}`).toContain(codeOf(good.subarray(0, end)));
  });

  test('a byte more is one too many', () => {
    expect(codeOf(concat(good, Uint8Array.of(0)))).toBe('bad-value');
  });

  test('another form, another version', () => {
    expect(codeOf(Uint8Array.from(good).fill(2, 3, 4))).toBe('version');
    expect(codeOf(Uint8Array.from(good).fill(2, 0, 1))).toBe('version');
  });

  test('more nodes or channels than a graph may have, or than came', () => {
    const nodes = (count: number) => saying((to) => [count, 0].forEach((value) => void to.varint(value)));
    expect(codeOf(nodes(snapshotLimits.nodes + 1))).toBe('too-big');
    expect(codeOf(nodes(snapshotLimits.nodes))).toBe('too-big');
    const channels = (count: number) => saying((to) => [0, 0, count].forEach((value) => void to.varint(value)));
    expect(codeOf(channels(snapshotLimits.channels + 1))).toBe('too-big');
    expect(codeOf(channels(1))).toBe('too-big');
    expect(codeOf(saying((to) => to.bytes(new Uint8Array(12).fill(255))))).toBe('bad-value');
  });

  test('node ids out of order', () => {
    const [a, b] = [graphOf([simple]), id(0)];
    for (const last of [b, a.nodeIds.slice(0, 33)]) {
      const nodeIds = concat(a.nodeIds.subarray(0, 33), last);
      expect(codeOf(encodeSnapshot({ ...a, nodeIds }, meta))).toBe('bad-value');
    }
  });

  test('short channel ids out of order or twice', () => {
    const graph = graphOf([simple, { ...simple, shortChannelId: 6n }]);
    for (const ids of [
      [6n, 5n],
      [5n, 5n],
      [1n << 16n, 1n],
      [1n << 32n, 1n],
    ])
      expect(codeOf(encodeSnapshot({ ...graph, shortChannelIds: BigUint64Array.from(ids) }, meta))).toBe('bad-value');
  });

  test('ends of a channel that are nobody, the same, or the wrong way round', () => {
    const graph = graphOf([simple]);
    for (const [one, two] of [
      [0, 2],
      [1, 1],
      [1, 0],
    ] as const)
      expect(codeOf(encodeSnapshot({ ...graph, node1: Uint32Array.of(one), node2: Uint32Array.of(two), nodeCount: 3 }, meta))).toBe(
        'bad-value',
      );
  });

  test('a direction that is disabled without being known', () => {
    expect(codeOf(encodeSnapshot({ ...graphOf([simple]), flags: Uint8Array.of(1, 2) }, meta))).toBe('bad-value');
  });

  test('whatever is changed in them, an answer comes and what it holds is a graph', () => {
    const real = (graph: ReturnType<typeof graphOf>): void => {
      const again = decodeSnapshot(encodeSnapshot(graph, meta));
      expect(again).toEqual({ ok: true, value: { graph, ...meta } });
    };
    const edit = fc.tuple(fc.nat(), fc.constantFrom('set', 'insert', 'remove'), fc.integer({ min: 0, max: 255 }));
    let taken = 0;
    fc.assert(
      fc.property(anyGraph, fc.array(edit, { minLength: 1, maxLength: 4 }), (graph, edits) => {
        const bytes = [...encodeSnapshot(graph, meta)];
        for (const [at, what, byte] of edits) {
          const place = 37 + (at % bytes.length);
          if (what === 'set') bytes[place] = byte;
          else bytes.splice(place, what === 'remove' ? 1 : 0, ...(what === 'remove' ? [] : [byte]));
        }
        const result = decodeSnapshot(Uint8Array.from(bytes));
        if (!result.ok) return;
        taken += 1;
        real(result.value.graph);
      }),
      { numRuns: 1500 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  test('noise is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(codeOf(noise)).not.toBe('ok');
        const to = saying((to) => to.bytes(noise));
        expect(['ok', 'truncated', 'too-big', 'bad-value']).toContain(codeOf(to));
      }),
      { numRuns: 1000 },
    );
  });
});
