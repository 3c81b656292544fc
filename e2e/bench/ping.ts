/**
 * CPU time of one ping → pong: our relay with a live session, and a minimal relay on node:crypto, each in its own process over
 * loopback and in turns; an echo server beside them is the price of the socket alone. Then the same without sockets, in slices.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pongFor } from '../../relay/keeper/pings.ts';
import { newCipher } from '../../shared/ln/transport/cipher.ts';
import { type Child, startChild } from './children.ts';
import { fixedKeys, NaiveOpener, NaiveSealer, naivePong } from './naive.ts';
import { type Bench, median, type Options } from './report.ts';
import { type Line, startSessions } from './sessions.ts';

/** `num_pong_bytes` 0 and no padding, as we ask ourselves. */
const PING = Uint8Array.of(0, 18, 0, 0, 0, 0);
const PONG_FRAME_BYTES = 18 + 4 + 16;
const PING_FRAME_BYTES = 18 + 6 + 16;
const TURNS = 20;
const PINGS = 1_000;

/** One after the other, each waiting for its answer of `answerBytes`. */
function pingPong({ socket, cipher }: Line, count: number, answerBytes: number): Promise<void> {
  let sent = 0;
  let heard = 0;
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error('the other side hung up'));
    const next = () => {
      sent += 1;
      socket.write(cipher.sealer.seal(PING));
    };
    const onData = (chunk: Buffer) => {
      heard += chunk.length;
      if (heard < answerBytes * sent) return;
      if (sent < count) return next();
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve();
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    next();
  });
}

type Lane = { readonly child: Child; readonly line: Line; readonly answerBytes: number; readonly costs: number[] };

async function plainLine(child: Child): Promise<Line> {
  const socket = connect({ host: '127.0.0.1', port: child.port, noDelay: true });
  await once(socket, 'connect');
  const keys = { sending: fixedKeys.toServer, receiving: fixedKeys.toClient, chaining: fixedKeys.chaining };
  return { socket, cipher: newCipher(keys) };
}

/** µs of CPU per ping: ours, naive, echo; the median of turns. */
async function overLoopback(turns: number, count: number): Promise<readonly [number, number, number]> {
  const folder = await mkdtemp(join(tmpdir(), 'beckon-bench-'));
  const [relay, naive, echo] = await Promise.all([startChild('relay', folder), startChild('naive'), startChild('echo')]);
  const sessions = await startSessions(relay.port);
  try {
    const lane = (child: Child, line: Line, answerBytes: number): Lane => ({ child, line, answerBytes, costs: [] });
    const ours = lane(relay, await sessions.open(), PONG_FRAME_BYTES);
    const theirs = lane(naive, await plainLine(naive), PONG_FRAME_BYTES);
    const floor = lane(echo, await plainLine(echo), PING_FRAME_BYTES);
    sessions.rest();
    // The first turn compiles and does not count.
    for (let turn = 0; turn <= turns; turn += 1) {
      for (const { child, line, answerBytes, costs } of [ours, theirs, floor]) {
        const before = await child.cpuUs();
        await pingPong(line, count, answerBytes);
        const cost = ((await child.cpuUs()) - before) / count;
        if (turn > 0) costs.push(cost);
      }
    }
    for (const { line } of [theirs, floor]) line.socket.destroy();
    return [median(ours.costs), median(theirs.costs), median(floor.costs)];
  } finally {
    await Promise.all([relay.stop(), naive.stop(), echo.stop()]);
    await sessions.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** µs per ping of open, answer and seal alone: the best slice of each, taken in turns. */
function inMemory(turns: number, count: number): readonly [number, number] {
  const { toServer, toClient, chaining } = fixedKeys;
  const client = newCipher({ sending: toServer, receiving: toClient, chaining });
  const server = newCipher({ sending: toClient, receiving: toServer, chaining });
  const naiveClient = new NaiveSealer(toServer, chaining);
  const naiveOpener = new NaiveOpener(toServer, chaining);
  const naiveSealer = new NaiveSealer(toClient, chaining);
  const answerOurs = (frame: Uint8Array): number => {
    const opened = server.opener.push(frame);
    const pong = opened.ok && opened.value.messages[0] !== undefined ? pongFor(opened.value.messages[0]) : undefined;
    return pong === undefined ? 0 : server.sealer.seal(pong).length;
  };
  const answerNaive = (frame: Buffer): number => {
    const [ping] = naiveOpener.push(frame);
    const pong = ping && naivePong(ping);
    return pong === undefined ? 0 : naiveSealer.seal(pong).length;
  };
  const slice = <T>(frames: readonly T[], answer: (frame: T) => number): number => {
    const from = process.hrtime.bigint();
    for (const frame of frames) if (answer(frame) !== PONG_FRAME_BYTES) throw new Error('no pong');
    return Number(process.hrtime.bigint() - from) / 1000 / frames.length;
  };
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < turns; turn += 1) {
    ours.push(
      slice(
        Array.from({ length: count }, () => client.sealer.seal(PING)),
        answerOurs,
      ),
    );
    theirs.push(
      slice(
        Array.from({ length: count }, () => naiveClient.seal(Buffer.from(PING))),
        answerNaive,
      ),
    );
  }
  return [Math.min(...ours), Math.min(...theirs)];
}

export async function ping({ smoke }: Options): ReturnType<Bench> {
  const [turns, count] = smoke ? [3, 200] : [TURNS, PINGS];
  const [ours, theirs, floor] = await overLoopback(turns, count);
  const [oursAlone, theirsAlone] = inMemory(turns, count);
  return {
    name: 'ping',
    tables: [
      {
        title: 'CPU of one ping → pong, µs',
        columns: ['', 'relay process, over loopback', 'open, answer, seal alone'],
        rows: [
          ['our relay', ours.toFixed(1), oursAlone.toFixed(1)],
          ['minimal relay on node:crypto', theirs.toFixed(1), theirsAlone.toFixed(1)],
          ['echo server (the socket alone)', floor.toFixed(1), ''],
        ],
      },
    ],
    figures: [
      { name: 'ping → pong', value: ours, unit: 'µs' },
      { name: 'node:crypto over ours, whole', value: theirs / ours, unit: '×' },
      { name: 'node:crypto over ours, without sockets', value: theirsAlone / oursAlone, unit: '×', target: { at: 'least', value: 4 } },
    ],
  };
}
