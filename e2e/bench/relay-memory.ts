/**
 * Memory of one held session (account, keys, empty queue, outbox, deadlines, rows) in the relay's process, over a socket that a plain
 * server holds; and over one that a plain client dialled, for a relay's sockets are of that kind. Resident bytes after garbage
 * collection less those before, so small counts say little.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from '../push/serve.ts';
import { type Child, type Memory, startChild } from './children.ts';
import type { Bench, Options } from './report.ts';
import { startSessions } from './sessions.ts';

const SESSIONS = 5_000;
const SMOKE_SESSIONS = 50;
/** Before the first look: code is compiled, pools are there. */
const WARM = 50;
const AT_ONCE = 16;
const KIB = 1024;

async function inTurns(count: number, work: () => Promise<unknown>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
}

/** KiB per item. */
async function grown(child: Child, before: Memory, count: number): Promise<Memory> {
  const after = await child.memory();
  const each = (of: keyof Memory) => (after[of] - before[of]) / count / KIB;
  return { rss: each('rss'), heap: each('heap'), external: each('external') };
}

async function ofRelay(count: number, tell: Options['tell']): Promise<Memory> {
  const folder = await mkdtemp(join(tmpdir(), 'beckon-bench-'));
  const child = await startChild('relay', folder);
  const sessions = await startSessions(child.port);
  try {
    await inTurns(WARM, sessions.open);
    sessions.rest();
    const before = await child.memory();
    let done = 0;
    await inTurns(count, async () => {
      await sessions.open();
      done += 1;
      if (done % 1_000 === 0) tell(`${done} sessions held`);
    });
    sessions.rest();
    return await grown(child, before, count);
  } finally {
    await child.stop();
    await sessions.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function ofPlain(count: number): Promise<Memory> {
  const child = await startChild('plain');
  const sockets: Socket[] = [];
  const open = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: child.port, noDelay: true });
      sockets.push(socket);
      socket.once('connect', resolve).once('error', reject);
    });
  try {
    await inTurns(WARM, open);
    const before = await child.memory();
    await inTurns(count, open);
    return await grown(child, before, count);
  } finally {
    for (const socket of sockets) socket.destroy();
    await child.stop();
  }
}

async function ofDialled(count: number): Promise<Memory> {
  const child = await startChild('plain-out');
  const server = createServer((socket) => void socket.on('error', () => undefined));
  const port = await listen(server);
  try {
    await child.dial(port, WARM);
    const before = await child.memory();
    for (let left = count; left > 0; left -= AT_ONCE) await child.dial(port, Math.min(AT_ONCE, left));
    return await grown(child, before, count);
  } finally {
    await child.stop();
    server.close();
  }
}

export async function relayMemory({ smoke, tell }: Options): ReturnType<Bench> {
  const count = smoke ? SMOKE_SESSIONS : SESSIONS;
  const plain = await ofPlain(count);
  const dialled = await ofDialled(count);
  const relay = await ofRelay(count, tell);
  const line = (what: string, { rss, heap, external }: Memory) => [what, rss.toFixed(2), heap.toFixed(2), external.toFixed(2)];
  return {
    name: 'relay-memory',
    tables: [
      {
        title: `Memory of ${count} held sessions, KiB each`,
        columns: ['', 'resident', 'JS heap', 'external'],
        rows: [
          line('our relay, a whole session', relay),
          line('plain server, accepted socket', plain),
          line('plain client, dialled socket', dialled),
        ],
      },
    ],
    figures: [
      { name: 'session', value: relay.rss, unit: 'KiB' },
      { name: 'session over plain socket', value: relay.rss / plain.rss, unit: '×', target: { at: 'most', value: 1.3 } },
      { name: 'session over dialled socket', value: relay.rss / dialled.rss, unit: '×' },
    ],
  };
}
