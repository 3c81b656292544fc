/** libsecp256k1 for Node: what the worker finds in its cache is read from the package here, for `openCurve`. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { openCurve } from '../../app/runtime/curve.ts';
import { useCurve } from '../../shared/ln/keys/secp.ts';

export function readLibsecp(): Promise<Buffer<ArrayBuffer>> {
  const libauth = dirname(createRequire(import.meta.url).resolve('@bitauth/libauth'));
  return readFile(join(libauth, 'lib/bin/secp256k1/secp256k1.wasm'));
}

/** From here on this process computes with libsecp256k1. */
export async function fastCurve(): Promise<void> {
  useCurve(await openCurve(await readLibsecp(), randomBytes(32)));
}

/** The same, and computes nothing twice: for schedules, which come to the same keys again and again after each thaw. Not for what is timed. */
export async function rememberingCurve(): Promise<void> {
  const curve = await openCurve(await readLibsecp(), randomBytes(32));
  useCurve({
    sign: remembered(curve.sign),
    verify: remembered(curve.verify),
    recover: curve.recover,
    pointFromSecret: remembered(curve.pointFromSecret),
    isPoint: remembered(curve.isPoint),
    addTweak: remembered(curve.addTweak),
    multiply: remembered(curve.multiply),
    combine: remembered(curve.combine),
  });
}

const MOST_REMEMBERED = 50_000;

/** Its answers are values that nobody changes. */
function remembered<A extends readonly Uint8Array[], R>(compute: (...args: A) => R): (...args: A) => R {
  const answers = new Map<string, { readonly answer: R }>();
  return (...args) => {
    const question = Buffer.concat(args).toString('latin1');
    const known = answers.get(question) ?? { answer: compute(...args) };
    if (answers.size >= MOST_REMEMBERED) answers.clear();
    answers.set(question, known);
    return known.answer;
  };
}
