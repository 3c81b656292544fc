/** Ends a life of our node at one of its boundaries: before a write to the storage, a request to the relay, or a notification. */
import type { RelayClient } from '../../app/net/relay.ts';
import type { PagePorts } from '../../app/runtime/requests.ts';
import { type Self, startSelf } from '../peers/self.ts';
import type { SmallWorld } from './small-world.ts';

class Killed extends Error {}

/** Counts the boundaries that are passed; at number `at` the context dies: this and every later use of its ports throws. */
export class Executioner {
  readonly at: number;
  passed: string[] = [];
  armed = false;
  dead = false;

  constructor(at: number) {
    this.at = at;
  }

  boundary(name: string): void {
    if (this.dead) throw new Killed(name);
    if (!this.armed) return;
    this.passed.push(name);
    if (this.passed.length === this.at) {
      this.dead = true;
      throw new Killed(name);
    }
  }

  readonly wrap = (ports: PagePorts): PagePorts => ({
    ...ports,
    db: new Proxy(ports.db, {
      get: (db, name) => {
        if (name !== 'transaction') {
          const value: unknown = Reflect.get(db, name);
          return typeof value === 'function' ? value.bind(db) : value;
        }
        return (stores: never, mode: 'readonly' | 'readwrite', options: IDBTransactionOptions) => {
          if (mode === 'readwrite') this.boundary(`write ${String(stores)}`);
          return db.transaction(stores, mode, options);
        };
      },
    }),
    relay: async () => {
      const client = await ports.relay();
      const call: RelayClient['call'] = (op, body, options) => {
        this.boundary(`request ${op}`);
        return client.call(op, body, options);
      };
      return { ...client, call };
    },
    notify: async (notice) => {
      this.boundary('notification');
      return ports.notify(notice);
    },
  });
}

/**
 * Runs `work`; a context that is killed meanwhile is replaced by a new one on the same database, which does it again. What the dead one
 * made of its death does not matter: to the runtime it looks like a storage that fails.
 */
export async function surviving(
  { relayUrl }: SmallWorld,
  executioner: Executioner,
  self: Self,
  work: (self: Self) => Promise<void>,
): Promise<Self> {
  const isSecondLife = executioner.dead;
  try {
    await work(self);
  } catch (error) {
    if (isSecondLife || !executioner.dead) throw error;
  }
  if (isSecondLife || !executioner.dead) return self;
  self.close();
  const next = await startSelf({ relayUrl, name: self.name });
  await work(next);
  return next;
}

type Run = (executioner: Executioner) => Promise<void>;

/** One run per boundary, until the first one in which nothing was left to kill. The boundaries, in order. */
export async function everyBoundary(flow: string, run: Run): Promise<readonly string[]> {
  const passed: string[] = [];
  for (let at = 1; ; at += 1) {
    const executioner = new Executioner(at);
    try {
      await run(executioner);
    } catch (error) {
      throw new Error(`${flow}, killed at ${at}: ${executioner.passed.at(-1)}`, { cause: error });
    }
    if (!executioner.dead) break;
    passed.push(executioner.passed.at(-1) ?? '');
  }
  console.log(`${flow} | ${passed.length} boundaries | ${passed.length} passed | ${[...new Set(passed)].join(', ')}`);
  return passed;
}
