/**
 * The faster curve of this worker, opened while the database opens. Only from the cache that the install filled: no wake waits for
 * the network. Where the file is missing or WebAssembly is barred, noble does everything.
 */
import wasmUrl from '@bitauth/libauth/build/lib/bin/secp256k1/secp256k1.wasm?url';
import { useCurve, warmUp } from '../../shared/ln/keys/secp.ts';
import { openCurve } from '../runtime/curve.ts';

export { wasmUrl };

let ready: Promise<void> | undefined;

/** Never rejects. From then on the curve answers without a first time, whichever it is. */
export function readyCurve(): Promise<void> {
  ready ??= open().catch(warmUp);
  return ready;
}

async function open(): Promise<void> {
  const kept = await caches.match(wasmUrl);
  if (kept === undefined) return warmUp();
  useCurve(await openCurve(await kept.arrayBuffer(), crypto.getRandomValues(new Uint8Array(32))));
}
