/** Paying, from the page's request to the proof: over one peer and several, again after a failure, and through the end of a worker. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { err } from '../../../shared/lib/result.ts';
import { edgeBetween } from '../../../shared/ln/route/liquidity.ts';
import { updateOf } from '../../../shared/ln/testing/payments.ts';
import { setting } from '../../store/store.ts';
import type { PagePorts } from '../requests.ts';
import { nextPaymentMs } from './drive.ts';
import { HEIGHT, idOf, PaymentWorld, scidOf } from './testing-send.ts';

const errorOf = (code: string) => ({ ok: false, error: { code } });
const id = 'payment-1';
/** Each channel holds half a million sat of ours. */
const small = 300_000_000n;
const large = 700_000_000n;
const edgeOf = (name: string): string => edgeBetween(scidOf(name), fromHex(idOf(name)), fromHex(idOf('dave')));
const both = { through: ['bob', 'carol'] };

async function paid(world: PaymentWorld) {
  const listed = await world.node.call('payments', null);
  if (!listed.ok) throw new Error(listed.error.code);
  return listed.value;
}
async function one(world: PaymentWorld) {
  const [view, ...more] = await paid(world);
  if (!view || more.length > 0) throw new Error('not one payment');
  return view;
}
const two = () => PaymentWorld.start({ bob: {}, carol: {} });

describe('one part', () => {
  test('to a peer: sent, with the proof, no fee, and a notice', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const { text, preimage, paymentHash } = world.invoice('bob', small);
    expect(await world.node.call('pay-estimate', { text })).toMatchObject({
      ok: true,
      value: { amountMsat: '300000000', feeMsat: '0', maxFeeMsat: '1505000', parts: 1, hops: 1, route: 'direct' },
    });
    const begun = await world.node.call('pay', { id, text });
    expect(begun).toMatchObject({
      ok: true,
      value: { id, paymentHash, state: 'pending', payee: idOf('bob'), parts: [{ state: 'in-flight' }] },
    });
    await world.settle();
    const [arrival] = world.arrivals;
    if (!arrival) throw new Error('nothing arrived');
    expect(arrival.atPeer).toMatchObject({ tag: 'receipt', totalMsat: small, amtToForward: small });
    // The expiry does not tell the payee from a hop, and leaves it what it asked for.
    expect(arrival.htlc.cltvExpiry).toBeGreaterThanOrEqual(HEIGHT + 18 + 3);
    expect(arrival.htlc.cltvExpiry).toBeLessThan(HEIGHT + 18 + 3 + 21);
    await world.fulfil(arrival, preimage);
    const view = await one(world);
    expect(view).toMatchObject({
      state: 'sent',
      preimage: toHex(preimage),
      feeMsat: '0',
      description: 'a coffee',
      text,
      endedAtMs: view.atMs,
    });
    expect(view.parts).toMatchObject([{ n: 0, state: 'settled', amountMsat: '300000000', hops: 1, peerAlias: 'bob' }]);
    expect(world.into.notes.map(({ note }) => note)).toMatchObject([{ kind: 'payment-sent', amountSat: 300_000n }]);
    expect(await world.node.call('payment', { id })).toEqual({ ok: true, value: view });
    expect(await world.ours('bob')).toBe(200_000n);
  });

  test('asked again with its id it is the same payment; with another id it was paid before', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const { text, preimage } = world.invoice('bob', small);
    await world.node.call('pay', { id, text });
    expect(await world.node.call('pay', { id, text })).toMatchObject({ ok: true, value: { state: 'pending' } });
    expect(await world.node.call('pay', { id: 'payment-2', text })).toMatchObject(errorOf('paid-before'));
    await world.settle();
    expect(world.arrivals).toHaveLength(1);
    await world.fulfil(world.arrivals[0] ?? never(), preimage);
    expect(await world.node.call('pay', { id, text })).toMatchObject({ ok: true, value: { state: 'sent' } });
    expect(await world.node.call('pay', { id: 'payment-2', text })).toMatchObject(errorOf('paid-before'));
    await world.settle();
    expect(world.arrivals).toHaveLength(1);
  });

  test('two contexts that share no lock pay at the same moment: one HTLC', async () => {
    const world = await two();
    const other = await world.node.again();
    other.relay.meddle = world.node.relay.meddle;
    const { text } = world.invoice('dave', small, both);
    const answers = await Promise.all([world.node.call('pay', { id, text }), other.call('pay', { id: 'payment-2', text })]);
    expect(answers.flatMap((answer) => (answer.ok ? [] : [answer.error.code]))).toEqual(['paid-before']);
    await world.settle();
    expect(world.arrivals).toHaveLength(1);
  });

  test('an amount that the payer chooses', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const { text } = world.invoice('bob', undefined);
    expect(await world.node.call('pay', { id, text })).toMatchObject(errorOf('amount-needed'));
    expect(await world.node.call('pay', { id, text, amountMsat: '5000' })).toMatchObject({ ok: true, value: { amountMsat: '5000' } });
  });

  test('without an invoice: the payee gets the preimage with it', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const begun = await world.node.call('keysend', { id, payee: idOf('bob'), amountMsat: '21000' });
    expect(begun).toMatchObject({ ok: true, value: { kind: 'keysend', state: 'pending' } });
    await world.settle();
    const arrival = world.arrivals[0] ?? never();
    const { keysendPreimage = never() } = arrival.atPeer.tag === 'receipt' ? arrival.atPeer : never();
    expect(sha256(keysendPreimage)).toEqual(arrival.htlc.paymentHash);
    await world.fulfil(arrival, keysendPreimage);
    expect(await one(world)).toMatchObject({ state: 'sent', kind: 'keysend', amountMsat: '21000' });
    expect(await world.node.call('keysend', { id: 'keysend-2', payee: `02${'00'.repeat(31)}05`, amountMsat: '1' })).toMatchObject(
      errorOf('payee-invalid'),
    );
  });

  test('what is refused before anything is done', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const ask = (text: string, more = {}) => world.node.call('pay', { id, text, ...more });
    expect(await ask('lnbc1')).toMatchObject(errorOf('invoice-invalid'));
    expect(await ask(world.invoice('bob', 600_000_000n).text)).toMatchObject(errorOf('not-enough'));
    expect(await ask(world.invoice('dave', 1_000n).text)).toMatchObject(errorOf('no-route'));
    expect(await ask(world.invoice('dave', 1_000_000n, both).text, { maxFeeMsat: '999' })).toMatchObject(errorOf('fee-too-high'));
    const own = await world.node.call('create-invoice', { amountMsat: '1000', description: 'mine' });
    expect(await ask(own.ok ? own.value.text : '')).toMatchObject(errorOf('payee-invalid'));
    const late = world.invoice('bob', 1_000n).text;
    world.node.later(3_601_000);
    expect(await ask(late)).toMatchObject(errorOf('invoice-expired'));
    expect((await paid(world)).filter(({ direction }) => direction === 'out')).toEqual([]);
    expect(await world.node.call('payment', { id })).toMatchObject(errorOf('payment-unknown'));
  });
});

describe('parts over several peers', () => {
  test('they arrive together as one amount, and the fees of both are paid', async () => {
    const world = await two();
    const { text, preimage } = world.invoice('dave', large, both);
    const begun = await world.node.call('pay', { id, text });
    expect(begun).toMatchObject({ ok: true, value: { parts: [{ state: 'in-flight' }, { state: 'in-flight' }] } });
    await world.settle();
    expect(world.arrivals.map(({ peer }) => peer).sort()).toEqual(['bob', 'carol']);
    for (const { atPayee } of world.arrivals) expect(atPayee).toMatchObject({ totalMsat: large });
    expect(world.arrivals.reduce((sum, { atPayee }) => sum + (atPayee?.amtToForward ?? 0n), 0n)).toBe(large);
    for (const arrival of world.arrivals) await world.fulfil(arrival, preimage);
    expect(await one(world)).toMatchObject({ state: 'sent', feeMsat: '2000', parts: [{ state: 'settled' }, { state: 'settled' }] });
    expect(world.into.notes.map(({ note }) => note.kind)).toEqual(['payment-sent']);
    expect((await world.ours('bob')) + (await world.ours('carol'))).toBe(1_000_000n - 700_002n);
  });

  test('a payee that takes no parts gets none', async () => {
    const world = await two();
    const { text } = world.invoice('dave', large, { ...both, mpp: false });
    expect(await world.node.call('pay', { id, text })).toMatchObject(errorOf('no-route'));
  });

  test('a part that fails on its way is sent another way, and what it taught is remembered', async () => {
    const world = await two();
    const { text, preimage } = world.invoice('dave', small, both);
    await world.node.call('pay', { id, text });
    await world.settle();
    const first = world.arrivals[0] ?? never();
    await world.fail(first, { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) }, 'peer');
    const second = world.arrivals[1] ?? never();
    expect(second.peer).not.toBe(first.peer);
    await world.again();
    const learned = await setting(world.node.ports.db, 'liquidity');
    expect(learned?.bounds[edgeOf(first.peer)]).toMatchObject({ minMsat: 0, maxMsat: Number(small) - 1 });
    await world.fulfil(second, preimage);
    const view = await one(world);
    expect(view).toMatchObject({ state: 'sent', feeMsat: '1000' });
    expect(view.parts).toMatchObject([{ state: 'failed', failure: 'temporary_channel_failure at hop 0' }, { state: 'settled' }]);
    // The next payment does not try the first way again.
    world.arrivals.length = 0;
    await world.node.call('pay', { id: 'payment-2', text: world.invoice('dave', 150_000_000n, both).text });
    await world.settle();
    expect(world.arrivals.map(({ peer }) => peer)).toEqual([second.peer]);
  });

  test('a hop that wants another fee gets it', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    const { text } = world.invoice('dave', small, { through: ['bob'] });
    await world.node.call('pay', { id, text });
    await world.settle();
    const channelUpdate = updateOf(edgeOf('bob'), 1_234);
    await world.fail(world.arrivals[0] ?? never(), { name: 'fee_insufficient', htlcMsat: small, channelUpdate }, 'peer');
    // 7 millionths on top: `updateOf`.
    expect(world.arrivals[1]?.htlc.amountMsat).toBe(small + 1_234n + (small * 7n) / 1_000_000n);
    expect(await one(world)).toMatchObject({ state: 'pending' });
  });

  test('the payee knows nothing of it: it has failed when all parts are back, and may be tried again with a new id', async () => {
    const world = await two();
    const { text } = world.invoice('dave', large, both);
    await world.node.call('pay', { id, text });
    await world.settle();
    const [first = never(), second = never()] = world.arrivals;
    await world.fail(first, { name: 'incorrect_or_unknown_payment_details', htlcMsat: large, height: HEIGHT });
    expect(await one(world)).toMatchObject({ state: 'pending' });
    expect(world.into.notes).toEqual([]);
    await world.fail(second, { name: 'incorrect_or_unknown_payment_details', htlcMsat: large, height: HEIGHT });
    expect(await one(world)).toMatchObject({ state: 'failed', failure: 'invoice-unknown', feeMsat: '0' });
    expect(world.into.notes.map(({ note }) => note)).toMatchObject([{ kind: 'payment-failed', detail: 'invoice-unknown' }]);
    expect(world.arrivals).toHaveLength(2);
    expect(await world.node.call('pay', { id, text })).toMatchObject({ ok: true, value: { state: 'failed' } });
    expect(await world.node.call('pay', { id: 'payment-2', text })).toMatchObject({ ok: true, value: { state: 'pending' } });
  });
});

/** Ends the worker before its `at`th write: this and every later one fails. */
const killedAt = (at: number): { readonly wrap: (ports: PagePorts) => PagePorts; readonly writes: string[] } => {
  const writes: string[] = [];
  const wrap = (ports: PagePorts): PagePorts => ({
    ...ports,
    db: new Proxy(ports.db, {
      get: (db, name) => {
        if (name !== 'transaction') {
          const value: unknown = Reflect.get(db, name);
          return typeof value === 'function' ? value.bind(db) : value;
        }
        return (stores: never, mode: 'readonly' | 'readwrite', options: IDBTransactionOptions) => {
          if (mode === 'readwrite') writes.push(String(stores));
          if (mode === 'readwrite' && writes.length >= at) throw new Error('killed');
          return db.transaction(stores, mode, options);
        };
      },
    }),
  });
  return { wrap, writes };
};

describe('a worker killed before any of its writes', () => {
  /** A payment of two parts over two peers, begun by a worker that dies; how long the next life waits to begin. */
  async function killed(at: number, laterMs: number) {
    const world = await two();
    const { text, preimage } = world.invoice('dave', large, both);
    const axe = killedAt(at);
    await world.again(axe.wrap);
    await world.node.call('pay', { id, text }).catch(() => undefined);
    const survived = axe.writes.length < at;
    await world.again();
    const alarm = await nextPaymentMs(world.node.ports);
    world.node.later(laterMs);
    return { world, text, preimage, survived, alarm };
  }
  const everyWrite = async (play: (at: number) => Promise<boolean>): Promise<number> => {
    for (let at = 1; at < 20; at += 1) if (await play(at)) return at - 1;
    throw new Error('it writes without end');
  };

  test('and asked again, the payment is made once', async () => {
    const states = new Set<number>();
    const deaths = await everyWrite(async (at) => {
      const { world, text, preimage, survived, alarm } = await killed(at, 1_000);
      const stored = await world.node.ports.db.get('payments', id);
      const flying = stored?.life.parts.filter(({ state }) => state === 'in-flight').length ?? 0;
      states.add(flying);
      // Between the first part and the second the next life is woken to go on.
      expect(alarm === undefined).toBe(flying !== 1);
      expect(await world.node.call('pay', { id, text })).toMatchObject({ ok: true });
      await world.settle();
      expect(world.arrivals).toHaveLength(2);
      for (const arrival of [...world.arrivals]) await world.fulfil(arrival, preimage);
      expect(await one(world)).toMatchObject({ state: 'sent', feeMsat: '2000' });
      expect(world.arrivals).toHaveLength(2);
      expect((await world.ours('bob')) + (await world.ours('carol'))).toBe(1_000_000n - 700_002n);
      return survived;
    });
    // Before the first part, between the two, after both.
    expect([...states].sort()).toEqual([0, 1, 2]);
    expect(deaths).toBeGreaterThanOrEqual(2);
  });

  test('between two parts, the relay is asked to wake the next life', async () => {
    let { world, alarm } = await killed(1, 0);
    for (let at = 2; alarm === undefined && at < 20; at += 1) ({ world, alarm } = await killed(at, 0));
    const asked: unknown[] = [];
    world.node.relay.meddle = async (op, body) => {
      if (op === 'sync') asked.push(body);
      return err({ code: 'unreachable', detail: 'made for a test' });
    };
    const { createdAtMs = 0 } = (await world.node.ports.db.get('payments', id)) ?? {};
    await world.node.call('refresh', null);
    const alarms = expect.arrayContaining([{ id: 'payments', atMs: createdAtMs + 3_000, reason: 'deadline' }]);
    expect(asked).toMatchObject([{ alarms }]);
  });

  test('and back only after the deadline, it sends nothing more, and nothing has moved', async () => {
    await everyWrite(async (at) => {
      const { world, survived } = await killed(at, 121_000);
      await world.settle();
      for (const arrival of [...world.arrivals]) await world.fail(arrival, { name: 'mpp_timeout' });
      const views = await paid(world);
      if (views.length > 0) expect(views).toMatchObject([{ state: 'failed', failure: 'timeout', feeMsat: '0' }]);
      expect((await world.ours('bob')) + (await world.ours('carol'))).toBe(1_000_000n);
      return survived;
    });
  });
});

describe('a probe', () => {
  test('comes back from the payee: it would arrive; nothing is listed and nobody is told', async () => {
    const world = await PaymentWorld.start({ bob: {} });
    // The relay of this world is away, and answers so at once: while the probe is out, only when its end is here.
    let isBack = (): void => undefined;
    const back = new Promise<void>((resolve) => {
      isBack = resolve;
    });
    await world.again((ports) => ({
      ...ports,
      relay: async () => {
        if ((await ports.db.getAll('payments')).length > 0) await back;
        return ports.relay();
      },
    }));
    const { text, paymentHash } = world.invoice('dave', small, { through: ['bob'] });
    const answer = world.node.call('probe', { text });
    await expect.poll(async () => (await world.node.ports.db.getAll('payments')).length).toBe(1);
    await world.settle();
    const arrival = world.arrivals[0] ?? never();
    expect(toHex(arrival.htlc.paymentHash)).not.toBe(paymentHash);
    expect(await paid(world)).toEqual([]);
    await world.fail(arrival, { name: 'incorrect_or_unknown_payment_details', htlcMsat: small, height: HEIGHT });
    isBack();
    expect(await answer).toEqual({ ok: true, value: { reached: true, feeMsat: '1000', hops: 2 } });
    expect(world.into.notes).toEqual([]);
    expect(await world.node.ports.db.getAll('payments')).toEqual([]);
  });
});

function never(): never {
  throw new Error('there is none');
}
