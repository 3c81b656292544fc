/**
 * A server in a process of its own, so that its memory and CPU time are nobody else's. Roles: `relay`, ours with every limit out of
 * the way; `plain`, holds sockets and does nothing; `plain-out`, the same for sockets that it dialled itself, as a relay does;
 * `echo`, sends back what comes; `naive`, a relay's ping → pong on node:crypto as one would first write it.
 */
import { connect, createServer, type Socket } from 'node:net';
import { parseConfig } from '../../relay/config.ts';
import { startRelay } from '../../relay/server.ts';
import { listen } from '../push/serve.ts';
import type { Ask, Role, Told } from './children.ts';
import { naiveLink } from './naive.ts';

const MANY = 1_000_000_000;
const [role, dataFolder] = process.argv.slice(2);
const held: Socket[] = [];

function hold(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  held.push(socket);
}
const serve = (onSocket: (socket: Socket) => void): Promise<number> => listen(createServer({ noDelay: true }, onSocket));

async function relay(): Promise<number> {
  const config = parseConfig({
    port: 0,
    dataFolder: dataFolder ?? null,
    dialAllow: ['127.0.0.0/8'],
    logLevel: 'silent',
    limits: {
      pongsPerSecond: MANY,
      pongBurst: MANY,
      dialsPerTargetPerMinute: MANY,
      requestsPerAddressPerMinute: MANY,
      loginsPerMinute: MANY,
    },
  });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  return (await startRelay(config.value)).port;
}

const roles: Readonly<Record<Role, () => Promise<number>>> = {
  relay,
  plain: () => serve(hold),
  'plain-out': async () => 0,
  echo: () => serve((socket) => void socket.on('error', () => undefined).pipe(socket)),
  naive: () => serve(naiveLink),
};

async function answer(ask: Ask): Promise<Told> {
  if (ask.ask === 'cpu') {
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system };
  }
  if (ask.ask === 'dial') {
    await Promise.all(
      Array.from({ length: ask.count }, () => {
        const socket = connect({ host: '127.0.0.1', port: ask.port, noDelay: true });
        hold(socket);
        return new Promise((resolve) => socket.once('connect', resolve));
      }),
    );
    return {};
  }
  for (let i = 0; i < 4; i += 1) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, external };
}

process.on('message', (ask: Ask) => void answer(ask).then((told) => process.send?.(told)));
process.on('disconnect', () => process.exit(0));
if (role === undefined || !Object.hasOwn(roles, role)) throw new Error(`no role ${role}`);
process.send?.({ port: await roles[role as Role]() } satisfies Told);
