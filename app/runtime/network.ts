/** The chains a wallet can be on. Chosen by the page's own origin when the wallet is made, never by the relay: a relay could name a chain without work. */
import { chainHashOf, isNetwork, type NetworkName } from '../../shared/lib/networks.ts';

export { isNetwork, type NetworkName };
/** `chainHash`: the genesis block's hash in wire order, as `open_channel` and `init` carry it. */
export type Network = { readonly name: NetworkName; readonly chainHash: Uint8Array };

export function networkOf(name: string | undefined): Network {
  const known = name !== undefined && isNetwork(name) ? name : 'mainnet';
  return { name: known, chainHash: chainHashOf(known) };
}
