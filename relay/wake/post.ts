/** The one HTTPS request of a push. Redirects are not followed (node:https never does) and the answer's body is thrown away. */
import https from 'node:https';

export type PushRequest = { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array };
export type PushResponse = { readonly status: number; readonly retryAfter: string | undefined };
/** Rejects when no HTTP answer came. */
export type Post = (request: PushRequest, signal: AbortSignal) => Promise<PushResponse>;

/** A push service has nothing to say to us: more than this and its connection is not worth keeping. */
const maxDiscardedBytes = 64 * 1024;

export function httpsPost(agent: https.Agent, timeoutMs: number): Post {
  return (request, signal) =>
    new Promise((resolve, reject) => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const out = https.request(request.url, { agent, method: 'POST', headers: request.headers, signal: limit }, (response) => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] });
        let discarded = 0;
        response.on('data', (chunk: Uint8Array) => {
          discarded += chunk.length;
          if (discarded > maxDiscardedBytes) response.destroy();
        });
        // The status is all we wanted: a body cut short is no fault.
        response.on('error', () => response.destroy());
      });
      out.on('error', reject);
      out.end(request.body);
    });
}
