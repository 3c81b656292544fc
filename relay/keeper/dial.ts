/**
 * From a host and a port that a client named to a TCP socket. The name is resolved once, every answer is checked, and the
 * checked literal is dialled. What failed is not told apart: the relay is no port scanner.
 */
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import { type AddressPolicy, checkAddress, type Literal, parseHost } from './address.ts';
import type { Buckets } from './buckets.ts';

export type Resolver = (name: string) => Promise<readonly string[]>;
/** Connects to a literal address; `timeout` when it took too long. */
export type Dialler = (
  target: Literal & { readonly port: number; readonly timeoutMs: number },
) => Promise<Result<Socket, 'failed' | 'timeout'>>;
export type Dial = (host: string, port: number) => Promise<Result<Socket, RelayError>>;

export const systemResolver: Resolver = async (name) => (await lookup(name, { all: true, verbatim: true })).map((answer) => answer.address);

export const tcpDialler: Dialler = ({ address, family, port, timeoutMs }) =>
  new Promise((resolve) => {
    const socket = connect({ host: address, family, port, noDelay: true, autoSelectFamily: false });
    const timer = setTimeout(() => finish(err('timeout')), timeoutMs);
    const failed = () => finish(err('failed'));
    const finish = (result: Result<Socket, 'failed' | 'timeout'>) => {
      clearTimeout(timer);
      socket.off('error', failed);
      if (!result.ok) {
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(result);
    };
    socket.once('error', failed);
    socket.once('connect', () => finish(ok(socket)));
  });

const refused: RelayError = { code: 'dial-refused', message: 'this relay does not dial that address or port' };
const failed: RelayError = { code: 'dial-failed', message: 'the peer cannot be reached' };
const timedOut: RelayError = { code: 'dial-timeout', message: 'the peer did not answer in time' };

/** Addresses of one name that are tried, IPv4 first. */
const MAX_ATTEMPTS = 3;

export function createDial(deps: {
  readonly policy: AddressPolicy;
  readonly resolve: Resolver;
  readonly dialler: Dialler;
  readonly timeoutMs: number;
  readonly perTarget: Buckets;
}): Dial {
  return async (text, port) => {
    const host = parseHost(text);
    if (!host.ok) {
      return err(host.error === 'onion' ? { code: 'onion-unsupported', message: 'Tor addresses are not supported yet' } : refused);
    }
    const answers = host.value.kind === 'literal' ? [host.value.address] : await resolveInTime(deps, host.value.name);
    if (answers === undefined) return err(timedOut);
    if (answers.length === 0) return err(failed);
    const literals: Literal[] = [];
    for (const answer of answers) {
      const literal = checkAddress(answer, port, deps.policy);
      // One bad answer spoils the name: it is ours to keep out, not to pick from.
      if (literal === undefined) return err(refused);
      literals.push(literal);
    }
    literals.sort((a, b) => a.family - b.family);
    let outcome = failed;
    for (const literal of literals.slice(0, MAX_ATTEMPTS)) {
      const waitMs = deps.perTarget.take(literal.address);
      if (waitMs > 0) return err({ code: 'quota-connects', message: 'too many connects to that address', retryAfterMs: waitMs });
      const socket = await deps.dialler({ ...literal, port, timeoutMs: deps.timeoutMs });
      if (socket.ok) return socket;
      outcome = socket.error === 'timeout' ? timedOut : failed;
      // A second address would wait as long again.
      if (socket.error === 'timeout') break;
    }
    return err(outcome);
  };
}

/** Undefined when it takes too long; none when there is no such name. */
async function resolveInTime(
  deps: { readonly resolve: Resolver; readonly timeoutMs: number },
  name: string,
): Promise<readonly string[] | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), deps.timeoutMs);
  });
  const answers = deps.resolve(name).catch((): readonly string[] => []);
  return Promise.race([answers, late]).finally(() => clearTimeout(timer));
}
