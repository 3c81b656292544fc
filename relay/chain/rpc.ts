/**
 * JSON-RPC as bitcoind, btcd and bcoin speak it: one POST per call (or per batch, where the node takes them) over a few kept connections (btcd allows ten clients in
 * all, and opening one per call is slow). bitcoind answers a failed call with HTTP 500, the others with 200; both carry the
 * same body. Results are unknown here: node.ts gives them their shape.
 */
import http from 'node:http';
import https from 'node:https';
import * as v from 'valibot';
import { err, ok, type Result } from '../../shared/lib/result.ts';

export type RpcFault =
  /** No usable answer: the node is down, too slow, refuses our password, or is no JSON-RPC server. `message` never holds the address. */
  | { readonly tag: 'unreachable'; readonly message: string }
  /** The node's own words. */
  | { readonly tag: 'refused'; readonly rpcCode: number; readonly message: string };
export type Rpc = {
  readonly call: (method: string, params: readonly unknown[]) => Promise<Result<unknown, RpcFault>>;
  /** The same call for many parameters, results in their order; the first fault ends it. */
  readonly many: (method: string, params: readonly (readonly unknown[])[]) => Promise<Result<readonly unknown[], RpcFault>>;
  readonly close: () => void;
};
export type RpcOptions = {
  /** `http://user:password@host:port`, or https for btcd. */
  readonly url: string;
  /** PEM of the authority of an https node: btcd makes its own certificate. */
  readonly ca?: string;
  readonly timeoutMs?: number;
  readonly maxSockets?: number;
  /** For the metrics. */
  readonly onFault?: (fault: RpcFault['tag']) => void;
};

/** A full block in hex is 8 MB. */
const maxAnswerBytes = 32 * 1024 * 1024;
/** Calls in one POST. */
const batchSize = 250;
/** Calls at a time to a node that takes no batches. */
const parallel = 8;
/** bitcoind while it starts: "Loading block index…". */
const inWarmup = -28;

const reply = v.object({
  id: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
  error: v.nullish(v.object({ code: v.number(), message: v.string() })),
});

export function createRpc({ url, ca, timeoutMs = 30_000, maxSockets = 4, onFault }: RpcOptions): Rpc {
  const target = new URL(url);
  const secure = target.protocol === 'https:';
  const agentOptions = { keepAlive: true, maxSockets };
  const agent = secure ? new https.Agent({ ...agentOptions, ...(ca === undefined ? {} : { ca }) }) : new http.Agent(agentOptions);
  const password = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
  const options = {
    agent,
    method: 'POST',
    host: target.hostname.replace(/^\[|\]$/g, ''),
    port: target.port === '' ? (secure ? 443 : 80) : Number(target.port),
    path: `${target.pathname}${target.search}`,
  };
  let id = 0;
  let closed = false;

  const post = (body: string, isRetry = false): Promise<{ readonly status: number; readonly text: string }> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Basic ${Buffer.from(password).toString('base64')}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      };
      const request = (secure ? https : http).request({ ...options, headers, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > maxAnswerBytes) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        response.on('error', reject);
      });
      request.on('error', (cause) => {
        // The node closed a connection that had been idle just as we used it again. Asking twice does no harm.
        if (request.reusedSocket && !isRetry && !closed && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')) {
          post(body, true).then(resolve, reject);
        } else reject(cause);
      });
      request.end(body);
    });

  const exchange = async (body: unknown): Promise<Result<unknown, RpcFault>> => {
    let answer: { readonly status: number; readonly text: string };
    try {
      answer = await post(JSON.stringify(body));
    } catch (cause) {
      return err({ tag: 'unreachable', message: plainCause(cause) });
    }
    if (answer.status === 401 || answer.status === 403)
      return err({ tag: 'unreachable', message: 'the node refuses our user and password' });
    const parsed = parseJson(answer.text);
    return parsed === undefined
      ? err({ tag: 'unreachable', message: `the node answered HTTP ${answer.status} and no JSON-RPC` })
      : ok(parsed);
  };
  const request = (method: string, params: readonly unknown[]) => {
    id += 1;
    return { jsonrpc: '1.0', id, method, params };
  };
  const told = <T>(result: Result<T, RpcFault>): Result<T, RpcFault> => {
    if (!result.ok) onFault?.(result.error.tag);
    return result;
  };

  const call: Rpc['call'] = async (method, params) => {
    const answer = await exchange(request(method, params));
    return told(answer.ok ? resultOf(v.safeParse(reply, answer.value)) : answer);
  };

  let takesBatches = true;
  /** Undefined: this node takes no batches. */
  const batch = async (method: string, params: readonly (readonly unknown[])[]): Promise<Result<unknown[], RpcFault> | undefined> => {
    const requests = params.map((one) => request(method, one));
    const answer = await exchange(requests);
    if (!answer.ok) return answer;
    const replies = v.safeParse(v.array(reply), answer.value);
    if (!replies.success) return undefined;
    const byId = new Map(replies.output.map((one) => [one.id, one]));
    const results: unknown[] = [];
    for (const { id } of requests) {
      const result = resultOf(v.safeParse(reply, byId.get(id)));
      if (!result.ok) return result;
      results.push(result.value);
    }
    return ok(results);
  };
  const oneByOne: Rpc['many'] = async (method, params) => {
    const results: unknown[] = [];
    let next = 0;
    let fault: RpcFault | undefined;
    const worker = async (): Promise<void> => {
      while (next < params.length && fault === undefined) {
        const at = next++;
        const result = await call(method, params[at] ?? []);
        if (result.ok) results[at] = result.value;
        else fault = result.error;
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return fault === undefined ? ok(results) : err(fault);
  };

  return {
    call,
    many: async (method, params) => {
      const results: unknown[] = [];
      for (let at = 0; at < params.length && takesBatches; at += batchSize) {
        const part = await batch(method, params.slice(at, at + batchSize));
        if (part === undefined) takesBatches = false;
        else if (!part.ok) return told(part);
        else results.push(...part.value);
      }
      return takesBatches ? ok(results) : oneByOne(method, params);
    },
    close: () => {
      closed = true;
      agent.destroy();
    },
  };
}

function resultOf(parsed: v.SafeParseResult<typeof reply>): Result<unknown, RpcFault> {
  if (!parsed.success) return err({ tag: 'unreachable', message: 'the node answers something that is no JSON-RPC' });
  const { result, error } = parsed.output;
  if (error === null || error === undefined) return ok(result);
  if (error.code === inWarmup) return err({ tag: 'unreachable', message: 'the node is starting' });
  return err({ tag: 'refused', rpcCode: error.code, message: error.message });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Node's messages name the address ("connect ECONNREFUSED 10.0.0.5:8332"): only the code is handed on. */
function plainCause(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the node cannot be reached';
  if (cause.name === 'TimeoutError' || cause.name === 'AbortError') return 'the node did not answer in time';
  return `the node cannot be reached (${'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name})`;
}
