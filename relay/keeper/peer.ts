/** Guard, dial and acts in one step: from what a client named to a link that waits for its keys. */
import type { PeerDialler } from '../ports.ts';
import type { Dial } from './dial.ts';
import { exchangeActs, type TcpDeps } from './tcp.ts';

export const createPeerDialler =
  (dial: Dial, deps: TcpDeps): PeerDialler =>
  async ({ host, port, act1 }, events) => {
    const socket = await dial(host, port);
    return socket.ok ? exchangeActs(socket.value, act1, events, deps) : socket;
  };
