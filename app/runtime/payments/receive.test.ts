/** Being paid by peers that speak the whole protocol: in one part and in many, over one peer and over several, and what is refused. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { hash } from '../../../shared/ln/testing/opener.ts';
import { atHeight, HEIGHT, invoiceOf, payScene, sync, viewOf } from './testing.ts';

const paid = { tag: 'paid' };
const failed = (why: string) => ({ tag: 'failed', why });
const unknown = failed('incorrect_or_unknown_payment_details');

test('one part', async () => {
  const { node, payers } = await payScene(['anna']);
  const [anna] = payers;
  const asked = await invoiceOf(node, 2_500_000n);
  expect(await viewOf(node, asked.id)).toMatchObject({ state: 'open', parts: [], kind: 'invoice' });
  anna?.offer('all', { ...asked, amountMsat: 2_500_000n });
  const report = await sync(node);
  expect(anna?.ends.get('all')).toMatchObject(paid);
  expect(await viewOf(node, asked.id)).toMatchObject({
    state: 'paid',
    amountMsat: '2500000',
    parts: [{ state: 'settled', amountMsat: '2500000', peerAlias: 'anna' }],
  });
  expect(report.notes.filter(({ note }) => note.kind === 'payment-received').map(({ note }) => [note.amountSat, note.detail])).toEqual([
    [2_500n, 'coffee'],
  ]);
});

test('a payment that wakes is shown once, as what it is, though its peer answers later', async () => {
  const { node, relay, payers } = await payScene(['anna']);
  const [anna] = payers;
  const asked = await invoiceOf(node, 2_500_000n);
  relay.distant = true;
  anna?.offer('all', { ...asked, amountMsat: 2_500_000n });
  const frames = anna?.waiting.map(({ session, epoch, n, bytes }) => ({ session, epoch, n, bytes }));
  await node.wake(JSON.stringify({ v: 1, wakeId: 'w', reason: 'message', sentAtMs: node.ports.now(), frames }));
  expect(anna?.ends.get('all')).toMatchObject(paid);
  expect(node.notices.map(({ title, body }) => `${title} ${body}`)).toEqual([expect.stringMatching(/2,500 sat.*coffee/)]);
});

test('a payment that wakes, by a peer that says nothing more: shown all the same, and the worker does not wait for ever', async () => {
  const { node, relay, payers } = await payScene(['anna']);
  const [anna] = payers;
  const asked = await invoiceOf(node, 2_500_000n);
  anna?.offer('all', { ...asked, amountMsat: 2_500_000n });
  const frames = anna?.waiting.map(({ session, epoch, n, bytes }) => ({ session, epoch, n, bytes }));
  relay.deaf = true;
  await node.wake(JSON.stringify({ v: 1, wakeId: 'w', reason: 'message', sentAtMs: node.ports.now(), frames }));
  expect(anna?.ends.get('all')).toEqual({ tag: 'held' });
  expect(node.notices.map(({ tag }) => tag)).toEqual(['checked']);
});

test('parts over two peers: held until they are whole, then all are fulfilled before anything leaves, and told once', async () => {
  const { node, relay, payers } = await payScene();
  const [anna, bert] = payers;
  const asked = await invoiceOf(node, 3_000_000n);
  anna?.offer('a', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n });
  await sync(node);
  expect(anna?.ends.get('a')).toEqual({ tag: 'held' });
  expect(await viewOf(node, asked.id)).toMatchObject({
    state: 'holding',
    amountMsat: '3000000',
    parts: [{ state: 'in-flight', expiryHeight: HEIGHT + 100 }],
  });
  bert?.offer('b', { ...asked, amountMsat: 2_000_000n, totalMsat: 3_000_000n });
  const from = relay.left.length;
  const report = await sync(node);
  expect([anna?.ends.get('a'), bert?.ends.get('b')]).toMatchObject([paid, paid]);
  const fulfils = relay.left.slice(from).map((names) => names.filter((name) => name.endsWith('update_fulfill_htlc')));
  expect(fulfils.filter((names) => names.length > 0)).toEqual([['anna update_fulfill_htlc', 'bert update_fulfill_htlc']]);
  expect(await viewOf(node, asked.id)).toMatchObject({
    state: 'paid',
    amountMsat: '3000000',
    parts: [{ state: 'settled' }, { state: 'settled' }],
  });
  const received = report.notes.filter(({ note }) => note.kind === 'payment-received');
  expect(received.map(({ note }) => [note.amountSat, note.detail])).toEqual([[3_000n, 'coffee']]);
});

test('parts over two channels of one peer are answered in the round that makes them whole', async () => {
  const { node, payers } = await payScene(['anna'], 2);
  const [anna] = payers;
  const asked = await invoiceOf(node);
  anna?.offer('a', { ...asked, amountMsat: 1_000n, totalMsat: 3_000n });
  anna?.offer('b', { ...asked, amountMsat: 2_000n, totalMsat: 3_000n, channel: 1 });
  await sync(node);
  expect([anna?.ends.get('a'), anna?.ends.get('b')]).toMatchObject([paid, paid]);
});

test('each part is told how long it waited, in tenths of a second', async () => {
  const { node, payers } = await payScene();
  const [anna, bert] = payers;
  const asked = await invoiceOf(node, 3_000_000n);
  anna?.offer('a', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n });
  await sync(node);
  node.later(2_550);
  bert?.offer('b', { ...asked, amountMsat: 2_000_000n, totalMsat: 3_000_000n });
  await sync(node);
  expect([anna?.holdTimes.get('a'), bert?.holdTimes.get('b')]).toEqual([[25], [0]]);
  bert?.offer('unknown', { amountMsat: 1_000n, paymentHash: hash('of nothing') });
  await sync(node);
  expect([bert?.ends.get('unknown'), bert?.holdTimes.get('unknown')]).toEqual([unknown, [0]]);
});

describe('a set that never completes', () => {
  test('is failed with mpp_timeout by the alarm that the relay was given', async () => {
    const { node, relay, payers } = await payScene();
    const [anna, bert] = payers;
    const asked = await invoiceOf(node, 3_000_000n);
    const at = node.ports.now();
    anna?.offer('a', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n });
    bert?.offer('b', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n, cltvExpiry: HEIGHT + 80 });
    await sync(node);
    expect(relay.syncs.at(-1)?.alarms).toEqual([
      { id: 'parts-height', atHeight: HEIGHT + 80 - 36, reason: 'deadline' },
      { id: 'parts', atMs: at + 60_000, reason: 'deadline' },
    ]);
    node.later(59_999);
    await node.wake();
    expect([anna?.ends.get('a'), bert?.ends.get('b')]).toEqual([{ tag: 'held' }, { tag: 'held' }]);
    node.later(1);
    await node.wake(JSON.stringify({ v: 1, wakeId: 'w', reason: 'deadline', sentAtMs: node.ports.now() }));
    expect([anna?.ends.get('a'), bert?.ends.get('b')]).toEqual([failed('mpp_timeout'), failed('mpp_timeout')]);
    expect(anna?.holdTimes.get('a')).toEqual([600]);
    expect(relay.syncs.at(-1)?.alarms).toEqual([]);
    // The invoice is as it was, and a second try pays it.
    expect(await viewOf(node, asked.id)).toMatchObject({ state: 'open', parts: [] });
    anna?.offer('again', { ...asked, amountMsat: 3_000_000n });
    await sync(node);
    expect(anna?.ends.get('again')).toMatchObject(paid);
  });

  test('is failed by height before a part comes near its expiry', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    const asked = await invoiceOf(node, 3_000_000n);
    anna?.offer('a', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n, cltvExpiry: HEIGHT + 70 });
    await sync(node);
    await atHeight(node, HEIGHT + 70 - 37);
    await sync(node);
    expect(anna?.ends.get('a')).toEqual({ tag: 'held' });
    await atHeight(node, HEIGHT + 70 - 36);
    await sync(node);
    expect(anna?.ends.get('a')).toEqual(failed('mpp_timeout'));
  });

  test('is failed when the user takes the invoice back', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    const asked = await invoiceOf(node, 3_000_000n);
    anna?.offer('a', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n });
    await sync(node);
    expect(await node.call('cancel-invoice', { paymentHash: asked.id })).toMatchObject({ ok: true });
    expect(anna?.ends.get('a')).toEqual(unknown);
    expect(await viewOf(node, asked.id)).toMatchObject({ state: 'failed', failure: 'cancelled', parts: [] });
    anna?.offer('b', { ...asked, amountMsat: 3_000_000n });
    await sync(node);
    expect(anna?.ends.get('b')).toEqual(unknown);
  });
});

describe('refused at once', () => {
  const amountMsat = 1_000_000n;
  test('an unknown hash, a wrong secret, none, too little, too much, too soon, paid before, an invoice that is over', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    const asked = await invoiceOf(node, amountMsat);
    anna?.offer('hash', { ...asked, amountMsat, paymentHash: hash('nobody knows') });
    anna?.offer('secret', { ...asked, amountMsat, paymentSecret: hash('a guess') });
    anna?.offer('no secret', { paymentHash: asked.paymentHash, amountMsat });
    anna?.offer('little', { ...asked, amountMsat: amountMsat - 1n });
    anna?.offer('much', { ...asked, amountMsat: 2n * amountMsat + 1n });
    anna?.offer('soon', { ...asked, amountMsat, cltvExpiry: HEIGHT + 59 });
    await sync(node);
    expect(Object.fromEntries(anna?.ends ?? [])).toEqual({
      hash: unknown,
      secret: unknown,
      'no secret': unknown,
      little: unknown,
      much: unknown,
      soon: unknown,
    });
    anna?.offer('good', { ...asked, amountMsat });
    await sync(node);
    anna?.offer('twice', { ...asked, amountMsat });
    const old = await invoiceOf(node, amountMsat);
    node.later(3_600_001);
    anna?.offer('old', { ...old, amountMsat });
    await sync(node);
    expect([anna?.ends.get('good'), anna?.ends.get('twice'), anna?.ends.get('old')]).toMatchObject([paid, unknown, unknown]);
    expect(await viewOf(node, old.id)).toMatchObject({ state: 'expired' });
  });

  test('a part of another total fails the whole set', async () => {
    const { node, payers } = await payScene();
    const [anna, bert] = payers;
    const asked = await invoiceOf(node, 3_000_000n);
    anna?.offer('a', { ...asked, amountMsat, totalMsat: 3_000_000n });
    await sync(node);
    bert?.offer('b', { ...asked, amountMsat, totalMsat: 3_000_001n });
    await sync(node);
    expect([anna?.ends.get('a'), bert?.ends.get('b')]).toEqual([unknown, unknown]);
  });
});

describe('keysend', () => {
  const preimage = hash('of the sender');
  const keysend = { paymentHash: sha256(preimage), payload: { keysendPreimage: preimage } };

  test('is taken from a satoshi on, and listed as a payment without an invoice', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    anna?.offer('dust', { ...keysend, amountMsat: 999n });
    await sync(node);
    anna?.offer('k', { ...keysend, amountMsat: 1_000n, cltvExpiry: HEIGHT + 40 });
    const report = await sync(node);
    expect([anna?.ends.get('dust'), anna?.ends.get('k')]).toMatchObject([unknown, paid]);
    const listed = await node.call('payments', null);
    expect(listed.ok && listed.value).toMatchObject([{ kind: 'keysend', state: 'paid', amountMsat: '1000', direction: 'in' }]);
    expect(report.notes.filter(({ note }) => note.kind === 'payment-received')).toHaveLength(1);
    // The same again is a second payment of the same hash.
    anna?.offer('again', { ...keysend, amountMsat: 1_000n });
    await sync(node);
    expect(anna?.ends.get('again')).toEqual(unknown);
  });

  test('a preimage of another hash, in parts, or too near its expiry', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    anna?.offer('other', { ...keysend, amountMsat: 5_000n, paymentHash: hash('another') });
    anna?.offer('part', { ...keysend, amountMsat: 5_000n, totalMsat: 9_000n, paymentSecret: hash('secret') });
    anna?.offer('late', { ...keysend, amountMsat: 5_000n, cltvExpiry: HEIGHT + 36 });
    await sync(node);
    expect([...(anna?.ends.values() ?? [])]).toEqual([unknown, unknown, unknown]);
    const listed = await node.call('payments', null);
    expect(listed.ok && listed.value).toEqual([]);
  });

  test('for an invoice of ours it needs the invoice’s secret', async () => {
    const { node, payers } = await payScene(['anna']);
    const [anna] = payers;
    const asked = await invoiceOf(node, 5_000n);
    anna?.offer('k', { paymentHash: asked.paymentHash, amountMsat: 5_000n, payload: { keysendPreimage: preimage } });
    await sync(node);
    expect(anna?.ends.get('k')).toEqual(unknown);
  });
});
