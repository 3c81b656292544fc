/**
 * Who asks: a challenge signed with the relay-auth key (derived from the seed, not the node key) buys a token.
 * The account id is that public key in hex. Only hashes of tokens are stored.
 */
import { createHash, randomBytes } from 'node:crypto';
import { fromHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { authDigest } from '../../shared/protocol/digests.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { AnswerOf, RequestOf } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import type { Clock, Store } from '../ports.ts';
import type { Origins } from './origins.ts';

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');
const failed = (message: string): RelayError => ({ code: 'auth-failed', message });

export class Accounts {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #origins: Origins;
  /** Challenge → when it expires, oldest first. */
  readonly #challenges = new Map<string, number>();

  constructor(deps: { store: Store; limits: Limits; clock: Clock; origins: Origins }) {
    this.#store = deps.store;
    this.#limits = deps.limits;
    this.#clock = deps.clock;
    this.#origins = deps.origins;
  }

  challenge(): AnswerOf<'auth/challenge'> {
    const now = this.#clock();
    for (const [challenge, expiresAtMs] of this.#challenges) {
      if (expiresAtMs > now && this.#challenges.size < this.#limits.challengesTotal) break;
      this.#challenges.delete(challenge);
    }
    const challenge = randomBytes(32).toString('hex');
    const expiresAtMs = now + this.#limits.challengeLifeMs;
    this.#challenges.set(challenge, expiresAtMs);
    return { challenge, expiresAtMs };
  }

  /** A challenge is good for one try, right or wrong. */
  login({ relayKey, audience, challenge, signature }: RequestOf<'auth/login'>): Result<AnswerOf<'auth/login'>, RelayError> {
    const now = this.#clock();
    const expiresAtMs = this.#challenges.get(challenge);
    this.#challenges.delete(challenge);
    if (expiresAtMs === undefined || expiresAtMs <= now) return err(failed('the challenge is unknown, used or too old'));
    if (!this.#origins.isOwn(audience)) return err(failed(`this relay is not ${audience} (the operator sets BECKON_PUBLIC_URL)`));
    if (!verifyCompact(fromHex(signature), authDigest(audience, challenge), fromHex(relayKey)))
      return err(failed('the signature is wrong'));
    if (!this.#admit(relayKey, now)) return err({ code: 'quota-requests', message: 'this relay takes no more accounts' });
    const token = randomBytes(32).toString('base64url');
    const tokenExpiresAtMs = now + this.#limits.tokenLifeMs;
    this.#store.db.prepare('DELETE FROM tokens WHERE expires_ms <= ?').run(now);
    this.#store.db
      .prepare('INSERT INTO tokens (token_hash, account, expires_ms) VALUES (?, ?, ?)')
      .run(hashOf(token), relayKey, tokenExpiresAtMs);
    return ok({ token, expiresAtMs: tokenExpiresAtMs });
  }

  /** The account of a token, or undefined. */
  who(token: string): string | undefined {
    const row = this.#store.db
      .prepare('SELECT account FROM tokens WHERE token_hash = ? AND expires_ms > ?')
      .get(hashOf(token), this.#clock());
    return typeof row?.account === 'string' ? row.account : undefined;
  }

  #admit(account: string, now: number): boolean {
    const known = this.#store.db.prepare('UPDATE accounts SET seen_ms = ? WHERE account = ?').run(now, account);
    if (known.changes > 0) return true;
    const count = Number(this.#store.db.prepare('SELECT count(*) AS n FROM accounts').get()?.n ?? 0);
    if (count >= this.#limits.accountsTotal) return false;
    this.#store.db.prepare('INSERT INTO accounts (account, created_ms, seen_ms) VALUES (?, ?, ?)').run(account, now, now);
    return true;
  }
}
