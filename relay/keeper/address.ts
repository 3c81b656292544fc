/**
 * Which addresses the relay may dial. A client names a host; without this the relay would be a door into its own network.
 * Callers must dial the very literal that was checked and never the name again (a second lookup may answer something else).
 */
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { err, ok, type Result } from '../../shared/lib/result.ts';

export type Literal = { readonly address: string; readonly family: 4 | 6 };
export type Host = { readonly kind: 'literal'; readonly address: string } | { readonly kind: 'name'; readonly name: string };
export type AddressPolicy = {
  /** CIDR ranges that may be dialled besides public addresses, with any port. */
  readonly allow: readonly string[];
  /** Ports below 1024 that may be dialled. */
  readonly ports: readonly number[];
  /** This machine's own addresses: never dialled unless a range allows it. */
  readonly own: readonly string[];
};

export const ownAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((entry) => entry.address));

/** Ports of services that speak to whoever connects: databases, mail, remote control, bitcoind. */
const servicePorts = new Set([
  1433, 1521, 2049, 2181, 2375, 2376, 2379, 3306, 3389, 5432, 5672, 5900, 5984, 6379, 6443, 7001, 8332, 9042, 9092, 9200, 9300, 10250,
  11211, 18332, 18443, 27017, 38332,
]);

/** One label of a name; underscores occur in the wild. */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** What some resolvers read as an IPv4 address in another notation: 2130706433, 0x7f.1, 017700000001, 127.1 */
const numeric = /^(?:0x[0-9a-f]*|[0-9]+)$/;

export function parseHost(text: string): Result<Host, 'malformed' | 'onion'> {
  if (isIPv4(text) || isIPv6(text)) return text.includes('%') ? err('malformed') : ok({ kind: 'literal', address: text });
  const name = text.toLowerCase().replace(/\.$/, '');
  const labels = name.split('.');
  const last = labels.at(-1) ?? '';
  if (last === 'onion') return err('onion');
  if (name.length > 253 || !labels.every((part) => label.test(part)) || numeric.test(last)) return err('malformed');
  return ok({ kind: 'name', name });
}

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** The literal to dial, or undefined when it may not be dialled. An IPv4-mapped address is taken for what it maps. */
export function checkAddress(text: string, port: number, policy: AddressPolicy): Literal | undefined {
  if (!(isIPv4(text) || isIPv6(text)) || text.includes('%')) return undefined;
  const address = ipaddr.process(text);
  const literal: Literal = { address: address.toString(), family: address.kind() === 'ipv4' ? 4 : 6 };
  if (policy.allow.some((range) => inRange(address, range))) return literal;
  if (policy.own.some((own) => sameAddress(address, own))) return undefined;
  if (servicePorts.has(port) || (port < 1024 && !policy.ports.includes(port))) return undefined;
  // Everything but plain unicast has a name of its own: private, loopback, link-local (with the metadata services),
  // carrier-grade NAT, multicast, documentation, and the transition forms that carry an IPv4 address inside.
  if (address.range() !== 'unicast') return undefined;
  if (address instanceof ipaddr.IPv6 && !address.match(GLOBAL_UNICAST_V6)) return undefined;
  return literal;
}

function inRange(address: ipaddr.IPv4 | ipaddr.IPv6, range: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(range);
  return address.kind() === base.kind() && address.match(base, bits);
}

function sameAddress(address: ipaddr.IPv4 | ipaddr.IPv6, own: string): boolean {
  const text = own.split('%')[0] ?? own;
  return ipaddr.isValid(text) && ipaddr.process(text).toNormalizedString() === address.toNormalizedString();
}
