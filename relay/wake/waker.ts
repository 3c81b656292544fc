/**
 * The decision to wake. A push costs the user a notification and some battery, so: none while somebody is attached, one for a
 * burst, and no second one while the first has not been answered, unless its window has passed and something new came.
 * What is worth a wake at all is the caller's knowledge (keeper: which message, chain: which event).
 */
import type { WakeReason } from '../../shared/protocol/session.ts';
import type { NotifyOptions, WakeSource } from '../ports.ts';
import type { Cancel, Timers } from '../timers.ts';
import { createBudget, createWithheld } from './budget.ts';
import type { Waiting } from './payload.ts';

export type WakerLimits = {
  /** Frames that one read of the socket brought belong in one push. */
  readonly burstMs: number;
  /** How long an unanswered push keeps others back. Well below the 60 s after which LND and Eclair hang up. */
  readonly windowMs: number;
  /** How long a client that was attached gets to acknowledge what it was given, before it counts as gone. */
  readonly graceMs: number;
  /** Pushes to one account, on average and at once: a peer that keeps on talking must not empty a phone's battery. Deadlines are exempt. */
  readonly pushesPerHour: number;
  readonly pushesAtOnce: number;
  /** Of those at once, kept for what is no message: the chain, and lost sessions. */
  readonly pushesKeptForOthers: number;
  /**
   * Of those, pushes for what one peer says. One that has spent them is queued until the app comes by itself, or until there is room again:
   * whoever floods costs neither the battery nor the wakes of the others. Only messages are counted.
   */
  readonly pushesPerSessionPerHour: number;
  readonly pushesPerSessionAtOnce: number;
  /** How long a wake is worth delivering when the caller named no deadline. */
  readonly lifetimeMs: Readonly<Record<WakeReason, number>>;
};
export const defaultWakerLimits: WakerLimits = {
  burstMs: 10,
  windowMs: 20_000,
  graceMs: 3_000,
  pushesPerHour: 240,
  pushesAtOnce: 80,
  pushesKeptForOthers: 20,
  pushesPerSessionPerHour: 60,
  pushesPerSessionAtOnce: 60,
  lifetimeMs: { message: 120_000, 'session-lost': 86_400_000, chain: 86_400_000, deadline: 86_400_000, test: 120_000 },
};

export type Wakeup = {
  readonly reason: WakeReason;
  readonly urgency: 'normal' | 'high';
  readonly deadlineMs: number;
  readonly waiting: Waiting;
};
/** Starts a push to every device of the account; settles when nothing is being tried any more. Undefined: there is no device. */
export type Launch = (account: string, wakeup: Wakeup, signal: AbortSignal) => Promise<void> | undefined;

export type Waker = {
  readonly notify: (account: string, reason: WakeReason, options: NotifyOptions) => void;
  /** The app was heard from: the last push has done its work, and what is due it can see for itself. */
  readonly answered: (account: string) => void;
  /** A wake for what this peer said was withheld in the last hour: it had cost too many. */
  readonly withheld: (session: string) => boolean;
  readonly stop: () => void;
};

type Matter = {
  readonly reason: WakeReason;
  readonly urgency: 'normal' | 'high';
  readonly deadlineMs: number;
  /** Whose messages. */
  readonly sessions: readonly string[];
};
type Entry = {
  /** At most one of each reason. */
  due: readonly Matter[];
  given: Partial<Waiting>;
  push?: { readonly holdsUntilMs: number; readonly abort: AbortController; inFlight: boolean };
  cancelTimer?: Cancel;
};

/** When several matters share one push, the first of these names it. */
const precedence: readonly WakeReason[] = ['deadline', 'message', 'session-lost', 'chain', 'test'];

export function createWaker(source: WakeSource, timers: Timers, launch: Launch, limits: WakerLimits = defaultWakerLimits): Waker {
  const entries = new Map<string, Entry>();

  const accounts = createBudget({ perHour: limits.pushesPerHour, atOnce: limits.pushesAtOnce });
  const sessions = createBudget({ perHour: limits.pushesPerSessionPerHour, atOnce: limits.pushesPerSessionAtOnce });
  const withheld = createWithheld();

  /** A message wakes for those of its senders that have not had their share. */
  const affordable = (matter: Matter, nowMs: number): boolean => {
    if (matter.sessions.length === 0 || matter.sessions.some((session) => sessions.waitMs(session, nowMs) === 0)) return true;
    for (const session of matter.sessions) withheld.note(session, nowMs);
    return false;
  };

  const later = (account: string, entry: Entry, ms: number): void => {
    entry.cancelTimer?.();
    entry.cancelTimer = timers.after(ms, () => {
      delete entry.cancelTimer;
      look(account, entry);
    });
  };

  const look = (account: string, entry: Entry): void => {
    const nowMs = timers.nowMs();
    const holdsMs = (entry.push?.holdsUntilMs ?? 0) - nowMs;
    const waiting = { ...source.pendingFor(account), ...entry.given };
    const attached = source.attached(account);
    // Moot: the frames are acknowledged, or the peer has gone. Of the other reasons an attached client has been told.
    entry.due = entry.due.filter(
      (matter) => matter.deadlineMs > nowMs && (matter.reason === 'message' ? waiting.frames.length > 0 : !attached),
    );
    if (!attached) entry.due = entry.due.filter((matter) => affordable(matter, nowMs));
    if (entry.due.length > 0 && attached) later(account, entry, limits.graceMs);
    else if (holdsMs > 0) later(account, entry, holdsMs);
    else if (entry.due.length > 0) {
      const isExempt = entry.due.some((matter) => matter.reason === 'deadline');
      const kept = entry.due.every((matter) => matter.reason === 'message') ? limits.pushesKeptForOthers : 0;
      const budgetMs = isExempt ? 0 : accounts.waitMs(account, nowMs, kept);
      if (budgetMs > 0) later(account, entry, budgetMs);
      else {
        if (!isExempt) accounts.take(account, nowMs);
        for (const session of new Set(entry.due.flatMap((matter) => matter.sessions)))
          if (sessions.waitMs(session, nowMs) === 0) sessions.take(session, nowMs);
        push(account, entry, waiting);
      }
    } else if (entry.push?.inFlight !== true) entries.delete(account);
  };

  const push = (account: string, entry: Entry, waiting: Waiting): void => {
    entry.push?.abort.abort();
    delete entry.push;
    const abort = new AbortController();
    const reason = precedence.find((name) => entry.due.some((matter) => matter.reason === name)) ?? 'message';
    const urgency = entry.due.some((matter) => matter.urgency === 'high') ? 'high' : 'normal';
    const deadlineMs = Math.max(...entry.due.map((matter) => matter.deadlineMs));
    entry.due = [];
    entry.given = {};
    const done = launch(account, { reason, urgency, deadlineMs, waiting }, abort.signal);
    if (done === undefined) {
      entries.delete(account);
      return;
    }
    const flight = { holdsUntilMs: timers.nowMs() + limits.windowMs, abort, inFlight: true };
    entry.push = flight;
    later(account, entry, limits.windowMs);
    void done.then(() => {
      flight.inFlight = false;
      if (entries.get(account) === entry && entry.push === flight && entry.cancelTimer === undefined) look(account, entry);
    });
  };

  return {
    notify: (account, reason, options) => {
      const entry = entries.get(account) ?? { due: [], given: {} };
      entries.set(account, entry);
      const before = entry.due.find((matter) => matter.reason === reason);
      const deadlineMs = options.deadlineMs ?? timers.nowMs() + limits.lifetimeMs[reason];
      const matter: Matter = {
        reason,
        urgency: before?.urgency === 'high' ? 'high' : options.urgency,
        deadlineMs: Math.max(deadlineMs, before?.deadlineMs ?? 0),
        sessions: [...new Set([...(before?.sessions ?? []), ...(options.from ?? [])])],
      };
      entry.due = [...entry.due.filter((other) => other.reason !== reason), matter];
      entry.given = {
        ...entry.given,
        ...(options.frames && { frames: options.frames }),
        ...(options.sessions && { sessions: options.sessions }),
      };
      // A timer that runs already (burst, grace or window) will look at this matter too.
      if (entry.cancelTimer === undefined) later(account, entry, source.attached(account) ? limits.graceMs : limits.burstMs);
    },
    answered: (account) => {
      const entry = entries.get(account);
      if (entry === undefined) return;
      entry.push?.abort.abort();
      delete entry.push;
      if (entry.due.length > 0) later(account, entry, limits.graceMs);
      else {
        entry.cancelTimer?.();
        entries.delete(account);
      }
    },
    withheld: (session) => withheld.lately(session, timers.nowMs()),
    stop: () => {
      for (const entry of entries.values()) {
        entry.cancelTimer?.();
        entry.push?.abort.abort();
      }
      entries.clear();
    },
  };
}
