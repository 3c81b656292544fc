/** A wire on loopback that a test can cut: forwards TCP to a peer until told to drop everything. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** `in`: from the peer behind the wire. */
export type Direction = 'in' | 'out';

export type Wire = {
  readonly port: number;
  /** Destroys every connection through it; new ones are taken. */
  cut(): void;
  /**
   * Asks `judge` of every piece of bytes that comes along; the first of which it says true is lost, and the wire is cut there. Messages that
   * are sent at one moment may come as one piece. Call the answer to be asked no more.
   */
  cutWhen(judge: (direction: Direction, bytes: number) => boolean): () => void;
  /** While it is blocked, who dials is hung up on. Cuts what is there. */
  block(on: boolean): void;
  /** Connections so far. */
  taken(): number;
  stop(): Promise<void>;
};

export async function startWire(target: { readonly host: string; readonly port: number }): Promise<Wire> {
  const sockets = new Set<Socket>();
  let taken = 0;
  let blocked = false;
  let judge: ((direction: Direction, bytes: number) => boolean) | undefined;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    if (blocked) {
      near.on('error', () => {});
      near.destroy();
      return;
    }
    taken += 1;
    const far = connect(target.port, target.host);
    for (const [socket, other, direction] of [
      [near, far, 'out'],
      [far, near, 'in'],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('data', (bytes: Buffer) => {
        if (judge?.(direction, bytes.length) !== true) other.write(bytes);
        else {
          judge = undefined;
          cut();
        }
      });
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    cut,
    cutWhen(ask) {
      judge = ask;
      return () => {
        if (judge === ask) judge = undefined;
      };
    },
    block(on) {
      blocked = on;
      if (on) cut();
    },
    taken: () => taken,
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
