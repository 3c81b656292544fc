/**
 * A payment in two parts over two peers, out and in, and a node that dies before each of its writes and requests, and, where it is paid,
 * before each pair of them: in the end it is paid exactly once, or has failed and nothing has moved, and both ends of each channel say so.
 * The peers are engines of ours, so that a run is short; with LDK: `payment-parts.test.ts`.
 */
import { beforeAll, expect, test } from 'vitest';
import { type Asked, CHANNEL_SAT, invoiceOf, payScene, type Scene, sync, viewOf } from '../../app/runtime/payments/testing.ts';
import { killer } from '../../app/runtime/payments/testing-kill.ts';
import { type Arrival, HEIGHT, type Invoiced, PaymentWorld } from '../../app/runtime/payments/testing-send.ts';
import { livePeers } from '../../app/runtime/peers.ts';
import { isQuiet } from '../../shared/ln/channel/commitments.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import type { AnyFailure } from '../../shared/ln/onion/failure.ts';
import { rememberingCurve } from '../lab/curve.ts';

beforeAll(rememberingCurve);

const id = 'a-payment';
const peers = ['bob', 'carol'];
/** Each channel holds half a million sat of ours. */
const large = 700_000_000n;
const small = 300_000_000n;
const feeMsat = 1_000n;

type Answer = { readonly fail: AnyFailure; readonly by: 'peer' | 'payee' } | 'fulfil';
type Flow = {
  readonly name: string;
  readonly amountMsat: bigint;
  /** What becomes of a part, given how many of this payment came before it. Asked when the payee has all that is to come. */
  readonly answer: (before: number) => Answer;
  /** How many parts make up the amount. */
  readonly parts: number;
  readonly end: 'sent' | 'failed';
};
const flows: readonly Flow[] = [
  { name: 'two parts, paid', amountMsat: large, parts: 2, end: 'sent', answer: () => 'fulfil' },
  {
    name: 'one part that comes back and takes the other way',
    amountMsat: small,
    parts: 1,
    end: 'sent',
    answer: (before) =>
      before === 0 ? { fail: { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) }, by: 'peer' } : 'fulfil',
  },
  {
    name: 'two parts that the payee gives back',
    amountMsat: large,
    parts: 2,
    end: 'failed',
    answer: () => ({ fail: { name: 'incorrect_or_unknown_payment_details', htlcMsat: large, height: HEIGHT }, by: 'payee' }),
  },
];

/** The world that pays, which a node may leave and come back to. */
class Paying {
  readonly world: PaymentWorld;
  readonly flow: Flow;
  readonly #invoice: Invoiced;
  #answered = 0;

  private constructor(world: PaymentWorld, flow: Flow) {
    this.world = world;
    this.flow = flow;
    this.#invoice = world.invoice('dave', flow.amountMsat, { through: peers });
  }
  static start = async (flow: Flow): Promise<Paying> => new Paying(await PaymentWorld.start({ bob: {}, carol: {} }), flow);

  /** One life of the node. True: it passed fewer boundaries than `at`, and did not die of it. */
  async life(at: number): Promise<boolean> {
    const axe = killer(at);
    await this.world.again(axe.wrap);
    await this.#live().catch((error: unknown) => {
      if (axe.passed < at) throw error;
    });
    return axe.passed < at;
  }

  async #live(): Promise<void> {
    await this.world.node.call('pay', { id, text: this.#invoice.text });
    await this.world.settle();
    while (this.#answered < this.world.arrivals.length) {
      const waiting = this.world.arrivals.slice(this.#answered);
      // The payee answers when it has all of it; what waits at the end of a life is answered in the next.
      if (this.#answered % this.flow.parts === 0 && waiting.length < this.flow.parts) return;
      const [arrival] = waiting;
      if (arrival) await this.#answer(arrival);
    }
  }

  async #answer(arrival: Arrival): Promise<void> {
    const answer = this.flow.answer(this.#answered);
    this.#answered += 1;
    if (answer === 'fulfil') await this.world.fulfil(arrival, this.#invoice.preimage);
    else await this.world.fail(arrival, answer.fail, answer.by);
  }

  /** The last life, and then what there is. */
  async end(): Promise<void> {
    await this.life(Number.POSITIVE_INFINITY);
    const { end, parts, amountMsat } = this.flow;
    const view = await this.world.node.call('payment', { id });
    if (!view.ok) throw new Error(view.error.code);
    const settled = view.value.parts.filter(({ state }) => state === 'settled');
    const others = view.value.parts.filter(({ state }) => state !== 'settled' && state !== 'failed');
    expect([view.value.state, settled.length, others.length]).toEqual([end, end === 'sent' ? parts : 0, 0]);
    expect(view.value.preimage !== undefined).toBe(end === 'sent');
    expect(this.#answered).toBe(this.world.arrivals.length);
    let oursMsat = 0n;
    for (const name of peers) {
      const [own, theirs] = await this.world.sides(name);
      if (!own || !theirs) throw new Error('a side is missing');
      expect([isQuiet(own), isQuiet(theirs)]).toEqual([true, true]);
      expect([own.toLocalMsat, own.toRemoteMsat]).toEqual([theirs.toRemoteMsat, theirs.toLocalMsat]);
      oursMsat += own.toLocalMsat;
    }
    const lostMsat = end === 'sent' ? amountMsat + feeMsat * BigInt(parts) : 0n;
    expect(oursMsat).toBe(1_000_000_000n - lostMsat);
  }
}

test.each(flows)('out, $name: killed at each boundary', { timeout: 120_000 }, async (flow) => {
  let at = 1;
  for (let survived = false; !survived; at += 1) {
    const paying = await Paying.start(flow);
    survived = await paying.life(at);
    await paying.end();
  }
  console.log(`out, ${flow.name}: ${at - 2} boundaries`);
  expect(at).toBeGreaterThan(15);
});

/** Two payers, and a node that they pay over and over: what a pair of deaths has to do with is one invoice. */
class Paid {
  readonly scene: Scene;
  #asked: Asked | undefined;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  async begin(): Promise<void> {
    const totalMsat = 2_000_000n;
    this.#asked = await invoiceOf(this.scene.node, totalMsat);
    for (const payer of this.scene.payers) payer.offer('part', { ...this.#asked, amountMsat: 1_000_000n, totalMsat });
  }

  /** True: it passed fewer boundaries than `at`. */
  async life(at: number): Promise<boolean> {
    const { node, relay } = this.scene;
    const axe = killer(at);
    const life = await node.again({ wrap: (ports) => axe.wrap({ ...ports, relay: async () => relay.client }) });
    await sync(life).catch((error: unknown) => {
      if (axe.passed < at) throw error;
    });
    return axe.passed < at;
  }

  /** What both sides have of it at last. `before`: the payers' msat. */
  async end(before: bigint): Promise<void> {
    await this.life(Number.POSITIVE_INFINITY);
    const { node, payers } = this.scene;
    expect(payers.map(({ ends }) => ends.get('part')?.tag)).toEqual(['paid', 'paid']);
    const { state, parts } = await viewOf(node, this.#asked?.id ?? '');
    expect([state, parts?.map((part) => part.state)]).toEqual(['paid', ['settled', 'settled']]);
    expect(before - this.payersMsat).toBe(2_000_000n);
    for (const { record, state: own } of await livePeers(node.ports)) {
      const [ours, theirs] = [own, payers.find(({ peerId }) => peerId === record.peerId)?.state].map(
        (one) => one?.channels[0] && commitmentsOf(one.channels[0]),
      );
      if (!ours || !theirs) throw new Error('a side is missing');
      expect([isQuiet(ours), isQuiet(theirs), ours.toLocalMsat]).toEqual([true, true, theirs.toRemoteMsat]);
    }
  }

  get payersMsat(): bigint {
    const channels = this.scene.payers.flatMap(({ state }) => state.channels.flatMap((channel) => commitmentsOf(channel) ?? []));
    expect(channels.map(({ terms }) => terms.fundingAmountSat)).toEqual([CHANNEL_SAT, CHANNEL_SAT]);
    return channels.reduce((sum, { toLocalMsat }) => sum + toLocalMsat, 0n);
  }
}

test('in, two parts, paid: killed at each pair of boundaries', { timeout: 300_000 }, async () => {
  const paid = new Paid(await payScene(['anna', 'bert']));
  let pairs = 0;
  let first = 1;
  for (let survived = false; !survived; first += 1) {
    for (let second = 1, again = false; !again; second += 1) {
      const before = paid.payersMsat;
      await paid.begin();
      survived = await paid.life(first);
      again = survived || (await paid.life(second));
      await paid.end(before);
      pairs += 1;
    }
  }
  console.log(`in, two parts, paid: ${first - 2} boundaries, ${pairs} pairs`);
  expect(pairs).toBeGreaterThan(100);
});
