/**
 * One push to one device: RFC 8291 encryption and RFC 8292 signature by web-push, RFC 8030 headers, and what each answer of a
 * push service means. Callers must have checked the endpoint (endpoint.ts) and decide what is worth a push (waker.ts).
 */
import webpush from 'web-push';
import type { Timers } from '../timers.ts';
import type { Post, PushResponse } from './post.ts';
import type { VapidKeys } from './vapid.ts';

/** RFC 8030 takes 4096 bytes of body; RFC 8291 needs 86 + 17 of them. */
export const maxPlaintextBytes = 3993;
/** RFC 8030: "Topic" has at most 32 characters of the URL-safe base64 alphabet. One slot: a newer wake replaces an undelivered one. */
export const wakeTopic = 'beckon-wake';
/** RFC 8030 push services may keep a message for less; this is the longest that the known ones accept. */
const maxTtlSeconds = 30 * 24 * 3600;
/** A push service that asks for more silence than this is not obeyed for longer: the device would be lost without a word. */
const maxNotBeforeMs = 6 * 3600 * 1000;

export type PushTarget = {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
  /** Its push service asked for peace until then. */
  readonly nextTryMs: number;
};
export type Push = {
  readonly payload: string;
  /** Sent instead when the service finds `payload` too large. */
  readonly slim: string;
  readonly urgency: 'normal' | 'high';
  /** After this nobody is helped by the push any more: ends the TTL and the retries. */
  readonly deadlineMs: number;
};
export type SendOutcome =
  | { readonly tag: 'sent'; readonly attempts: number }
  /** The subscription is dead and should be forgotten. */
  | { readonly tag: 'gone'; readonly attempts: number }
  | { readonly tag: 'cancelled'; readonly attempts: number }
  | {
      readonly tag: 'failed';
      /** The push service asked not to be called before. */
      readonly notBeforeMs?: number;
      readonly attempts: number;
      readonly why: 'refused' | 'redirect' | 'busy' | 'network' | 'bad-subscription';
      readonly status?: number;
    };

export type SenderLimits = { readonly maxAttempts: number; readonly firstBackoffMs: number; readonly maxBackoffMs: number };
export const defaultSenderLimits: SenderLimits = { maxAttempts: 6, firstBackoffMs: 1000, maxBackoffMs: 60_000 };

export type Sender = { readonly send: (target: PushTarget, push: Push, signal: AbortSignal) => Promise<SendOutcome> };
export type SenderParts = {
  readonly vapid: VapidKeys;
  /** RFC 8292 `sub`: how a push service reaches the operator, `mailto:` or `https:`. */
  readonly subject: string;
  readonly post: Post;
  readonly timers: Timers;
  readonly limits?: SenderLimits;
};

export function createSender({ vapid, subject, post, timers, limits = defaultSenderLimits }: SenderParts): Sender {
  const attempt = (target: PushTarget, push: Push, payload: string, signal: AbortSignal): Promise<PushResponse> => {
    const ttlSeconds = Math.min(maxTtlSeconds, Math.max(0, Math.ceil((push.deadlineMs - timers.nowMs()) / 1000)));
    const details = webpush.generateRequestDetails(
      { endpoint: target.endpoint, keys: { p256dh: target.p256dh, auth: target.auth } },
      payload,
      {
        vapidDetails: { subject, ...vapid },
        TTL: ttlSeconds,
        urgency: push.urgency,
        topic: wakeTopic,
        contentEncoding: 'aes128gcm',
      },
    );
    const headers = Object.fromEntries(Object.entries(details.headers).map(([name, value]) => [name, String(value)]));
    return post({ url: new URL(target.endpoint), headers, body: details.body }, signal);
  };

  const send = async (target: PushTarget, push: Push, signal: AbortSignal): Promise<SendOutcome> => {
    let payload = push.payload;
    const waitFirstMs = target.nextTryMs - timers.nowMs();
    if (target.nextTryMs >= push.deadlineMs) return { tag: 'failed', attempts: 0, why: 'busy', notBeforeMs: target.nextTryMs };
    if (waitFirstMs > 0) await pause(timers, waitFirstMs, signal);
    for (let attempts = 1; ; attempts++) {
      if (signal.aborted) return { tag: 'cancelled', attempts: attempts - 1 };
      let retryAfter: string | undefined;
      let why: 'busy' | 'network' = 'network';
      let status: number | undefined;
      let request: Promise<PushResponse>;
      try {
        request = attempt(target, push, payload, signal);
      } catch {
        // web-push throws on keys it cannot encrypt to; they are checked at subscription, so this is a damaged record.
        return { tag: 'failed', attempts, why: 'bad-subscription' };
      }
      try {
        const response = await request;
        ({ status, retryAfter } = response);
        const verdict = judge(status);
        if (verdict === 'sent' || verdict === 'gone') return { tag: verdict, attempts };
        if (verdict === 'redirect') return { tag: 'failed', attempts, why: 'redirect', status };
        if (verdict === 'too-large' && payload !== push.slim) {
          payload = push.slim;
          continue;
        }
        if (verdict !== 'busy') return { tag: 'failed', attempts, why: 'refused', status };
        why = 'busy';
      } catch {
        if (signal.aborted) return { tag: 'cancelled', attempts };
      }
      const waitMs = retryAfterMs(retryAfter, timers.nowMs()) ?? Math.min(limits.maxBackoffMs, limits.firstBackoffMs * 2 ** (attempts - 1));
      if (attempts >= limits.maxAttempts || timers.nowMs() + waitMs >= push.deadlineMs) {
        const notBeforeMs = retryAfter === undefined ? {} : { notBeforeMs: timers.nowMs() + Math.min(waitMs, maxNotBeforeMs) };
        return { tag: 'failed', attempts, why, ...notBeforeMs, ...(status === undefined ? {} : { status }) };
      }
      await pause(timers, waitMs, signal);
    }
  };
  return { send };
}

type Verdict = 'sent' | 'gone' | 'redirect' | 'too-large' | 'busy' | 'refused';

function judge(status: number): Verdict {
  if (status >= 200 && status < 300) return 'sent';
  if (status >= 300 && status < 400) return 'redirect';
  if (status === 404 || status === 410) return 'gone';
  if (status === 413) return 'too-large';
  return status === 429 || status >= 500 ? 'busy' : 'refused';
}

/** RFC 9110 Retry-After: seconds or a date. Undefined when absent or unreadable. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // A date has a month's name in it; Date.parse alone would also take "-5" or "1.5".
  const atMs = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timers.after(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
