/**
 * Two of our engines, and every pair of crashes of either side: at each message of a flow the side that hears it dies, before or after its
 * commit, and once more at each message of what follows. Each takes the connection with it, and what was on its way: before the commit
 * nothing has happened, after it nothing of what was said got out. In the end the flow is complete, whatever was lost.
 */

import { sha256 } from '@noble/hashes/sha2.js';
import { beforeAll, expect, test } from 'vitest';
import { isQuiet } from '../../shared/ln/channel/commitments.ts';
import { liveOf } from '../../shared/ln/channel/state.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { throughIce } from '../../shared/ln/testing/freeze-each-step.ts';
import { otherParty, partyNames } from '../../shared/ln/testing/model-moves.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { Pair, type PartyName } from '../../shared/ln/testing/pair.ts';
import { rememberingCurve } from '../lab/curve.ts';

beforeAll(rememberingCurve);

/** With a connection that outlives it, a crash before the commit is a message that comes again, and one after it is nothing. */
const crashes = ['before', 'after'] as const;
type Crash = (typeof crashes)[number];

type Saved = { readonly [P in PartyName]: { readonly state: PeerState; readonly wire: readonly Uint8Array[]; readonly news: number } };
type Flow = {
  readonly name: string;
  start(pair: Pair): void;
  /** What the one who started it, or the one who answers it, does again when it wakes. */
  nudge(pair: Pair): void;
  isDone(pair: Pair): boolean;
};

const preimage = hash('the one payment');
const flows: readonly Flow[] = [
  {
    name: 'add and fulfil, both ways',
    start(pair) {
      for (const name of partyNames)
        pair[name].ask({
          tag: 'add',
          request: name,
          amountMsat: name === 'alice' ? 20_000_000n : 30_000_000n,
          paymentHash: sha256(preimage),
          cltvExpiry: 1_500,
          onion: new Uint8Array(1366),
        });
    },
    nudge(pair) {
      for (const name of partyNames)
        for (const { by, id, added, removal } of pair[name].commitments.htlcs)
          if (by === 'remote' && added === 'locked' && !removal)
            pair[name].ask({ tag: 'remove', id, removal: { kind: 'fulfill', preimage } });
    },
    isDone: ({ alice, bob }) =>
      [alice, bob].every(({ channel, commitments }) => channel.tag === 'normal' && isQuiet(commitments)) &&
      alice.commitments.toLocalMsat === 510_000_000n &&
      bob.commitments.toLocalMsat === 490_000_000n,
  },
  ...([true, false] as const).map(
    (simple): Flow => ({
      name: simple ? 'close, option_simple_close' : 'close, closing_signed',
      start: (pair) => void pair.alice.ask({ tag: 'close', feeratePerKw: 1_000 }),
      nudge: () => undefined,
      isDone: (pair) =>
        pair.parties.every(({ channel }) => {
          const live = liveOf(channel);
          return (live.tag === 'negotiating' && live.negotiation.signed.length > 0) || live.tag === 'closing';
        }),
    }),
  ),
];

/** One life of a pair, one message at a time. */
class Life {
  readonly pair: Pair;
  readonly flow: Flow;
  messages = 0;

  constructor(flow: Flow) {
    this.flow = flow;
    this.pair = new Pair({ name: flow.name, simpleClose: flow.name !== 'close, closing_signed' });
    for (const party of this.pair.parties) party.icy = false;
    this.pair.connect();
    this.pair.settle();
    flow.start(this.pair);
    this.rest();
  }

  save = (): Saved => {
    const { alice, bob } = this.pair;
    return {
      alice: { state: alice.state, wire: [...alice.wire], news: alice.news.length },
      bob: { state: bob.state, wire: [...bob.wire], news: bob.news.length },
    };
  };
  goTo(saved: Saved, epoch: number): void {
    this.pair.epoch = epoch;
    for (const name of partyNames) {
      this.pair[name].state = saved[name].state;
      this.pair[name].wire.splice(0, Number.POSITIVE_INFINITY, ...saved[name].wire);
    }
  }

  /** Who hears next; undefined: all is said. */
  get next(): PartyName | undefined {
    return partyNames.find((name) => this.pair[otherParty(name)].wire.length > 0);
  }

  /** What a runtime does at the end of its batch. */
  private rest(): void {
    this.flow.nudge(this.pair);
    for (const name of partyNames) this.pair.flush(name);
  }

  /** The next message arrives; with a crash, whoever hears it dies at it. */
  go(crash?: Crash): void {
    const to = this.next;
    if (!to) throw new Error('nothing is under way');
    const party = this.pair[to];
    const { state } = party;
    this.pair.deliver(to);
    if (crash) {
      party.state = throughIce(crash === 'before' ? state : party.state);
      this.pair.cut();
      this.pair.connect();
    }
    this.rest();
  }

  end(): void {
    for (let left = 300; this.next; left -= 1) {
      if (left === 0) throw new Error('the two never come to rest');
      this.go();
    }
    if (!this.flow.isDone(this.pair))
      throw new Error(this.pair.parties.map(({ channel }) => JSON.stringify(liveOf(channel).tag)).join(' and '));
    for (const { news, name } of this.pair.parties)
      for (const one of news) if (one.tag === 'disconnect') throw new Error(`${name} ends the connection: ${one.reason}`);
  }
}

/** Every place where the life from here on may be struck: played once to its end, and back. */
function* places(life: Life): Generator<{ readonly saved: Saved; readonly epoch: number }> {
  const all: { readonly saved: Saved; readonly epoch: number }[] = [];
  while (life.next) {
    all.push({ saved: life.save(), epoch: life.pair.epoch });
    life.go();
  }
  life.end();
  yield* all;
}

test.each(flows)('$name: each pair of crashes, and the flow is complete', { timeout: 120_000 }, (flow) => {
  const life = new Life(flow);
  let ones = 0;
  let pairs = 0;
  for (const first of places(life)) {
    for (const crash of crashes) {
      life.goTo(first.saved, first.epoch);
      life.go(crash);
      ones += 1;
      for (const second of places(life)) {
        for (const again of crashes) {
          life.goTo(second.saved, second.epoch);
          life.go(again);
          life.end();
          pairs += 1;
        }
      }
    }
  }
  console.log(`${flow.name}: ${ones} single crashes, ${pairs} pairs`);
  expect(pairs).toBeGreaterThan(100);
});
