/** For tests: ends a life of the node before one of its writes or requests. */
import type { PagePorts } from '../requests.ts';

export class Killed extends Error {}
export type Killer = { readonly wrap: (ports: PagePorts) => PagePorts; readonly passed: number };

/** Ends a life before write or request number `at`: it and every later one throw. */
export function killer(at: number): Killer {
  const state = { passed: 0 };
  const boundary = (): void => {
    state.passed += 1;
    if (state.passed >= at) throw new Killed();
  };
  return {
    get passed() {
      return state.passed;
    },
    wrap: (ports) => ({
      ...ports,
      db: new Proxy(ports.db, {
        get: (db, name) => {
          const value: unknown = Reflect.get(db, name);
          if (name !== 'transaction') return typeof value === 'function' ? value.bind(db) : value;
          return (stores: never, mode: 'readonly' | 'readwrite', options: IDBTransactionOptions) => {
            if (mode === 'readwrite') boundary();
            return db.transaction(stores, mode, options);
          };
        },
      }),
      relay: async () => {
        const client = await ports.relay();
        const call: typeof client.call = (op, body, options) => {
          boundary();
          return client.call(op, body, options);
        };
        return { ...client, call };
      },
    }),
  };
}
