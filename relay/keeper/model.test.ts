/**
 * Hand-over and numbering under any schedule: two tabs of one app, a stranger, retries of everything, lost answers, links that
 * end, relays that stop softly or die. What must hold whatever happens: a set of keys is taken by one link at most and used by
 * no link after its end; epochs only grow; each outbound number is sealed once, in order; inbound frames come whole and in order.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { ok } from '../../shared/lib/result.ts';
import type { TransportKeys } from '../../shared/ln/transport/cipher.ts';
import { parseConfig } from '../config.ts';
import type { LinkEnd, LinkEvents, PeerLink, Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { fromBase64Url, toBase64Url } from './bytes.ts';
import { Keeper } from './keeper.ts';
import { messageOf, must } from './testing.ts';
import { Wheel } from './wheel.ts';

const ME = `02${'11'.repeat(32)}`;
const STRANGER = `02${'99'.repeat(32)}`;
const PEER = `03${'22'.repeat(32)}`;
const limits = must(parseConfig({ limits: { sessionsPerAccount: 64, handshakesPerAccount: 64, rememberedActs: 1000 } })).limits;

/** Keeps the books that the rules are about. */
class Ledger {
  readonly keysTaken = new Map<string, LedgerLink>();
  readonly links: LedgerLink[] = [];
}
class LedgerLink implements PeerLink {
  readonly act2 = new Uint8Array(50);
  readonly #ledger: Ledger;
  readonly events: LinkEvents;
  keys: string | undefined;
  over = false;
  readonly sealed: Uint8Array[] = [];
  constructor(ledger: Ledger, events: LinkEvents) {
    this.#ledger = ledger;
    this.events = events;
    ledger.links.push(this);
  }
  establish(_act3: Uint8Array, keys: TransportKeys): boolean {
    const name = toHex(keys.sending);
    if (this.#ledger.keysTaken.has(name)) throw new Error(`keys ${name} are held twice`);
    if (this.over || this.keys !== undefined) throw new Error('a link got keys when it could not take any');
    this.#ledger.keysTaken.set(name, this);
    this.keys = name;
    return true;
  }
  send(message: Uint8Array): boolean {
    if (this.over || this.keys === undefined) throw new Error('sealed without keys');
    this.sealed.push(Uint8Array.from(message));
    return true;
  }
  resume(): void {}
  end(reason: LinkEnd): void {
    if (this.over) return;
    this.over = true;
    this.events.ended(reason);
  }
}

type Handed = {
  readonly session: string;
  readonly epoch: number;
  readonly act3: string;
  readonly keys: { sending: string; receiving: string; chaining: string };
  readonly init: string;
};

class World {
  readonly ledger = new Ledger();
  readonly store: Store = openStore(null);
  keeper: Keeper;
  now = 1_800_000_000_000;
  acts = 0;
  ids = 0;
  readonly handed: Handed[] = [];
  readonly epochs: number[] = [];
  /** The app's outbox position in each epoch, and what the peer said in it. */
  readonly outOf = new Map<number, number>();
  readonly said = new Map<LedgerLink, number>();
  readonly taken = new Map<number, number>();

  constructor() {
    this.keeper = this.start();
  }

  start(): Keeper {
    const keeper = new Keeper({
      store: this.store,
      limits,
      clock: () => this.now,
      wheel: new Wheel(() => this.now, 1_000_000_000),
      dialPeer: async (_target, events) => ok(new LedgerLink(this.ledger, events)),
      wake: { notify: () => undefined, withheld: () => false },
      metrics: { count: () => undefined, observe: () => undefined, gauge: () => undefined },
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
      newId: () => `s${++this.ids}`,
      hasEvents: () => false,
    });
    keeper.start();
    return keeper;
  }

  async connect(): Promise<void> {
    this.acts += 1;
    const act1 = toHex(Uint8Array.of(0, 2, this.acts >> 8, this.acts & 0xff, ...new Uint8Array(46)));
    const answer = must(await this.keeper.connect(ME, { peer: PEER, host: '127.0.0.1', port: 9735, act1 }));
    expect(answer.epoch).toBeGreaterThan(this.epochs.at(-1) ?? 0);
    this.epochs.push(answer.epoch);
    const key = answer.epoch.toString(16).padStart(64, '0');
    const keys = { sending: key, receiving: '22'.repeat(32), chaining: '33'.repeat(32) };
    this.handed.push({ session: answer.session, epoch: answer.epoch, act3: '00'.repeat(66), keys, init: toBase64Url(messageOf(16)) });
  }

  /** The newest link that has keys and lives. */
  get live(): LedgerLink | undefined {
    return this.ledger.links.filter((link) => link.keys !== undefined && !link.over).at(-1);
  }

  send(epoch: number, from: number, count: number): void {
    const last = this.outOf.get(epoch) ?? 0;
    const first = Math.max(1, Math.min(from, last + 1));
    const session = this.handed.find((hand) => hand.epoch === epoch)?.session ?? 's1';
    const out = Array.from({ length: count }, (_, i) => ({
      session,
      epoch,
      m: first + i,
      bytes: toBase64Url(messageOf(133, epoch & 0xff, first + i)),
    }));
    if (this.keeper.checkOut(ME, out) === undefined) this.keeper.writeOut(ME, out);
    this.outOf.set(epoch, Math.max(last, first + count - 1));
  }

  take(): void {
    const answer = this.keeper.collect(ME);
    for (const frame of answer.in) {
      const applied = this.taken.get(frame.epoch) ?? 0;
      if (frame.n <= applied) continue;
      expect(frame.n).toBe(applied + 1);
      // The peer numbers what it says itself.
      expect(fromBase64Url(frame.bytes)?.[2]).toBe(frame.n & 0xff);
      this.taken.set(frame.epoch, frame.n);
    }
  }

  /** Possibly long after it was applied, and again. */
  acknowledge(): void {
    const session = this.handed[0]?.session;
    if (session !== undefined)
      this.keeper.acknowledge(
        ME,
        [...this.taken].map(([epoch, n]) => ({ session, epoch, n })),
      );
  }

  check(): void {
    expect(this.ledger.links.filter((link) => link.keys !== undefined && !link.over).length).toBeLessThanOrEqual(1);
    for (const link of this.ledger.links) {
      const numbers = link.sealed.slice(1).map((message) => message[3]);
      expect(numbers).toEqual(numbers.map((_, i) => (i + 1) & 0xff));
      const epoch = Number.parseInt(link.keys ?? '0', 16);
      expect(link.sealed.slice(1).every((message) => message[2] === (epoch & 0xff))).toBe(true);
    }
  }
}

type Step = (world: World) => void | Promise<void>;
const index = fc.nat(7);
const newest = <T>(list: readonly T[], back: number): T | undefined => list[Math.max(0, list.length - 1 - back)];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.connect()) },
  // The newest most often, old ones and repeats too.
  {
    weight: 4,
    arbitrary: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, index).map(
      (back): Step =>
        (world) => {
          const hand = newest(world.handed, back);
          if (hand !== undefined) world.keeper.establish(ME, hand);
        },
    ),
  },
  {
    weight: 1,
    arbitrary: index.map(
      (back): Step =>
        (world) => {
          const hand = newest(world.handed, back);
          if (hand !== undefined) expect(world.keeper.establish(STRANGER, hand).ok).toBe(false);
        },
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, index), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 3 }))
      .map(
        ([back, from, count]): Step =>
          (world) => {
            const epoch = newest(world.epochs, back);
            if (epoch !== undefined) world.send(epoch, from, count);
          },
      ),
  },
  {
    weight: 4,
    arbitrary: fc.constant<Step>((world) => {
      const link = world.live;
      if (link === undefined) return;
      const n = (world.said.get(link) ?? 0) + 1;
      world.said.set(link, n);
      link.events.message(messageOf(132, n & 0xff));
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.take()) },
  { weight: 2, arbitrary: fc.constant<Step>((world) => world.acknowledge()) },
  {
    weight: 1,
    arbitrary: index.map(
      (back): Step =>
        (world) =>
          newest(world.ledger.links, back)?.end('peer-closed'),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Step>((world) => {
      const session = world.handed[0]?.session;
      if (session !== undefined) world.keeper.disconnect(ME, session);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (softly): Step =>
        (world) => {
          if (softly) world.keeper.stop();
          // The process dies: its sockets close, nobody is told.
          else for (const link of world.ledger.links) link.over = true;
          world.keeper = world.start();
        },
    ),
  },
);

test('no schedule gives keys to two links, repeats a number, or loses a frame', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const world = new World();
      for (const act of steps) {
        await act(world);
        world.check();
      }
      world.store.close();
    }),
    { numRuns: 100 },
  );
});
