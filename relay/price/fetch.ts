/**
 * One small JSON document from an address that a client or the operator named. The client's is dialled by the rules for peers
 * (`keeper/address.ts`): the name is resolved once, the checked literal is dialled, and the certificate must be the name's. Redirects
 * are not followed. What came back goes to nobody as it is: callers take one number out of it.
 */
import http from 'node:http';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { Dial } from '../keeper/dial.ts';

export type FetchText = (url: URL) => Promise<Result<string, RelayError>>;
export type FetchOptions = {
  readonly dial: Dial;
  /** For all of it: name, connection, answer. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** PEM of authorities besides the well-known ones, for tests. */
  readonly ca?: string;
};

/** What went wrong there is not told apart: the relay is no port scanner. */
const unavailable: RelayError = { code: 'price-unavailable', message: 'the source gave no price' };

export function createFetch({ dial, timeoutMs, maxBytes, ca }: FetchOptions): FetchText {
  return async (url) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const isPlain = url.protocol === 'http:';
    const dialled = dial(host, url.port === '' ? (isPlain ? 80 : 443) : Number(url.port));
    const socket = await Promise.race([dialled, ended(signal)]);
    if (socket === undefined) {
      // It may still come; nobody waits for it any more.
      void dialled.then((late) => late.ok && late.value.destroy());
      return err(unavailable);
    }
    if (!socket.ok) return err(told(socket.error));
    socket.value.on('error', () => undefined);
    const text = await read(url, isPlain ? socket.value : secure(socket.value, host, ca), { signal, maxBytes }).catch(() => undefined);
    socket.value.destroy();
    return text === undefined ? err(unavailable) : ok(text);
  };
}

const ended = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));

const told = (error: RelayError): RelayError =>
  error.code === 'dial-refused' || error.code === 'onion-unsupported' || error.code === 'quota-connects' ? error : unavailable;

/** A certificate of an address has no server name. */
const secure = (socket: Socket, host: string, ca: string | undefined): Socket =>
  tls.connect({ socket, host, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }), ...(ca === undefined ? {} : { ca }) });

function read(url: URL, socket: Socket, { signal, maxBytes }: { signal: AbortSignal; maxBytes: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        createConnection: () => socket,
        method: 'GET',
        path: `${url.pathname}${url.search}`,
        headers: { host: url.host, accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'beckon-relay' },
        signal,
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        let bytes = 0;
        if (response.statusCode !== 200) response.destroy(new Error('status'));
        response.on('data', (chunk: Uint8Array) => {
          bytes += chunk.length;
          if (bytes > maxBytes) response.destroy(new Error('too long'));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
        response.on('error', reject);
        response.on('close', () => reject(new Error('cut')));
      },
    );
    socket.on('error', reject);
    request.on('error', reject);
    request.end();
  });
}
