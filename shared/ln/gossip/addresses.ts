/**
 * BOLT 7 § The `node_announcement` Message: where a node takes connections. Callers must still decide whether they may dial such an address: it
 * is a stranger's word, and may name a machine in one's own network.
 */
import { err, ok, type Result } from '../../lib/result.ts';

export type NodeAddress =
  | { readonly kind: 'ipv4' | 'ipv6' | 'torv3'; readonly bytes: Uint8Array; readonly port: number }
  | { readonly kind: 'dns'; readonly hostname: string; readonly port: number };
export type Addresses = {
  readonly addresses: readonly NodeAddress[];
  /** More than one DNS hostname: the later ones are not among `addresses`. */
  readonly manyNames: boolean;
};
export type AddressError = { readonly code: 'truncated'; readonly detail: string };

/** Bytes of the address itself, before the port, by type; of the DNS name the first byte tells. */
const sizes: { readonly [type: number]: { readonly kind: 'ipv4' | 'ipv6' | 'torv2' | 'torv3'; readonly size: number } } = {
  1: { kind: 'ipv4', size: 4 },
  2: { kind: 'ipv6', size: 16 },
  3: { kind: 'torv2', size: 10 },
  4: { kind: 'torv3', size: 35 },
};
const DNS = 5;
const isAscii = (bytes: Uint8Array): boolean => bytes.every((byte) => byte > 0x20 && byte < 0x7f);

export function parseAddresses(bytes: Uint8Array): Result<Addresses, AddressError> {
  const addresses: NodeAddress[] = [];
  let names = 0;
  let at = 0;
  while (at < bytes.length) {
    const type = bytes[at] ?? 0;
    const known = sizes[type];
    // BOLT 7: "SHOULD ignore the first `address descriptor` that does NOT match the types defined above."
    // How long it is nobody knows, so what follows it is lost as well.
    if (known === undefined && type !== DNS) break;
    const start = at + (type === DNS ? 2 : 1);
    const size = known?.size ?? bytes[at + 1] ?? 0;
    at = start + size + 2;
    if (at > bytes.length)
      return err({ code: 'truncated', detail: `an address of type ${type} that needs ${at - bytes.length} bytes more` });
    const port = (bytes[at - 2] ?? 0) * 256 + (bytes[at - 1] ?? 0);
    const address = bytes.slice(start, start + size);
    if (known === undefined) names += 1;
    // BOLT 7: "if `port` is equal to 0: SHOULD ignore `ipv6_addr` OR `ipv4_addr` OR `hostname`."
    if (port === 0) continue;
    if (known === undefined) {
      // BOLT 7: "`hostname` bytes MUST be ASCII characters.", "if more than one `type 5` address is announced: SHOULD ignore the additional data."
      if (names === 1 && isAscii(address)) addresses.push({ kind: 'dns', hostname: String.fromCharCode(...address), port });
      // BOLT 7: "SHOULD ignore Tor v2 onion services."
    } else if (known.kind !== 'torv2') addresses.push({ kind: known.kind, bytes: address, port });
  }
  return ok({ addresses, manyNames: names > 1 });
}
