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
