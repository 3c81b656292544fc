/** One link by itself, on a real socket. */
import { createConnection } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Opener, Sealer } from '../../shared/ln/transport/cipher.ts';
import { parseConfig } from '../config.ts';
import type { LinkEnd } from '../ports.ts';
import { exchangeActs } from './tcp.ts';
import { appHandshake, messageOf, must, TestPeer, until } from './testing.ts';
import { Wheel } from './wheel.ts';

let peer: TestPeer;
let wheel: Wheel;
beforeEach(async () => {
  peer = await TestPeer.start();
  wheel = new Wheel(Date.now, 5);
});
afterEach(async () => {
  wheel.stop();
  await peer.stop();
});

async function link(limits = {}) {
  const ends: LinkEnd[] = [];
  const messages: Uint8Array[] = [];
  const handshake = appHandshake(peer.id);
  const events = { message: (bytes: Uint8Array) => messages.push(bytes) > 0, ended: (reason: LinkEnd) => void ends.push(reason) };
  const socket = createConnection(peer.port, '127.0.0.1');
  const made = must(
    await exchangeActs(socket, handshake.act1, events, { limits: must(parseConfig({ limits })).limits, clock: Date.now, wheel }),
  );
  return { made, ends, messages, socket, ...handshake.finish(made.act2) };
}

test('R1: the keys are copied: wiping those of the caller changes nothing', async () => {
  const { made, act3, keys, messages } = await link();
  expect(made.establish(act3, keys)).toBe(true);
  for (const key of [keys.sending, keys.receiving, keys.chaining]) key.fill(0);
  made.send(messageOf(16, 1));
  await until(() => peer.end.messages.length === 1, 'the message');
  peer.end.send(messageOf(16, 2));
  await until(() => messages.length === 1, 'the answer');
});

test('R2: a second establish ends the link and seals nothing more', async () => {
  const { made, act3, keys, ends } = await link();
  made.establish(act3, keys);
  expect(made.establish(act3, keys)).toBe(false);
  expect(ends).toEqual(['handover-used']);
  expect(made.send(messageOf(16))).toBe(false);
  await until(() => peer.end.closed, 'the socket to close');
});

test('R3: after the end nothing is sealed, and the owner is told once', async () => {
  const { made, act3, keys, ends } = await link();
  made.establish(act3, keys);
  made.end('ping-timeout');
  made.end('disconnected');
  expect([made.send(messageOf(16)), made.establish(act3, keys), ends]).toEqual([false, false, ['ping-timeout']]);
  expect(wheel.size).toBe(0);
});

test('R3: both halves of the cipher are wiped when the link ends, whoever ends it', async () => {
  const wiped = [vi.spyOn(Sealer.prototype, 'wipe'), vi.spyOn(Opener.prototype, 'wipe')];
  const times = () => wiped.map((spy) => spy.mock.contexts.length);
  const { made, act3, keys, ends } = await link();
  made.establish(act3, keys);
  made.send(messageOf(16));
  await until(() => peer.end.messages.length === 1, 'the message');
  expect(times()).toEqual([0, 0]);
  peer.end.socket.destroy();
  await until(() => ends.length === 1, 'the end');
  expect(times()).toEqual([1, 1]);
  vi.restoreAllMocks();
});

test('nothing is sealed before the hand-over', async () => {
  const { made } = await link();
  expect(made.send(messageOf(16))).toBe(false);
  expect(peer.end.raw).toHaveLength(50);
});

test('an end that we chose lets what was written leave', async () => {
  const { made, act3, keys } = await link();
  made.establish(act3, keys);
  for (let i = 0; i < 50; i++) made.send(messageOf(17, ...new Array<number>(10_000).fill(i)));
  made.end('disconnected');
  await until(() => peer.end.closed, 'the socket to close');
  expect(peer.end.messages).toHaveLength(50);
});

test('a peer that takes nothing does not keep a closing socket', async () => {
  const { made, act3, keys, socket } = await link({ outBufferBytes: 50_000_000 });
  made.establish(act3, keys);
  peer.end.socket.pause();
  const big = messageOf(17, ...new Array<number>(60_000).fill(0));
  // More than the kernel takes on both sides.
  for (let i = 0; i < 250 && socket.writableLength < 1_000_000; i++) {
    made.send(big);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.writableLength).toBeGreaterThan(0);
  made.end('disconnected');
  await until(() => socket.destroyed, 'the socket to be given up');
});

test('pings are answered at a bounded rate', async () => {
  const { made, act3, keys } = await link({ pongBurst: 3, pongsPerSecond: 1 });
  made.establish(act3, keys);
  made.send(messageOf(16));
  await until(() => peer.end.messages.length === 1, 'init');
  for (let i = 0; i < 50; i++) peer.end.send(messageOf(18, 0, 1, 0, 0));
  peer.end.send(messageOf(18, 255, 253));
  made.send(messageOf(17));
  await until(() => peer.end.types().includes(17), 'the last message');
  await until(() => peer.end.types().filter((type) => type === 19).length >= 3, 'the pongs');
  expect(peer.end.types().filter((type) => type === 19).length).toBeLessThan(6);
});
