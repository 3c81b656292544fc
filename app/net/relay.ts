/**
 * The relay over HTTP: one call per operation, logged in by the relay-auth key when the relay asks for it.
 * The relay is hostile: every answer goes through its schema before anything believes its shape.
 */
import * as v from 'valibot';
import { toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { authDigest } from '../../shared/protocol/digests.ts';
import type { RelayErrorCode } from '../../shared/protocol/errors.ts';
import { type AnswerOf, type Op, operations, type RequestOf } from '../../shared/protocol/session.ts';
import { type DownloadError, type DownloadLimits, download } from './download.ts';
import { brief, failureOf, jsonOf } from './failure.ts';

export type CallError = {
  /** `unreachable`: no answer. `malformed`: an answer that is not of the protocol. */
  readonly code: RelayErrorCode | 'unreachable' | 'malformed' | 'aborted';
  readonly detail: string;
};
export type Token = { readonly url: string; readonly token: string; readonly expiresAtMs: number };
export type RelayClient = {
  readonly url: string;
  call<O extends Op>(
    op: O,
    body: RequestOf<O>,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Result<AnswerOf<O>, CallError>>;
  /** A token that is good now; logs in if needed. */
  token(): Promise<Result<string, CallError>>;
  /** A public file, unpacked: without a login, so that the relay does not learn who asks. `path` begins with a slash. */
  download(path: string, limits: DownloadLimits): Promise<Result<Uint8Array, DownloadError>>;
};
export type RelayPorts = {
  readonly fetch: typeof fetch;
  /** Signs a 32-byte digest with the relay-auth key: 33-byte public key and compact signature. Undefined: there is no wallet. */
  readonly sign: (digest: Uint8Array) => Promise<{ publicKey: Uint8Array; signature: Uint8Array } | undefined>;
  readonly loadToken: () => Promise<Token | undefined>;
  readonly saveToken: (token: Token) => Promise<void>;
  readonly now: () => number;
};

const DEFAULT_TIMEOUT_MS = 20_000;

/** `url`: the relay's origin, e.g. `https://relay.example`. */
export function relayClient(url: string, ports: RelayPorts): RelayClient {
  let current: Token | undefined;
  let loggingIn: Promise<Result<string, CallError>> | undefined;

  async function post<O extends Op>(
    op: O,
    body: RequestOf<O>,
    token: string | undefined,
    options: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Result<AnswerOf<O>, CallError>> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    let status: number;
    let text: string;
    try {
      const response = await ports.fetch(`${url}/api/v1/${op}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
        signal,
        credentials: 'omit',
        cache: 'no-store',
        redirect: 'error',
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      return err({ code: options.signal?.aborted === true ? 'aborted' : 'unreachable', detail: brief(String(error)) });
    }
    const json = jsonOf(text);
    if (status === 200) {
      const parsed = v.safeParse(operations[op].answer, json);
      // The schema of this operation; TypeScript cannot follow the index through the union.
      return parsed.success
        ? ok(parsed.output as AnswerOf<O>)
        : err({ code: 'malformed', detail: `${op}: ${brief(parsed.issues[0].message)}` });
    }
    return err(failureOf(json) ?? { code: 'malformed', detail: `${op}: status ${status}` });
  }

  async function login(): Promise<Result<string, CallError>> {
    const asked = await post('auth/challenge', {}, undefined, {});
    if (!asked.ok) return asked;
    const signed = await ports.sign(authDigest(url, asked.value.challenge));
    if (signed === undefined) return err({ code: 'auth-required', detail: 'no wallet on this device' });
    const { publicKey, signature } = signed;
    const answer = await post(
      'auth/login',
      { relayKey: toHex(publicKey), audience: url, challenge: asked.value.challenge, signature: toHex(signature) },
      undefined,
      {},
    );
    if (!answer.ok) return answer;
    current = { url, ...answer.value };
    await ports.saveToken(current);
    return ok(current.token);
  }

  async function token(): Promise<Result<string, CallError>> {
    current ??= await ports.loadToken();
    if (current !== undefined && current.url === url && current.expiresAtMs > ports.now() + 60_000) return ok(current.token);
    loggingIn ??= login().finally(() => {
      loggingIn = undefined;
    });
    return loggingIn;
  }

  return {
    url,
    token,
    download: (path, limits) => download(ports.fetch, `${url}${path}`, limits),
    async call(op, body, options = {}) {
      if (!operations[op].auth) return post(op, body, undefined, options);
      const first = await token();
      if (!first.ok) return first;
      const answer = await post(op, body, first.value, options);
      if (answer.ok || answer.error.code !== 'auth-required') return answer;
      // The relay forgot the token (restart, rotation): once more with a new one, unless another call has got that already.
      if (current?.token === first.value) current = { url, token: '', expiresAtMs: 0 };
      const second = await token();
      return second.ok ? post(op, body, second.value, options) : second;
    },
  };
}
