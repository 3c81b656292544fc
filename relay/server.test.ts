/** The relay as a process: it starts, it stops, it is started again on the same folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestApp } from './api/testing.ts';
import { messageOf, TestPeer, until } from './keeper/testing.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
let folder: string;
let peer: TestPeer;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beckon-main-'));
  peer = await TestPeer.start();
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await peer.stop();
  rmSync(folder, { recursive: true });
});

async function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let text = '';
  let said = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  await until(() => text.includes('Beckon relay: ') || child.exitCode !== null, 'the relay to start', 15_000);
  return { child, url: /Beckon relay: (\S+)/.exec(text)?.[1] ?? '', log: () => text, said: () => said };
}

test('killed hard, then stopped softly: the session is lost each time, known by the same id, and epochs grow', async () => {
  const env = { PORT: '0', BECKON_DATA: folder, BECKON_DIAL_ALLOW: '127.0.0.0/8' };
  const first = await run(env);
  const app = new TestApp(first.url);
  await app.login();
  const live = await app.open(peer);
  first.child.kill('SIGKILL');
  await until(() => peer.end.closed, 'the socket to close');

  const second = await run(env);
  const back = new TestApp(second.url, app.secret);
  await back.login();
  expect((await back.sync()).sessions).toEqual([{ ...live, peer: peer.idHex, state: 'lost', reason: 'relay-restarted' }]);
  const next = await back.open(peer);
  expect(next.session).toBe(live.session);
  expect(next.epoch).toBeGreaterThan(live.epoch);
  peer.end.send(messageOf(132, 1));
  expect((await back.waiting(1)).in).toMatchObject([{ epoch: next.epoch, n: 1 }]);

  second.child.kill('SIGTERM');
  const [code] = await once(second.child, 'exit');
  expect(code).toBe(0);
  await until(() => peer.end.closed, 'the socket to close');
  // What it wrote down holds no token, no message and no key.
  expect(second.log()).not.toContain(back.token);
});

test('settings that are wrong: plain words and no start', async () => {
  const { child, said } = await run({ PORT: 'often', BECKON_DATA: folder });
  await until(() => child.exitCode !== null, 'the exit');
  expect(child.exitCode).toBe(2);
  expect(said()).toBe('The relay cannot start with these settings:\n  PORT (port): must be a number\n');
});

test('a port that is taken: plain words and no start', async () => {
  const { child, said } = await run({ PORT: String(peer.port), BECKON_DATA: folder });
  await until(() => child.exitCode !== null, 'the exit');
  expect(child.exitCode).toBe(1);
  expect(said()).toContain(`port ${peer.port} is taken`);
  expect(said().trim().split('\n')).toHaveLength(1);
});
