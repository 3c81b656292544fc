/**
 * A life of two of our engines, message by message, as a list of moments that a test can go back to: before each message that is
 * about to arrive. States are values, so what came before is not played again.
 */
import { liveOf } from '../channel/state.ts';
import type { PeerState } from '../peer/state.ts';
import { decode, type PeerMessage } from '../peer/wire.ts';
import { Pair, type PairOptions, type PartyName } from './pair.ts';

type Saved = { readonly [P in PartyName]: { readonly state: PeerState; readonly wire: readonly Uint8Array[] } };

/** `bytes` are the next to reach `to`. */
export type Moment = { readonly to: PartyName; readonly msg: PeerMessage; readonly saved: Saved; readonly epoch: number };

export const otherParty = (name: PartyName): PartyName => (name === 'alice' ? 'bob' : 'alice');

const save = ({ alice, bob }: Pair): Saved => ({
  alice: { state: alice.state, wire: [...alice.wire] },
  bob: { state: bob.state, wire: [...bob.wire] },
});

export class Story {
  readonly pair: Pair;
  readonly moments: Moment[] = [];

  constructor(options: PairOptions = {}) {
    this.pair = new Pair(options);
  }

  /** Until nobody has anything to say, and remembers each moment. */
  settle(): this {
    for (let busy = true; busy; ) {
      busy = false;
      for (const to of ['alice', 'bob'] as const) {
        for (let bytes = this.pair[otherParty(to)].wire[0]; bytes; bytes = this.pair[otherParty(to)].wire[0]) {
          busy = true;
          const decoded = decode(bytes);
          if (!decoded.ok || decoded.value.name === 'unknown') throw new Error('an engine said what cannot be read');
          this.moments.push({ to, msg: decoded.value, saved: save(this.pair), epoch: this.pair.epoch });
          this.pair.deliver(to);
        }
        this.pair.flush(to);
        busy ||= this.pair[to].wire.length > 0;
      }
    }
    return this;
  }

  /** Back to a moment; what was told before is forgotten. */
  goTo({ saved, epoch }: Moment): Pair {
    this.pair.epoch = epoch;
    for (const name of ['alice', 'bob'] as const) {
      const party = this.pair[name];
      party.state = saved[name].state;
      party.wire.splice(0, Number.POSITIVE_INFINITY, ...saved[name].wire);
      party.news.length = 0;
    }
    return this.pair;
  }
}

/** Both hear of the end of the connection, and make a new one; whoever asked for the end is obeyed, too, until nobody does. */
export function reconnect(pair: Pair): void {
  for (let round = 0; round < 4; round += 1) {
    pair.cut();
    pair.connect();
    pair.settle();
    if (pair.connected) return;
  }
}

/** What stands between the two after all is said; the empty string if nothing does. */
export function disagreement({ alice, bob }: Pair): string {
  const [a, b] = [alice, bob].map(({ channel }) => liveOf(channel).tag);
  if (a !== b || alice.channel.tag !== bob.channel.tag) return `alice is ${alice.channel.tag} and bob ${bob.channel.tag}`;
  const [ours, theirs] = [alice.commitments, bob.commitments];
  if (ours.localCommit.number !== theirs.remoteCommit.number || theirs.localCommit.number !== ours.remoteCommit.number)
    return 'they count differently';
  if (ours.remoteNext || theirs.remoteNext) return 'a revocation is owed';
  if (ours.toLocalMsat !== theirs.toRemoteMsat || ours.toRemoteMsat !== theirs.toLocalMsat) return 'they have other balances';
  const table = (mine: readonly { by: string; id: bigint; amountMsat: bigint }[], local: string): string =>
    mine
      .map(({ by, id, amountMsat }) => `${by === local ? 'alice' : 'bob'} ${id} ${amountMsat}`)
      .sort()
      .join();
  if (table(ours.htlcs, 'local') !== table(theirs.htlcs, 'remote')) return 'they know other HTLCs';
  return '';
}
