/**
 * Instantiates libsecp256k1 as @bitauth/libauth publishes it, compiled to WebAssembly. Its JavaScript is left out (it carries the
 * module again, in base64); what the module imports is little enough to be said here.
 */
import type { Curve } from '../../shared/ln/keys/secp-curve.ts';
import { type Libsecp, wasmCurve } from '../../shared/ln/keys/secp-wasm.ts';

// Where the module's static data ends: fixed when it was compiled, so it changes with the package's version only.
const STATIC_END = 68_736;
const STACK_START = STATIC_END + 16;
const STACK_BYTES = 5 * 1024 * 1024;
const PAGES = 256;

/** Rejects where WebAssembly is barred. `entropy`: 32 random bytes, see `wasmCurve`. */
export async function openCurve(wasm: BufferSource, entropy: Uint8Array): Promise<Curve> {
  return wasmCurve(await openLibsecp(wasm), entropy);
}

export async function openLibsecp(wasm: BufferSource): Promise<Libsecp> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  // The heap begins after the stack; the module keeps that address at the end of its static data.
  new DataView(memory.buffer).setUint32(STATIC_END, STACK_START + STACK_BYTES, true);
  const refuse = (): never => {
    throw new Error('libsecp256k1 gave up');
  };
  const env = {
    memory,
    table: new WebAssembly.Table({ element: 'anyfunc', initial: 6, maximum: 6 }),
    tableBase: 0,
    DYNAMICTOP_PTR: STATIC_END,
    STACKTOP: STACK_START,
    abort: refuse,
    _abort: refuse,
    ___setErrNo: refuse,
    enlargeMemory: refuse,
    abortOnCannotGrowMemory: refuse,
    getTotalMemory: () => PAGES * 65_536,
    _emscripten_memcpy_big: (to: number, from: number, bytes: number) => {
      new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes);
      return to;
    },
  };
  const { instance } = await WebAssembly.instantiate(wasm, { env });
  return { memory: new Uint8Array(memory.buffer), exports: instance.exports };
}
