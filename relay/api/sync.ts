/**
 * One `sync`: check all of it, then store, then acknowledge, then write to peers, then (when asked) wait, then answer.
 * Everything up to the wait happens in one go, so requests of one connection take effect in the order they came.
 */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { SyncAnswer, SyncRequest } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import type { Buckets } from '../keeper/buckets.ts';
import { fromBase64Url } from '../keeper/bytes.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { Cursor } from '../keeper/pick.ts';
import type { ChainPort, WakeModule } from '../ports.ts';
import type { Backups } from '../store/backups.ts';

export type SyncDeps = {
  readonly keeper: Keeper;
  readonly chain: ChainPort;
  readonly wake: WakeModule;
  readonly backups: Backups;
  readonly backupBytes: Buckets;
  readonly limits: Limits;
};

export async function sync(
  deps: SyncDeps,
  account: string,
  request: SyncRequest,
  signal: AbortSignal,
): Promise<Result<SyncAnswer, RelayError>> {
  const refusal = apply(deps, account, request);
  if (refusal !== undefined) return err(refusal);
  const lingerMs = request.lingerMs ?? 0;
  if (lingerMs === 0 || deps.keeper.hasNews(account) || signal.aborted) {
    const answer = answerTo(deps, account);
    // It has just spoken to a peer: it comes back for the reply, which needs no push of its own.
    if ((request.out ?? []).length > 0) deps.keeper.busy(account);
    return ok(answer);
  }
  const wait = waitForNews(deps.keeper, account, lingerMs, signal);
  try {
    await wait.over;
    return ok(signal.aborted ? emptyAnswer : answerTo(deps, account));
  } finally {
    // Last: leaving looks whether something waits that nobody takes.
    wait.leave();
  }
}

/** Counts as attached until `leave`. */
function waitForNews(
  keeper: Keeper,
  account: string,
  ms: number,
  signal: AbortSignal,
): { readonly over: Promise<void>; readonly leave: () => void } {
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const timer = setTimeout(finish, ms);
  signal.addEventListener('abort', finish, { once: true });
  const stopListening = keeper.listen(account, (urgent) => {
    // Not at once: one read of a peer's socket may hold more.
    if (urgent) setImmediate(finish);
  });
  const leave = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
    stopListening();
  };
  return { over, leave };
}

/** The asker is gone: what waits is not marked as told. */
const emptyAnswer: SyncAnswer = { in: [], receipts: [], sessions: [], events: [], more: false };

function apply(deps: SyncDeps, account: string, request: SyncRequest): RelayError | undefined {
  const { keeper, chain, wake, limits } = deps;
  wake.answered(account);
  const out = request.out ?? [];
  const refusal = keeper.checkOut(account, out);
  if (refusal !== undefined) return refusal;
  const backup = request.backup === undefined ? undefined : fromBase64Url(request.backup.bytes);
  if (request.backup !== undefined && backup === undefined) return { code: 'bad-request', message: 'the backup is not base64url' };
  if (request.watches !== undefined && request.watches.length > limits.watchesPerAccount) {
    return { code: 'quota-watches', message: `at most ${limits.watchesPerAccount} watches` };
  }
  if (backup !== undefined && request.backup !== undefined) {
    const waitMs = deps.backupBytes.take(account, backup.length);
    if (waitMs > 0) return { code: 'quota-backup', message: 'too many backup bytes this hour', retryAfterMs: waitMs };
    // R9, as far as the relay goes: on disk before any frame of this request is sealed.
    deps.backups.put(account, request.backup.seq, backup);
  }
  if (request.lastIn !== undefined) keeper.acknowledge(account, request.lastIn);
  // A peer waits for these; the rest, which checks signatures and writes to the disk, can come after them.
  keeper.writeOut(account, out);
  if (request.alarms !== undefined) wake.setAlarms(account, request.alarms);
  if (request.watches !== undefined) chain.setWatches(account, request.watches);
  if (request.ackEvents !== undefined) chain.ack(account, request.ackEvents);
  if (request.wakes !== undefined) wake.receipts(account, request.wakes);
  return undefined;
}

/** With a cursor: only the frames that it has not seen. */
export function answerTo(deps: Pick<SyncDeps, 'keeper' | 'chain'>, account: string, cursor?: Cursor): SyncAnswer {
  const answer = { ...deps.keeper.collect(account, cursor), events: [...deps.chain.pendingEvents(account)] };
  if (answer.in.length > 0 || answer.events.length > 0) deps.keeper.busy(account);
  else deps.keeper.idle(account);
  return answer;
}
