/** One operation of the curve with noble and with libsecp256k1 in WebAssembly, in turns; and what it takes to open the latter. */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { openCurve } from '../../app/runtime/curve.ts';
import type { Curve } from '../../shared/ln/keys/secp-curve.ts';
import { nobleCurve } from '../../shared/ln/keys/secp-noble.ts';
import { readLibsecp } from '../lab/curve.ts';
import { type Bench, median, type Options } from './report.ts';

const ROUNDS = 40;
const SLICE_MS = 6;
const KEYS = 32;

type Case = { readonly digest: Uint8Array; readonly secret: Uint8Array; readonly point: Uint8Array; readonly signature: Uint8Array };
const operations: { readonly [name: string]: (curve: Curve, one: Case, other: Case) => unknown } = {
  sign: (curve, { digest, secret }) => curve.sign(digest, secret),
  verify: (curve, { signature, digest, point }) => curve.verify(signature, digest, point),
  pointFromSecret: (curve, { secret }) => curve.pointFromSecret(secret),
  isPoint: (curve, { point }) => curve.isPoint(point),
  addTweak: (curve, { point }, { secret }) => curve.addTweak(point, secret),
  combine: (curve, one, other) => curve.combine(one.point, one.secret, other.point, other.secret),
};

/** Below n: the first byte is not 0xff. */
const scalar = (): Uint8Array => Uint8Array.from(randomBytes(32)).fill(0x7f, 0, 1);

function makeCase(): Case {
  const [digest, secret] = [scalar(), scalar()];
  return { digest, secret, point: nobleCurve.pointFromSecret(secret), signature: nobleCurve.sign(digest, secret) };
}

/** µs of one call, over at least `sliceMs`. */
function slice(run: (i: number) => void, sliceMs: number): number {
  const from = performance.now();
  let calls = 0;
  for (; performance.now() - from < sliceMs; calls += 1) run(calls);
  return ((performance.now() - from) * 1000) / calls;
}

export async function secp({ smoke }: Options): ReturnType<Bench> {
  const [rounds, sliceMs] = smoke ? [2, 2] : [ROUNDS, SLICE_MS];
  const wasm = await readLibsecp();
  const openings: number[] = [];
  let fast = nobleCurve;
  for (let round = 0; round < (smoke ? 1 : 10); round += 1) {
    const from = performance.now();
    fast = await openCurve(wasm, randomBytes(32));
    openings.push(performance.now() - from);
  }

  const cases = Array.from({ length: KEYS }, makeCase);
  const caseOf = (i: number): Case => cases[i % KEYS] ?? makeCase();
  const rows = Object.entries(operations).map(([name, operation]) => {
    const times: readonly [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      for (const [i, curve] of [nobleCurve, fast].entries()) {
        const time = slice((call) => operation(curve, caseOf(call), caseOf(call + 1)), sliceMs);
        // The first round compiles and does not count.
        if (round > 0) times[i]?.push(time);
      }
    }
    const [noble, native] = times.map((each) => ({ best: Math.min(...each), median: median(each) }));
    if (noble === undefined || native === undefined) throw new Error('nothing was measured');
    return { name, noble, native, ratio: noble.median / native.median };
  });

  const us = ({ best, median }: { readonly best: number; readonly median: number }) => `${best.toFixed(0)} (${median.toFixed(0)})`;
  const opening = median(openings);
  return {
    name: 'secp',
    tables: [
      {
        title: 'One operation on secp256k1, µs: best (median)',
        columns: ['', 'noble', 'wasm libsecp256k1', 'noble over wasm'],
        rows: rows.map(({ name, noble, native, ratio }) => [name, us(noble), us(native), `${ratio.toFixed(1)} ×`]),
      },
    ],
    figures: [
      ...rows.map(({ name, ratio }) => ({
        name: `${name}: noble over wasm`,
        value: ratio,
        unit: '×',
        ...(name === 'verify' ? { target: { at: 'least' as const, value: 3 } } : {}),
      })),
      { name: 'wasm opened, median', value: opening, unit: 'ms', target: { at: 'most', value: 20 } },
      { name: 'wasm, gzip', value: gzipSync(wasm, { level: 9 }).length / 1000, unit: 'kB' },
    ],
  };
}
