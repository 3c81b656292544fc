/** One request and what it does, over HTTP, with a real peer behind it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { messageOf, must, TestPeer, until } from '../keeper/testing.ts';
import { bytesOf, outFrame, startTestRelay, TestApp, type TestRelay } from './testing.ts';

let lab: TestRelay;
let peer: TestPeer;
let app: TestApp;

const COMMITMENT_SIGNED = 132;
const REVOKE = 133;
const UPDATE_ADD = 128;

beforeEach(async () => {
  lab = await startTestRelay();
  peer = await TestPeer.start();
  app = new TestApp(lab.relay.url);
  await app.login();
});
afterEach(async () => {
  await lab.stop();
  await peer.stop();
});

test('connect, establish, sync: init both ways, a message each way, a receipt', async () => {
  const live = await app.open(peer);
  expect(peer.end.types()).toEqual([16]);
  peer.end.send(messageOf(16, 0, 0, 0, 0));
  peer.end.send(messageOf(COMMITMENT_SIGNED, 7));
  const first = await app.sync({ lingerMs: 5000 });
  expect(first.sessions).toEqual([{ ...live, peer: peer.idHex, state: 'live' }]);
  const both = await app.waiting(2);
  expect(both.in.map((frame) => [frame.n, ...bytesOf(frame)])).toEqual([
    [1, 0, 16, 0, 0, 0, 0],
    [2, 0, COMMITMENT_SIGNED, 7],
  ]);
  const after = await app.sync({ lastIn: [{ ...live, n: 2 }], out: [outFrame(live, 1, messageOf(REVOKE, 9))] });
  expect(after).toMatchObject({ in: [], receipts: [{ ...live, m: 1 }], more: false });
  await until(() => peer.end.messages.length === 2, 'the frame at the peer');
  expect([...(peer.end.messages[1] ?? [])]).toEqual([0, REVOKE, 9]);
});

/** Like the worker: asks until an answer is empty. */
async function sleep(): Promise<void> {
  for (let answer = await app.sync(); answer.in.length > 0; ) {
    const lastIn = answer.in.map(({ session, epoch, n }) => ({ session, epoch, n }));
    answer = await app.sync({ lastIn });
  }
}

/** A long poll that the relay has begun: requests of one WebSocket take effect in order. */
async function poll() {
  const socket = await app.socket().hello(app.token);
  const id = socket.ask('sync', { lingerMs: 20_000 });
  await socket.call('backup', {});
  return { socket, answer: () => socket.answerTo(id) };
}

test('a long poll ends with what asks for the app, and brings along what did not', async () => {
  await app.open(peer);
  const { socket, answer } = await poll();
  peer.end.send(messageOf(UPDATE_ADD, 1));
  await until(() => socket.updates.some((update) => update.in.length === 1), 'the quiet message');
  await socket.call('backup', {});
  expect(answer()).toBeUndefined();
  peer.end.send(messageOf(COMMITMENT_SIGNED, 2));
  await until(() => answer() !== undefined, 'the end of the poll');
  expect(answer()).toMatchObject({ ok: true, body: { in: [{ n: 1 }, { n: 2 }] } });
});

test('a long poll with nothing to tell ends empty in its time', async () => {
  await app.open(peer);
  const answer = await app.sync({ lingerMs: 40 });
  expect(answer).toMatchObject({ in: [], events: [], more: false });
});

test('a long poll ends when the session is lost, and the next one waits again', async () => {
  const live = await app.open(peer);
  const first = await poll();
  peer.end.socket.destroy();
  await until(() => first.answer() !== undefined, 'the end of the poll');
  expect(first.answer()).toMatchObject({ ok: true, body: { sessions: [{ ...live, state: 'lost', reason: 'peer-closed' }] } });
  const second = await poll();
  expect(second.answer()).toBeUndefined();
});

test('a loss between two polls is told at once by the next', async () => {
  await app.open(peer);
  await app.sync();
  peer.end.socket.destroy();
  await until(() => lab.gauge('beckon_sessions_live') === 0, 'the loss');
  // Twenty seconds would be over the limit of this test.
  expect((await app.sync({ lingerMs: 20_000 })).sessions).toMatchObject([{ state: 'lost' }]);
});

test('a poll whose asker is gone tells nothing, and what comes then wakes', async () => {
  must(await app.call('push/subscribe', lab.pushes.subscription));
  await app.open(peer);
  await sleep();
  const gone = new AbortController();
  const poll = fetch(`${app.url}/api/v1/sync`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}` },
    body: JSON.stringify({ lingerMs: 20_000 }),
    signal: gone.signal,
  }).catch(() => undefined);
  gone.abort();
  await poll;
  peer.end.send(messageOf(COMMITMENT_SIGNED, 1));
  await until(() => lab.pushes.payloads.length === 1, 'the push');
  expect(lab.pushes.payloads[0]).toMatchObject({ reason: 'message', frames: [{ n: 1 }] });
});

test('asleep: a burst is one push that carries all of it; the answer to it comes and goes in one request', async () => {
  must(await app.call('push/subscribe', lab.pushes.subscription));
  const live = await app.open(peer);
  await sleep();
  peer.end.send(messageOf(UPDATE_ADD, 1));
  peer.end.send(messageOf(UPDATE_ADD, 2));
  peer.end.send(messageOf(COMMITMENT_SIGNED, 3));
  await until(() => lab.pushes.payloads.length === 1, 'the push');
  expect(lab.pushes.payloads[0]?.frames?.map((frame) => [frame.n, bytesOf(frame)[2]])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  const answering = app.sync({
    lastIn: [{ ...live, n: 3 }],
    out: [outFrame(live, 1, messageOf(REVOKE))],
    backup: { seq: 1, bytes: 'AAAA' },
    lingerMs: 10_000,
  });
  await until(() => peer.end.types().includes(REVOKE), 'the answer at the peer');
  peer.end.send(messageOf(REVOKE, 4));
  expect((await answering).in).toMatchObject([{ n: 4 }]);
  expect(lab.pushes.payloads).toHaveLength(1);
});

test('the reply to an app that has just spoken waits for its return; only if it stays away, a push', async () => {
  must(await app.call('push/subscribe', lab.pushes.subscription));
  const live = await app.open(peer);
  await sleep();
  await app.sync({ out: [outFrame(live, 1, messageOf(REVOKE))] });
  peer.end.send(messageOf(REVOKE, 1));
  expect((await app.sync({ lingerMs: 10_000 })).in).toMatchObject([{ n: 1 }]);
  await app.sync({ lastIn: [{ ...live, n: 1 }], out: [outFrame(live, 2, messageOf(REVOKE))] });
  peer.end.send(messageOf(COMMITMENT_SIGNED, 2));
  expect(lab.pushes.payloads).toEqual([]);
  await until(() => lab.pushes.payloads.length === 1, 'the push');
  expect(lab.pushes.payloads[0]).toMatchObject({ reason: 'message', frames: [{ n: 2 }] });
});

test('asleep: the peer hangs up, the push says so', async () => {
  must(await app.call('push/subscribe', lab.pushes.subscription));
  const live = await app.open(peer);
  await sleep();
  peer.end.socket.destroy();
  await until(() => lab.pushes.payloads.length === 1, 'the push');
  expect(lab.pushes.payloads[0]).toMatchObject({ reason: 'session-lost', sessions: [{ ...live, state: 'lost' }] });
});

test('two apps with the same peer do not see each other', async () => {
  const other = new TestApp(lab.relay.url);
  await other.login();
  const mine = await app.open(peer);
  const end = peer.end;
  const theirs = await other.open(peer);
  end.send(messageOf(COMMITMENT_SIGNED, 1));
  await app.waiting(1);
  expect((await other.sync()).in).toEqual([]);
  // Another account's session is as good as none.
  await other.sync({ lastIn: [{ ...mine, n: 9 }], out: [outFrame(mine, 1, messageOf(REVOKE))] });
  expect((await app.sync()).in).toHaveLength(1);
  expect(await other.call('disconnect', { session: mine.session })).toMatchObject({ ok: false, error: { code: 'session-unknown' } });
  expect((await other.sync()).sessions.map((status) => status.session)).toEqual([theirs.session]);
  expect(end.types()).toEqual([16]);
});
