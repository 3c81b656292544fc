/**
 * Which push endpoints the relay is willing to call. A subscription is text that a stranger sent us, and every wake is an
 * HTTPS request to it: without this list it would be a way to make the relay call any address (SSRF).
 * RFC 8030 leaves the endpoint opaque, so only scheme, host and port are judged; callers must still never follow a redirect.
 */
import { err, ok, type Result } from '../../shared/lib/result.ts';

/** A leading dot means "any name below"; the others are whole host names. */
export const pushServices: readonly string[] = [
  'fcm.googleapis.com',
  // Debian's Chromium is given this one by the same service.
  'jmt17.google.com',
  'updates.push.services.mozilla.com',
  '.push.services.mozilla.com',
  '.push.apple.com',
  '.notify.windows.com',
];

export type EndpointFault = 'not-a-url' | 'not-https' | 'credentials' | 'port' | 'fragment' | 'host';

/**
 * `extra` are the operator's additions (`pushHosts`): `host` or `.suffix`, with `:port` where it is not 443.
 * Names are compared after the URL parser has made them lower-case ASCII.
 */
export function checkEndpoint(endpoint: string, extra: readonly string[] = []): Result<URL, EndpointFault> {
  if (!URL.canParse(endpoint)) return err('not-a-url');
  const url = new URL(endpoint);
  if (url.protocol !== 'https:') return err('not-https');
  if (url.username !== '' || url.password !== '') return err('credentials');
  if (url.hash !== '') return err('fragment');
  const byHost = [...pushServices, ...extra].map(parseRule).filter((rule) => hostMatches(url.hostname, rule.host));
  if (byHost.length === 0) return err('host');
  return byHost.some((rule) => rule.port === url.port) ? ok(url) : err('port');
}

/** Port '' is 443, as in `URL.port`. */
function parseRule(rule: string): { readonly host: string; readonly port: string } {
  const colon = rule.lastIndexOf(':');
  const hasPort = colon > rule.lastIndexOf(']') && colon !== -1;
  const port = hasPort ? rule.slice(colon + 1) : '';
  return { host: (hasPort ? rule.slice(0, colon) : rule).toLowerCase(), port: port === '443' ? '' : port };
}

function hostMatches(hostname: string, rule: string): boolean {
  return rule.startsWith('.') ? hostname.endsWith(rule) && hostname.length > rule.length : hostname === rule;
}
