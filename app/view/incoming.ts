/** What came with the page's address becomes the place `#/send/<text>`, before the router looks where it is. */
import { incomingText, sendParts } from './links.ts';
import { href } from './route.ts';
import { say } from './say.svelte.ts';
import type { SecretCode } from './understood.ts';

export function takeIncoming(): void {
  const text = incomingText(location);
  if (text === null) return;
  const { parts, secret } = sendParts(text);
  // Replaced: Back does not lead to the query again.
  history.replaceState(null, '', `/${href(...parts)}`);
  if (secret !== undefined) void warn(secret);
}

/** The words come when they are needed. */
async function warn(code: SecretCode): Promise<void> {
  const { problemWords } = await import('./understand-text.ts');
  const { what, advice } = problemWords({ code, params: {} });
  say.now(`${what} ${advice}`);
}
