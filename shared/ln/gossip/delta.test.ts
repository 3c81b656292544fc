import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { graph as anyGraph, graphOf, type Row, row, rows } from '../testing/graphs.ts';
import { applyDelta, encodeDelta } from './delta.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from './snapshot.ts';

const chainHash = new Uint8Array(32).fill(9);
const at = (graph: Snapshot['graph'], timestamp = 1): Snapshot => ({ graph, chainHash, timestamp });
const codeOf = (result: ReturnType<typeof applyDelta>): string => (result.ok ? 'ok' : result.error.code);

/** A list of channels, and what became of it: some went, some changed, some came. */
const twoDays: fc.Arbitrary<readonly [readonly Row[], readonly Row[]]> = fc
  .tuple(rows, fc.array(fc.tuple(fc.constantFrom('stays', 'goes', 'changes'), row), { minLength: 30, maxLength: 30 }), rows)
  .map(([before, fates, came]) => [
    before,
    before
      .flatMap((old, i) => {
        const [fate, fresh] = fates[i] ?? ['stays', old];
        return fate === 'goes' ? [] : fate === 'stays' ? [old] : [{ ...old, policies: [fresh.policies[0], old.policies[1]] }];
      })
      .concat(came.slice(0, 5)),
  ]);

describe('a delta makes the later graph of the earlier one', () => {
  test('any two graphs', () => {
    fc.assert(
      fc.property(anyGraph, anyGraph, (before, after) => {
        const delta = encodeDelta(at(before), at(after, 2));
        expect(applyDelta(at(before), delta)).toEqual({ ok: true, value: at(after, 2) });
      }),
      { numRuns: 200 },
    );
  });

  test('a graph of today and of tomorrow', () => {
    fc.assert(
      fc.property(twoDays, ([before, after]) => {
        const [one, two] = [at(graphOf(before)), at(graphOf(after), 2)];
        const untouched = encodeSnapshot(one.graph, one);
        expect(applyDelta(one, encodeDelta(one, two))).toEqual({ ok: true, value: two });
        expect(encodeSnapshot(one.graph, one)).toEqual(untouched);
      }),
      { numRuns: 300 },
    );
  });

  test('nothing changed: next to nothing is said', () => {
    const graph = graphOf(fc.sample(rows, { numRuns: 60, seed: 1 }).flat());
    expect(graph.channelCount).toBeGreaterThan(100);
    expect(encodeDelta(at(graph), at(graph, 2)).length).toBeLessThan(100);
  });
});

describe('a delta fits one graph', () => {
  const sample = fc.sample(row, { numRuns: 60, seed: 2 });
  const later = sample.slice(10).map((old, i) => (i % 3 === 0 ? { ...old, policies: sample[i]?.policies ?? [] } : old));
  const [before, after] = [at(graphOf(sample.slice(0, 50))), at(graphOf(later), 2)];
  const delta = encodeDelta(before, after);

  test('of its own time, chain and contents', () => {
    expect(codeOf(applyDelta(before, delta))).toBe('ok');
    expect(codeOf(applyDelta(at(before.graph, 3), delta))).toBe('other-base');
    expect(codeOf(applyDelta({ ...before, chainHash: new Uint8Array(32) }, delta))).toBe('other-base');
    for (const field of [
      'feeBaseMsat',
      'timestamp',
      'htlcMaximumMsat',
      'shortChannelIds',
      'nodeIds',
      'node2',
      'capacitySat',
      'flags',
    ] as const) {
      const changed = before.graph[field].slice();
      if (changed instanceof BigUint64Array) changed[0] = (changed[0] ?? 0n) ^ 1n;
      else changed[0] = (changed[0] ?? 0) + 1;
      expect(codeOf(applyDelta(at({ ...before.graph, [field]: changed }), delta)), field).toBe('other-base');
    }
  });

  test('a snapshot is no delta, a delta no snapshot', () => {
    expect(codeOf(applyDelta(before, encodeSnapshot(before.graph, before)))).toBe('version');
    expect(decodeSnapshot(delta)).toMatchObject({ ok: false, error: { code: 'version' } });
  });

  test('each beginning of it is refused', () => {
    for (let end = 0; end < delta.length; end += 1) expect(codeOf(applyDelta(before, delta.subarray(0, end))), `${end}`).not.toBe('ok');
  });

  test('whatever is changed in it, an answer comes, and never another graph', () => {
    const edit = fc.tuple(fc.nat(), fc.constantFrom('set', 'insert', 'remove'), fc.integer({ min: 0, max: 255 }));
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = [...delta];
        for (const [where, what, byte] of edits) {
          // After the fingerprints: nothing before them is of interest.
          const place = 48 + (where % (bytes.length - 48));
          if (what === 'set') bytes[place] = byte;
          else bytes.splice(place, what === 'remove' ? 1 : 0, ...(what === 'remove' ? [] : [byte]));
        }
        const result = applyDelta(before, Uint8Array.from(bytes));
        seen.set(codeOf(result), (seen.get(codeOf(result)) ?? 0) + 1);
        if (result.ok) expect(result.value.graph).toEqual(after.graph);
      }),
      { numRuns: 1500 },
    );
    expect(after.graph.channelCount).toBeGreaterThan(30);
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['bad-value', 'too-big', 'truncated']));
  });
});
