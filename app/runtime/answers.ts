/** What the requests of a page have in common: their ports, the form of their answers, and what follows a change. */
import * as v from 'valibot';
import { err, ok } from '../../shared/lib/result.ts';
import type { Api, ApiErrorCode, ApiName, ApiResult } from './api.ts';
import { noticesOf } from './notices.ts';
import type { Collected } from './peers.ts';
import type { Ports } from './ports.ts';
import { syncAll } from './sync.ts';

/** What the requests need besides the node's own ports. */
export type PagePorts = Ports & {
  readonly origin: string;
  /** Forgets the keys and the relay client that were made before a wallet or a relay address changed. */
  readonly reset: () => void;
};
export type Handlers = { readonly [N in ApiName]: (ports: PagePorts, arg: Api[N][0]) => Promise<ApiResult<N>> };

export const fail = (
  code: ApiErrorCode,
  detail = '',
): { readonly ok: false; readonly error: { readonly code: ApiErrorCode; readonly detail: string } } => err({ code, detail });
export const done = ok(null);

/** An amount as pages write it. */
export const sat = v.pipe(v.string(), v.regex(/^\d{1,16}$/));

/** After a request that put something into an outbox: send it, show what came of it. */
export async function settle(ports: Ports, into: Collected): Promise<boolean> {
  const report = await syncAll(ports, { lingerMs: 0 }, into);
  for (const notice of await noticesOf(ports, report.notes)) await ports.notify(notice);
  return report.reached;
}
