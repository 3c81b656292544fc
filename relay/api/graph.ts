/**
 * `GET /api/graph/snapshot` and `GET /api/graph/delta?from=`: the channel graph, gzip. Public data, the same for everybody and for nobody
 * in particular: no login, so that the relay does not learn who asks, and answers that a cache may keep.
 */
import { type Response, Router } from 'express';
import type { Limits } from '../config.ts';
import type { Snapshots } from '../gossip/snapshots.ts';
import { checkOrigin, perAddress, sendError } from './http.ts';
import type { Origins } from './origins.ts';

export type GraphApiDeps = {
  /** Undefined: this relay keeps no graph. */
  readonly snapshots: Pick<Snapshots, 'newest' | 'delta'> | undefined;
  readonly origins: Origins;
  readonly limits: Limits;
};

const SNAPSHOT_FRESH_SECONDS = 300;
/** A delta between two snapshots never changes; the newest snapshot does. */
const DELTA_FRESH_SECONDS = 300;

export function graphApi({ snapshots, origins, limits }: GraphApiDeps): Router {
  const router = Router();
  router.use(checkOrigin(origins), perAddress(limits.graphsPerAddressPerMinute));
  const none = (response: Response) => sendError(response, { code: 'graph-unavailable', message: 'this relay keeps no channel graph' });

  router.get('/snapshot', (_request, response) => {
    const newest = snapshots?.newest();
    if (newest === undefined) return none(response);
    sendGzip(response, `"${newest.timestamp}"`, SNAPSHOT_FRESH_SECONDS, newest.gzip);
  });

  router.get('/delta', async (request, response) => {
    if (snapshots?.newest() === undefined) return none(response);
    const { from } = request.query;
    if (typeof from !== 'string' || !/^\d{1,10}$/.test(from))
      return sendError(response, { code: 'bad-request', message: 'from: the timestamp of a snapshot' });
    const delta = await snapshots.delta(Number(from));
    if (delta === undefined) return sendError(response, { code: 'not-found', message: 'that snapshot is not kept any more' });
    sendGzip(response, `"${from}-${delta.timestamp}"`, DELTA_FRESH_SECONDS, delta.gzip);
  });

  router.use((_request, response) => sendError(response, { code: 'not-found', message: 'no such operation' }));
  return router;
}

/** Express answers 304 by itself to whoever has that ETag. No `Content-Encoding`: the app unpacks with a limit of its own. */
function sendGzip(response: Response, etag: string, freshSeconds: number, gzip: Uint8Array): void {
  response
    .set({ 'Content-Type': 'application/gzip', ETag: etag, 'Cache-Control': `public, max-age=${freshSeconds}` })
    .send(Buffer.from(gzip.buffer, gzip.byteOffset, gzip.byteLength));
}
