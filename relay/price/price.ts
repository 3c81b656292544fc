/**
 * What a bitcoin costs, for people who like to see their own currency beside. Asked of the operator's source, or of one that the user
 * names. An answer is kept for a minute, a failure for a shorter time; each account may ask so often.
 */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { AnswerOf, RequestOf } from '../../shared/protocol/session.ts';
import type { Buckets } from '../keeper/buckets.ts';
import type { Clock } from '../ports.ts';
import type { FetchText } from './fetch.ts';
import { addressOf, quoteIn } from './quote.ts';

export type Prices = (account: string, request: RequestOf<'price'>) => Promise<Result<AnswerOf<'price'>, RelayError>>;
export type PriceParts = {
  readonly clock: Clock;
  /** Null: the operator offers none. May be any address, of this machine's network too. */
  readonly own: { readonly url: string; readonly path: string; readonly fetch: FetchText } | null;
  /** For what a user names: by the rules of dialling, https only. */
  readonly fetch: FetchText;
  readonly perAccount: Buckets;
  readonly maxInFlight: number;
};

const KEPT_MS = 60_000;
const FAILURE_KEPT_MS = 10_000;
/** Documents that are kept. */
const MAX_KEPT = 64;

type Kept = { readonly text: Promise<Result<string, RelayError>>; untilMs: number };

const unavailable = (message: string): RelayError => ({ code: 'price-unavailable', message });

export function createPrices({ clock, own, fetch, perAccount, maxInFlight }: PriceParts): Prices {
  /** By what may be dialled and the whole address; the oldest first. */
  const kept = new Map<string, Kept>();
  let inFlight = 0;

  function document(key: string, url: URL, get: FetchText): Promise<Result<string, RelayError>> {
    const known = kept.get(key);
    if (known !== undefined && known.untilMs > clock()) return known.text;
    if (inFlight >= maxInFlight) return Promise.resolve(err({ ...unavailable('too many sources are being asked'), retryAfterMs: 1000 }));
    inFlight++;
    // Whoever asks meanwhile waits for the same answer.
    const entry: Kept = { text: get(url).finally(() => inFlight--), untilMs: Number.POSITIVE_INFINITY };
    kept.delete(key);
    kept.set(key, entry);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(oldest);
    }
    void entry.text.then(({ ok: good }) => {
      entry.untilMs = clock() + (good ? KEPT_MS : FAILURE_KEPT_MS);
    });
    return entry.text;
  }

  return async (account, { currency, source }) => {
    const waitMs = perAccount.take(account);
    if (waitMs > 0) return err({ code: 'quota-requests', message: 'too many prices asked for', retryAfterMs: waitMs });
    const chosen = source ?? own;
    if (chosen === null) return err(unavailable('this relay has no source of prices'));
    const url = addressOf(chosen.url, currency, source === undefined ? ['https:', 'http:'] : ['https:']);
    if (url === undefined) return err({ code: 'bad-request', message: 'a source is an address that begins with https://' });
    const get = source === undefined ? (own?.fetch ?? fetch) : fetch;
    const text = await document(`${source === undefined ? 'own' : 'named'} ${url}`, url, get);
    if (!text.ok) return text;
    const rate = quoteIn(text.value, chosen.path, currency);
    return rate.ok ? ok({ rate: rate.value }) : err(unavailable('what the source gave is no price'));
  };
}
