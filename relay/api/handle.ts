/** One door for both transports: `handle(op, body)` checks shape, account and quota, then calls the part that does it. */
import * as v from 'valibot';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import { type AnswerOf, type Op, operations, type RequestOf } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import { Buckets } from '../keeper/buckets.ts';
import { toBase64Url } from '../keeper/bytes.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { ChainPort, Clock, Logger, Metrics, WakeModule } from '../ports.ts';
import type { Prices } from '../price/price.ts';
import type { Backups } from '../store/backups.ts';
import type { Accounts } from './accounts.ts';
import { sync } from './sync.ts';

export type Caller = {
  /** Undefined: not logged in. */
  readonly account: string | undefined;
  /** Of the network, for the limits on those who are not logged in. */
  readonly address: string;
  /** Aborted when the asker is gone. */
  readonly signal: AbortSignal;
};
export type Handle = (op: string, body: unknown, caller: Caller) => Promise<Result<unknown, RelayError>>;

export type HandleDeps = {
  readonly accounts: Accounts;
  readonly keeper: Keeper;
  readonly chain: ChainPort;
  readonly wake: WakeModule;
  readonly backups: Backups;
  readonly prices: Prices;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
};

type Answer<O extends Op> = Result<AnswerOf<O>, RelayError> | Promise<Result<AnswerOf<O>, RelayError>>;
type Handlers = { readonly [O in Op]: (body: RequestOf<O>, account: string, signal: AbortSignal) => Answer<O> };

const HOUR = 3_600_000;
const isOp = (op: string): op is Op => Object.hasOwn(operations, op);

export function createHandle(deps: HandleDeps): Handle {
  const { accounts, keeper, chain, wake, backups, prices, limits, clock } = deps;
  const requests = new Buckets(clock, limits.requestsPerMinute);
  const connects = new Buckets(clock, limits.connectsPerMinute);
  const logins = new Buckets(clock, limits.loginsPerMinute);
  const syncDeps = { keeper, chain, wake, backups, limits, backupBytes: new Buckets(clock, limits.backupBytesPerHour, HOUR) };

  const handlers: Handlers = {
    'auth/challenge': () => ok(accounts.challenge()),
    'auth/login': (body) => accounts.login(body),
    connect: async (body, account) => {
      const waitMs = connects.take(account);
      if (waitMs > 0) return err({ code: 'quota-connects', message: 'too many connects', retryAfterMs: waitMs });
      return keeper.connect(account, body);
    },
    establish: (body, account) => keeper.establish(account, body),
    disconnect: (body, account) => keeper.disconnect(account, body.session),
    sync: (body, account, signal) => sync(syncDeps, account, body, signal),
    backup: (_body, account) => {
      const newest = backups.newest(account);
      return ok(newest === undefined ? {} : { seq: newest.seq, bytes: toBase64Url(newest.bytes) });
    },
    'push/key': () => ok({ vapidPublicKey: wake.publicKey() }),
    'push/subscribe': (body, account) => wake.subscribe(account, body),
    'push/unsubscribe': (body, account) => {
      wake.unsubscribe(account, body.device);
      return ok({});
    },
    'push/test': (_body, account) => wake.test(account),
    'chain/tip': () => chain.tip(),
    'chain/headers': (body) => chain.headers(body),
    'chain/tx': (body) => chain.tx(body),
    'chain/fees': () => chain.fees(),
    'chain/broadcast': (body) => chain.broadcast(body),
    price: (body, account) => prices(account, body),
  };

  async function run<O extends Op>(op: O, body: unknown, account: string, signal: AbortSignal): Promise<Result<AnswerOf<O>, RelayError>> {
    const parsed = v.safeParse(operations[op].request, body);
    if (!parsed.success) return err({ code: 'bad-request', message: problemOf(parsed.issues) });
    return handlers[op](parsed.output as RequestOf<O>, account, signal);
  }

  return async (op, body, caller) => {
    if (!isOp(op)) return err({ code: 'not-found', message: 'no such operation' });
    const waitMs = operations[op].auth ? requests.take(caller.account ?? caller.address) : logins.take(caller.address);
    if (waitMs > 0) return err({ code: 'quota-requests', message: 'too many requests', retryAfterMs: waitMs });
    if (operations[op].auth && caller.account === undefined) return err({ code: 'auth-required', message: 'log in first' });
    const startMs = clock();
    const result = await run(op, body, caller.account ?? '', caller.signal).catch((cause: unknown): Result<never, RelayError> => {
      deps.log.error({ op, err: cause }, 'a request failed with a fault of ours');
      return err({ code: 'internal', message: 'a fault of the relay' });
    });
    deps.metrics.count('beckon_requests_total', result.ok ? 'ok' : result.error.code);
    deps.metrics.observe('beckon_request_ms', clock() - startMs, op);
    return result;
  };
}

/** Where, not what: the value may be a secret. */
function problemOf(issues: readonly v.BaseIssue<unknown>[]): string {
  const issue = issues[0];
  const path = issue === undefined ? null : v.getDotPath(issue);
  return path === null ? 'the request has not the right shape' : `${path} has not the right shape`;
}
