/** Starts the processes of `payer.ts` and tells them what to do. One process for each node, so that both of a pair have a core of their own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import * as v from 'valibot';

export type PayerKind = 'engine' | 'ldk';
export type PayerName = 'alice' | 'bob';
export type Order =
  /** `id`: of the node there. */
  | { readonly do: 'connect'; readonly id: string; readonly port: number }
  | { readonly do: 'open'; readonly id: string }
  /** The chain has a new tip. */
  | { readonly do: 'tip' }
  /** Invoices to be paid later. */
  | { readonly do: 'invoices'; readonly count: number }
  /** In waves: so many at once, and the next when all are settled. */
  | { readonly do: 'pay'; readonly invoices: readonly string[]; readonly atOnce: number }
  | { readonly do: 'usage' };

const told = v.object({
  error: v.optional(v.string()),
  id: v.optional(v.string()),
  port: v.optional(v.number()),
  address: v.optional(v.string()),
  usable: v.optional(v.boolean()),
  invoices: v.optional(v.array(v.string())),
  ms: v.optional(v.number()),
  cpuMs: v.optional(v.number()),
  commits: v.optional(v.number()),
});
export type Told = v.InferOutput<typeof told>;

export type Payer = {
  readonly id: string;
  readonly port: number;
  /** For coins on chain; an engine of ours needs none here. */
  readonly address: string;
  order(order: Order): Promise<Told>;
  stop(): Promise<void>;
};

/** `rpcUrl`: the chain of an LDK node. */
export async function startPayer(kind: PayerKind, name: PayerName, folder: string, rpcUrl = ''): Promise<Payer> {
  const child = fork(join(import.meta.dirname, 'payer.ts'), [kind, name, folder, rpcUrl]);
  const exited = once(child, 'exit');
  const next = async (): Promise<Told> => {
    const gone = exited.then(([code]) => Promise.reject(new Error(`${kind} ${name} ended: ${code}`)));
    const answer = v.parse(told, (await Promise.race([once(child, 'message'), gone]))[0]);
    if (answer.error !== undefined) throw new Error(`${kind} ${name}: ${answer.error}`);
    return answer;
  };
  const { id = '', port = 0, address = '' } = await next();
  return {
    id,
    port,
    address,
    order: (order) => {
      child.send(order);
      return next();
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
