/** Every bench runs and counts what it says it counts. The figures of so short a run say nothing, except for sizes. */
import { describe, expect, test } from 'vitest';
import { needsBrowser } from '../push/needs.ts';
import { benches } from './all.ts';
import { fails, median, quantile, type Result } from './report.ts';

async function smoke(name: string): Promise<Result> {
  const result = await benches[name]?.({ smoke: true, tell: () => undefined });
  if (result === undefined || 'skipped' in result) throw new Error(`${name} did not run`);
  for (const { name: figure, value } of result.figures) expect(value, `${name}: ${figure}`).not.toBeNaN();
  for (const { columns, rows } of result.tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  return result;
}
function figureOf(result: Result, name: string): number {
  const figure = result.figures.find((one) => one.name === name);
  if (figure === undefined) throw new Error(`no figure ${name}`);
  return figure.value;
}

test('median and quantile are those of the definition', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(quantile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 0.9)).toBe(9);
  expect(quantile([7], 0.9)).toBe(7);
});

test('a figure fails over its limit, not over its target', () => {
  const figure = { name: 'x', value: 2, unit: 'ms' };
  expect(fails({ ...figure, limit: { at: 'most', value: 1 } })).toBe(true);
  expect(fails({ ...figure, limit: { at: 'most', value: 2 } })).toBe(false);
  expect(fails({ ...figure, limit: { at: 'least', value: 3 } })).toBe(true);
  expect(fails({ ...figure, target: { at: 'most', value: 1 } })).toBe(false);
});

describe('smoke runs', () => {
  test('ping: every ping is answered, and answering costs more than an echo', async () => {
    const result = await smoke('ping');
    expect(figureOf(result, 'ping → pong')).toBeGreaterThan(1);
    expect(figureOf(result, 'node:crypto over ours, without sockets')).toBeGreaterThan(0.1);
  }, 60_000);

  test('secp: each operation is timed on both', async () => {
    const result = await smoke('secp');
    expect(result.tables[0]?.rows.map(([name]) => name)).toEqual(['sign', 'verify', 'pointFromSecret', 'isPoint', 'addTweak', 'combine']);
    expect(figureOf(result, 'verify: noble over wasm')).toBeGreaterThan(0.1);
    expect(figureOf(result, 'wasm opened, median')).toBeGreaterThan(0);
  }, 60_000);

  test('invoice: all read the same invoices, ours checks the signature with either curve', async () => {
    const result = await smoke('invoice');
    expect(result.tables[0]?.rows).toHaveLength(6);
    for (const { name, value } of result.figures) expect(value, name).toBeGreaterThan(0);
  }, 60_000);

  test('onion: ours and those of LDK are read by the other side, and each is timed', async () => {
    const result = await smoke('onion');
    expect(result.tables[0]?.rows).toHaveLength(3);
    for (const { name, value } of result.figures) expect(value, name).toBeGreaterThan(0);
  }, 60_000);

  test('step: an HTLC is taken and offered, with others in flight and with channels beside', async () => {
    const { tables, figures } = await smoke('step');
    expect(tables.map(({ rows }) => rows.map(([what]) => what))).toEqual([
      ['0', '30'],
      ['1', '10', '50'],
    ]);
    for (const { name, value } of figures.filter(({ name }) => !name.includes('for each'))) expect(value, name).toBeGreaterThan(0);
  }, 60_000);

  test('graph: the real graph is under its limits in bytes and memory, and what is known costs no signature', async () => {
    const result = await smoke('graph');
    expect(result.figures.filter(fails)).toEqual([]);
    expect(result.figures.filter(({ limit }) => limit !== undefined)).toHaveLength(4);
    expect(result.tables[0]?.rows[0]?.slice(1, 3)).toEqual(['17324', '50808']);
    expect(figureOf(result, 'snapshot as sent, gzip')).toBeGreaterThan(200);
    expect(figureOf(result, "a day's delta as sent, gzip")).toBeGreaterThan(10);
    expect(figureOf(result, 'announcement: checked with libsecp256k1 over known already')).toBeGreaterThan(2);
    expect(figureOf(result, 'LDK takes the same graph over ours decoded')).toBeGreaterThan(1);
  }, 120_000);

  test('payments: our engines and those of LDK pay one after the other and in waves', async () => {
    const result = await smoke('payments');
    const [one, , few] = result.tables[0]?.rows ?? [];
    expect(figureOf(result, 'one after the other')).toBeGreaterThan(0);
    expect(figureOf(result, '400 at once')).toBeGreaterThan(0);
    // Each batch is stored on both sides, and a wave needs fewer batches than so many single payments.
    expect(Number(one?.[5])).toBeGreaterThan(2);
    expect(Number(few?.[5])).toBeLessThan(Number(one?.[5]));
  }, 180_000);

  test('relay-memory: sessions are held, each takes some of the heap', async () => {
    const { tables } = await smoke('relay-memory');
    const heap = tables[0]?.rows.map((row) => Number(row[2])) ?? [];
    expect(heap).toHaveLength(3);
    // Of so few bare sockets the garbage collector's own few KiB hide what they take.
    expect(heap[0]).toBeGreaterThan(0.2);
    expect(Math.max(...heap)).toBeLessThan(200);
  }, 60_000);

  test('size: what is loaded to sign and to see the first page is under its limits', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const result = await smoke('size');
    expect(result.figures.filter(fails)).toEqual([]);
    expect(result.figures.filter(({ limit }) => limit !== undefined)).toHaveLength(2);
    expect(figureOf(result, 'worker, gzip')).toBeGreaterThan(10);
    expect(figureOf(result, 'first page view, gzip')).toBeGreaterThan(10);
  }, 60_000);

  test('wake: a push is answered with good signatures, LDK finds its key', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const result = await smoke('wake');
    const event = figureOf(result, 'push event → funding_signed, median');
    expect(event).toBeGreaterThan(0);
    expect(figureOf(result, 'push → funding_signed, median')).toBeGreaterThanOrEqual(event);
    expect(figureOf(result, 'LDK: push → first key, median')).toBeGreaterThan(0);
    for (const htlcs of ['1 HTLC', '30 HTLCs']) {
      const handled = figureOf(result, `push event → revoke_and_ack + commitment_signed, ${htlcs}, median`);
      expect(handled).toBeGreaterThan(0);
      expect(figureOf(result, `push → revoke_and_ack + commitment_signed, ${htlcs}, median`)).toBeGreaterThanOrEqual(handled);
    }
    expect(result.tables).toHaveLength(3);
  }, 180_000);

  test('wake-pay: a push is answered with the preimages of invoices, one and several by one wake', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const result = await smoke('wake-pay');
    expect(figureOf(result, 'push → update_fulfill_htlc, median')).toBeGreaterThan(0);
    expect(figureOf(result, 'push → the last update_fulfill_htlc of 3, median')).toBeGreaterThan(0);
    expect(result.tables).toHaveLength(2);
  }, 180_000);
});
