/** Starts the processes of `child.ts` and asks them what they use. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import * as v from 'valibot';

export type Role = 'relay' | 'plain' | 'plain-out' | 'echo' | 'naive';
export type Ask = { readonly ask: 'cpu' | 'memory' } | { readonly ask: 'dial'; readonly port: number; readonly count: number };
const told = v.object({
  port: v.optional(v.number()),
  cpuUs: v.optional(v.number()),
  rss: v.optional(v.number()),
  heap: v.optional(v.number()),
  external: v.optional(v.number()),
});
export type Told = v.InferOutput<typeof told>;
/** Bytes, after garbage collection. */
export type Memory = { readonly rss: number; readonly heap: number; readonly external: number };

export type Child = {
  /** Of its server on 127.0.0.1. */
  readonly port: number;
  /** User and system time so far, µs. */
  readonly cpuUs: () => Promise<number>;
  readonly memory: () => Promise<Memory>;
  readonly dial: (port: number, count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export async function startChild(role: Role, ...args: readonly string[]): Promise<Child> {
  const child = fork(join(import.meta.dirname, 'child.ts'), [role, ...args], { execArgv: ['--expose-gc'] });
  const exited = once(child, 'exit');
  const next = async (): Promise<Told> => {
    const answer = await Promise.race([
      once(child, 'message'),
      exited.then(([code]) => Promise.reject(new Error(`${role} ended: ${code}`))),
    ]);
    return v.parse(told, answer[0]);
  };
  const ask = (what: Ask): Promise<Told> => {
    child.send(what);
    return next();
  };
  const { port = 0 } = await next();
  return {
    port,
    cpuUs: async () => (await ask({ ask: 'cpu' })).cpuUs ?? Number.NaN,
    memory: async () => {
      const { rss = Number.NaN, heap = Number.NaN, external = Number.NaN } = await ask({ ask: 'memory' });
      return { rss, heap, external };
    },
    dial: async (to, count) => void (await ask({ ask: 'dial', port: to, count })),
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}
