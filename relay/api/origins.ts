/**
 * Under which names apps reach this relay, and whose pages may talk to it. The Host header is not asked: whoever stands between
 * app and relay can write it, and could then log in here with a challenge that the app signed for somebody else.
 */
import type { Config } from '../config.ts';

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

export type Origins = {
  /** May a login be signed for it? */
  isOwn(origin: string): boolean;
  /** May a page of that origin use the API? Absent: not a browser, or a page of ours asking its own server. */
  isAllowed(origin: string | undefined): boolean;
};

/** `port`: the one that is really listened on. */
export function createOrigins(config: Pick<Config, 'publicUrls' | 'origins'>, port: () => number): Origins {
  const isOwn = (origin: string) => config.publicUrls.includes(origin) || LOOPBACK.some((host) => origin === `http://${host}:${port()}`);
  return { isOwn, isAllowed: (origin) => origin === undefined || isOwn(origin) || config.origins.includes(origin) };
}
