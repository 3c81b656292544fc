/** TCP for LDK's PeerManager. Every byte LDK hands over is taken at once; Node keeps what the socket cannot take yet. */
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import {
  Option_SocketAddressZ,
  type PeerManager,
  Result_boolPeerHandleErrorZ_OK,
  Result_CVec_u8ZPeerHandleErrorZ_OK,
  SocketDescriptor,
} from 'lightningdevkit';

export type LdkSockets = {
  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number>;
  dial(nodeId: Uint8Array, host: string, port: number): Promise<void>;
  close(): Promise<void>;
};

/** `pump`: run after LDK was given bytes or told of an end. */
export function ldkSockets(manager: PeerManager, pump: () => void): LdkSockets {
  const open = new Set<Socket>();
  let server: Server | undefined;
  let nextId = 1n;

  function adopt(socket: Socket): SocketDescriptor {
    const id = nextId++;
    /** LDK knows that this socket is over: it must not be told, nor given bytes, again. */
    let over = false;
    const descriptor = SocketDescriptor.new_impl({
      send_data(data, resumeRead) {
        if (resumeRead) socket.resume();
        socket.write(data);
        return data.length;
      },
      disconnect_socket() {
        over = true;
        // What was written before, an `error` message perhaps, still goes out.
        socket.end();
      },
      eq: (other) => other.hash() === id,
      hash: () => id,
    });
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {}); // 'close' follows
    socket.on('data', (data) => {
      if (over) return;
      const result = manager.read_event(descriptor, new Uint8Array(data));
      if (result instanceof Result_boolPeerHandleErrorZ_OK) {
        if (result.res) socket.pause();
      } else {
        over = true;
        socket.end();
      }
      pump();
    });
    socket.on('close', () => {
      open.delete(socket);
      if (over) return;
      over = true;
      manager.socket_disconnected(descriptor);
      pump();
    });
    return descriptor;
  }

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const listening = createServer((socket) => {
          const descriptor = adopt(socket);
          if (!manager.new_inbound_connection(descriptor, Option_SocketAddressZ.constructor_none()).is_ok()) socket.destroy();
        });
        server = listening;
        listening.once('error', reject);
        listening.listen(port, host, () => {
          const address = listening.address();
          if (address === null || typeof address === 'string') reject(new Error('no port'));
          else resolve(address.port);
        });
      }),

    dial: (nodeId, host, port) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, host);
        socket.once('error', reject);
        socket.once('connect', () => {
          const descriptor = adopt(socket);
          const first = manager.new_outbound_connection(nodeId, descriptor, Option_SocketAddressZ.constructor_none());
          if (first instanceof Result_CVec_u8ZPeerHandleErrorZ_OK) {
            socket.write(first.res);
            resolve();
          } else {
            socket.destroy();
            reject(new Error('LDK refused the connection'));
          }
        });
      }),

    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    },
  };
}
