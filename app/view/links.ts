/**
 * Texts that come with the page's address: from a clicked `bitcoin:` or `web+lightning:` link (`protocol_handlers` of the manifest), or
 * shared by another app (`share_target`). They lie in the query; `takeIncoming` (incoming.ts) takes them out of the address.
 */
import { secretIn } from './understand-secret.ts';
import type { SecretCode } from './understood.ts';

/** Names of parameters, as in `manifest.webmanifest`. A shared link is what is meant; a text may hold one; a title seldom does. */
const shared = ['url', 'text', 'title'] as const;
/** Longer than anything that `understand` reads. */
const MAX_CHARS = 12_001;

/** Null: nothing came. What comes is not looked at here. */
export function incomingText(location: { readonly search: string }): string | null {
  const params = new URLSearchParams(location.search);
  const given = (name: string): string => params.get(name)?.trim() ?? '';
  // Some apps share the same text in two places.
  const texts = given('pay') === '' ? new Set(shared.map(given)) : [given('pay')];
  const text = [...texts].filter((part) => part !== '').join('\n');
  return text === '' ? null : text.slice(0, MAX_CHARS);
}

/** The place `send` with the text; without it when it is a secret, which has no business in an address or a history. */
export function sendParts(text: string): { readonly parts: readonly string[]; readonly secret: SecretCode | undefined } {
  const secret = secretIn(text);
  return { parts: secret === undefined ? ['send', text] : ['send'], secret };
}
