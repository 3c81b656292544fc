/** `POST /api/v1/<op>`: the worker without a page speaks this. Same operations and errors as the WebSocket. */
import express, { type ErrorRequestHandler, type RequestHandler, type Response, Router } from 'express';
import { rateLimit } from 'express-rate-limit';
import { type RelayError, relayErrors } from '../../shared/protocol/errors.ts';
import type { Limits } from '../config.ts';
import type { Accounts } from './accounts.ts';
import type { Handle } from './handle.ts';
import type { Origins } from './origins.ts';

export type HttpDeps = { readonly handle: Handle; readonly accounts: Accounts; readonly origins: Origins; readonly limits: Limits };

const MINUTE = 60_000;

export function sendError(response: Response, error: RelayError): void {
  if (error.retryAfterMs !== undefined) response.set('Retry-After', String(Math.ceil(error.retryAfterMs / 1000)));
  response.status(relayErrors[error.code]).json({ error });
}

/** Refuses pages of other origins and answers the browser's preflight of those that are listed. */
export const checkOrigin =
  (origins: Origins): RequestHandler =>
  (request, response, next) => {
    const origin = request.get('origin');
    if (!origins.isAllowed(origin))
      return sendError(response, { code: 'origin-refused', message: 'pages of that origin may not use this relay' });
    response.vary('Origin');
    if (origin !== undefined) response.set('Access-Control-Allow-Origin', origin);
    if (request.method !== 'OPTIONS') return next();
    response
      .set('Access-Control-Allow-Headers', 'Authorization, Content-Type')
      .set('Access-Control-Allow-Methods', 'POST')
      .status(204)
      .end();
  };

export const perAddress = (limit: number): RequestHandler =>
  rateLimit({
    windowMs: MINUTE,
    limit,
    legacyHeaders: false,
    standardHeaders: false,
    handler: (_request, response) => sendError(response, { code: 'quota-requests', message: 'too many requests', retryAfterMs: MINUTE }),
  });

const bearer = (header: string | undefined) => (header?.startsWith('Bearer ') === true ? header.slice('Bearer '.length) : undefined);

export function httpApi(deps: HttpDeps): Router {
  const router = Router();
  router.use(checkOrigin(deps.origins), perAddress(deps.limits.requestsPerAddressPerMinute));
  router.post('/*op', express.json({ limit: deps.limits.bodyBytes, strict: true }), async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const token = bearer(request.get('authorization'));
    const account = token === undefined ? undefined : deps.accounts.who(token);
    const op = request.path.slice(1);
    const result = await deps.handle(op, request.body ?? {}, { account, address: request.ip ?? '', signal: gone.signal });
    if (response.destroyed) return;
    response.set('Cache-Control', 'no-store');
    if (result.ok) response.json(result.value);
    else sendError(response, result.error);
  });
  router.use((_request, response) => sendError(response, { code: 'not-found', message: 'no such operation' }));
  router.use(bodyFault);
  return router;
}

/** What the JSON parser refuses. */
const bodyFault: ErrorRequestHandler = (fault: unknown, _request, response, _next) => {
  const tooLarge = typeof fault === 'object' && fault !== null && 'type' in fault && fault.type === 'entity.too.large';
  sendError(
    response,
    tooLarge ? { code: 'too-large', message: 'the request is too large' } : { code: 'bad-request', message: 'the request is not JSON' },
  );
};
