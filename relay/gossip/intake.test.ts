/** The queue of gossip: bounded, fair, and never in the way of the rest of the relay. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../config.ts';
import { must, until } from '../keeper/testing.ts';
import type { Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { systemTimers } from '../timers.ts';
import type { Funding, Verdict } from './funding.ts';
import { createIntake, type Intake, type Offence } from './intake.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { announcement, forged, pair, regtest, scid, signer, update } from './testing.ts';
import { createVerifier } from './verify.ts';

const NOW = Math.floor(Date.now() / 1000);
const [alice, bob] = [signer('alice'), signer('bob')];
const channel = (i: number) => pair(scid(500 + i), alice, bob);
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let store: Store;
let ledger: Ledger;
let intake: Intake;
const told: string[] = [];

/** `verdict` by number of the block. */
function make(limits: Record<string, number> = {}, verdict: (block: number) => Verdict | Promise<Verdict> = there): void {
  const config = must(parseConfig({ limits }));
  ledger = openLedger({ store, chainHash: regtest, limits: config.limits, clock: Date.now, log: silent });
  const funding: Funding = {
    look: (channels) => Promise.all(channels.map(({ shortChannelId }) => verdict(Number(shortChannelId >> 40n)))),
  };
  intake = createIntake({
    ledger,
    funding,
    verifierOf: createVerifier(),
    limits: config.limits,
    timers: systemTimers,
    log: silent,
    metrics: { count: (_name, label = '') => void told.push(label), observe: () => undefined, gauge: () => undefined },
  });
}
const there = (block: number): Verdict => ({ kind: 'there', capacitySat: 1_000_000, outpoint: `tx of ${block}:0` });

function feed() {
  const seen = { resumed: 0, useless: 0, offences: [] as Offence[] };
  const way = intake.open({
    resume: () => {
      seen.resumed += 1;
    },
    useless: () => {
      seen.useless += 1;
    },
    offence: (what) => void seen.offences.push(what),
  });
  return { ...way, seen };
}
beforeEach(() => {
  store = openStore(null);
  told.length = 0;
});
afterEach(async () => {
  await intake.stop();
  store.close();
});
const idle = () => until(() => intake.waiting() === 0, 'the queue to be empty');

describe('the chain says that the output', () => {
  const open = (verdict: Verdict) => {
    make({}, () => verdict);
    const way = feed();
    way.push(announcement(channel(1)));
    way.push(update(channel(1), 0, NOW));
    return way;
  };

  test('is there: the channel counts, and the update behind it', async () => {
    open(there(501));
    await until(() => told.length === 2, 'both messages');
    expect([told, ledger.channels(), ledger.size()]).toEqual([['channel_announcement', 'channel_update'], 1, 2]);
  });

  test('is not there: an offence, and the same again costs no signature', async () => {
    const way = open({ kind: 'not-there' });
    way.push(announcement(channel(1)));
    await until(() => told.length === 3, 'all messages');
    expect([told, way.seen.offences, ledger.channels()]).toEqual([['unfunded', 'refused-before', 'no-channel'], ['unfunded'], 0]);
    expect(ledger.knows(channel(1).shortChannelId)).toBe(true);
  });

  test.each(['not-yet', 'cannot-tell'] as const)('%s: nobody is to blame, and the next time it is looked for again', async (kind) => {
    const way = open({ kind });
    await until(() => told.length === 2, 'both messages');
    expect([told, way.seen.offences, ledger.knows(channel(1).shortChannelId)]).toEqual([[kind, 'no-channel'], [], false]);
  });
});

test('announced by two peers at once, a channel is taken once', async () => {
  make();
  const [one, two] = [feed(), feed()];
  const message = announcement(channel(1));
  one.push(message);
  two.push(message);
  await until(() => told.length === 2, 'both messages');
  expect(told).toEqual(['channel_announcement', 'known']);
});

describe('a peer that sends faster than its messages are checked', () => {
  /** Lets the chain's answers go when it is called. */
  function heldChain() {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    return {
      release,
      verdict: async (block: number): Promise<Verdict> => {
        await held;
        return there(block);
      },
    };
  }

  test.each([
    ['messages', { gossipQueueMessages: 10 }],
    ['bytes', { gossipQueueBytes: 3_000 }],
  ])('is told to wait at the limit of %s, and to go on when half is done', async (_name, limits) => {
    const chain = heldChain();
    make(limits, chain.verdict);
    const way = feed();
    way.push(announcement(channel(0)));
    await until(() => intake.waiting() === 0, 'the first to be under way');
    const room = Array.from({ length: 10 }, (_, i) => way.push(announcement(channel(1 + i))));
    expect(room[0]).toBe(true);
    expect(room.at(-1)).toBe(false);
    expect(way.seen.resumed).toBe(0);
    chain.release();
    await until(() => ledger.channels() === 11, 'all channels');
    expect(way.seen.resumed).toBe(1);
  });

  test('does not make another one wait for all of it', async () => {
    const chain = heldChain();
    make({}, chain.verdict);
    const [loud, quiet] = [feed(), feed()];
    loud.push(announcement(channel(0)));
    await until(() => intake.waiting() === 0, 'the first to be under way');
    const again = announcement(channel(0));
    for (let i = 0; i < 1_000; i += 1) loud.push(again);
    quiet.push(announcement(channel(1)));
    chain.release();
    await until(() => told.length === 1_002, 'all messages');
    // What came of each, in order: the first announcement, then that of the quiet peer among the repetitions.
    expect(told.lastIndexOf('channel_announcement')).toBeLessThan(100);
    expect(loud.seen.useless).toBe(1_000);
  });

  test('and is hung up on leaves nothing behind', async () => {
    const chain = heldChain();
    make({}, chain.verdict);
    const way = feed();
    for (let i = 0; i < 100; i += 1) way.push(i === 0 ? announcement(channel(0)) : forged(update(channel(0), 0, NOW)));
    way.close();
    chain.release();
    await idle();
    expect(intake.waiting()).toBe(0);
    expect(way.seen).toEqual({ resumed: 0, useless: 0, offences: [] });
  });
});

test('while hundreds of signatures are checked, the relay has its turns', async () => {
  make({ gossipTurnMs: 5 });
  const messages = Array.from({ length: 60 }, (_, i) => announcement(channel(i)));
  let turns = 0;
  let running = true;
  const turn = (): void => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const way = feed();
  for (const message of messages) way.push(message);
  await until(() => ledger.channels() === messages.length, 'all channels', 15_000);
  running = false;
  // One announcement is four signatures, a few milliseconds: a turn ends with the one that goes beyond its time.
  expect(turns).toBeGreaterThan(10);
});
