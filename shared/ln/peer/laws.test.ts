/**
 * Laws, held against chance: whatever bytes come and in whatever order things happen, no step throws, no number is used twice,
 * money is conserved (`freeze-each-step.ts` checks that after every step), and the signer never signs two different commitments
 * of one number.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equal, toHex } from '../../lib/bytes.ts';
import type { ChannelSigner, OpenSigner } from '../signer/signer.ts';
import { derived } from '../testing/freeze-each-step.ts';
import { type Heard, peerInit, TestNode } from '../testing/node.ts';
import { hash, makeOpener, type Opener, ourOpenSigner } from '../testing/opener.ts';
import {
  confirmed,
  reachAccepted,
  reachApproval,
  reachConfirmed,
  reachNormal,
  reachReady,
  reachSigned,
  reorged,
  spent,
} from '../testing/reach.ts';
import { buildCommitment } from '../tx/commitment.ts';
import { encode, type PeerMessage } from './wire.ts';

const scenes = [reachReady, reachApproval, reachAccepted, reachSigned, reachConfirmed, reachNormal];
const scene = fc.constantFrom(...scenes);

describe('bytes', () => {
  test('random bytes after any beginning', () => {
    const type = fc.constantFrom(...Array.from({ length: 140 }, (_, i) => i), 256, 257, 258, 259, 261, 263, 265, 513, 32768, 32769);
    fc.assert(
      fc.property(scene, type, fc.uint8Array({ maxLength: 400 }), (reach, of, rest) => {
        const { node } = reach();
        node.hearBytes(Uint8Array.from([of >> 8, of & 0xff, ...rest]));
        derived(node.state);
      }),
      { numRuns: 150 },
    );
  });

  test('real messages, mutated', () => {
    const { opener, accept } = reachAccepted();
    const real: readonly PeerMessage[] = [
      opener.open,
      opener.fundingCreated(accept),
      opener.channelReady(3n),
      opener.reestablish(),
      { name: 'shutdown', channelId: opener.channelId, scriptpubkey: Uint8Array.from([0, 20, ...new Uint8Array(20)]) },
      { name: 'error', channelId: opener.channelId, data: hash('x') },
      peerInit,
    ];
    const mutation = fc.record({ at: fc.nat(400), to: fc.nat(255), cut: fc.option(fc.nat(400)) });
    fc.assert(
      fc.property(scene, fc.constantFrom(...real), mutation, fc.boolean(), (reach, msg, { at, to, cut }, again) => {
        const { node } = reach();
        if (again) {
          node.disconnect();
          node.connect();
        }
        const bytes = encode(msg);
        bytes[at % bytes.length] = to;
        node.hearBytes(cut === null ? bytes : bytes.slice(0, cut));
        derived(node.state);
      }),
      { numRuns: 150 },
    );
  });
});

/** Sees every signature that the node's own signer gives. */
class Witness {
  readonly signed = new Map<string, string>();
  readonly conflicts: string[] = [];

  readonly open: OpenSigner = (path) => {
    const signer: ChannelSigner = ourOpenSigner(path);
    return {
      ...signer,
      signRemoteCommitment: (template, settled, guard) => {
        const result = signer.signRemoteCommitment(template, settled, guard);
        const built = buildCommitment(template);
        if (result.ok && built.ok) {
          const key = `${path.join()} ${template.number}`;
          const sighash = toHex(built.value.sighash);
          if ((this.signed.get(key) ?? sighash) !== sighash) this.conflicts.push(key);
          this.signed.set(key, sighash);
        }
        return result;
      },
    };
  };
}

class WatchedNode extends TestNode {
  readonly witness = new Witness();
  override env() {
    return { ...super.env(), openSigner: this.witness.open };
  }
}

type World = {
  readonly node: WatchedNode;
  readonly openers: readonly Opener[];
  accepts: Map<number, Extract<PeerMessage, { name: 'accept_channel' }>>;
};
type Act = (world: World) => Heard | undefined;

const which = fc.nat(1);
const openerAct = (run: (opener: Opener, world: World, i: number) => Heard | undefined) =>
  which.map(
    (i): Act =>
      (world) => {
        const opener = world.openers[i];
        return opener && run(opener, world, i);
      },
  );
const say = (make: (opener: Opener, world: World, i: number) => PeerMessage | undefined) =>
  openerAct((opener, world, i) => {
    const msg = make(opener, world, i);
    return msg && world.node.hear(msg);
  });

const acts = fc.oneof(
  { weight: 4, arbitrary: say((opener) => opener.open) },
  {
    weight: 5,
    arbitrary: say((opener, { accepts }, i) => {
      const accept = accepts.get(i);
      return accept && opener.fundingCreated(accept);
    }),
  },
  { weight: 3, arbitrary: say((opener) => opener.channelReady(1n)) },
  { weight: 4, arbitrary: say((opener) => opener.reestablish()) },
  { weight: 1, arbitrary: say((opener) => opener.reestablish({ nextCommitmentNumber: 2n })) },
  { weight: 1, arbitrary: say((opener) => ({ name: 'update_fee', channelId: opener.channelId, feeratePerKw: 500 })) },
  { weight: 1, arbitrary: say((opener) => ({ name: 'error', channelId: opener.channelId, data: hash('no') })) },
  { weight: 4, arbitrary: fc.nat(4).chain((depth) => openerAct((opener, { node }) => node.chain(confirmed(opener, depth)))) },
  { weight: 1, arbitrary: openerAct((opener, { node }) => node.chain(reorged(opener))) },
  {
    weight: 1,
    arbitrary: openerAct((opener, { node }) => node.chain(spent(opener, 1_000))),
  },
  { weight: 3, arbitrary: fc.constant<Act>(({ node }) => node.connect()) },
  { weight: 1, arbitrary: fc.constant<Act>(({ node }) => node.transport()) },
  { weight: 2, arbitrary: fc.constant<Act>(({ node }) => node.disconnect()) },
  {
    weight: 3,
    arbitrary: fc
      .boolean()
      .chain((approve) => openerAct(({ open }, { node }) => node.step({ tag: 'answer', channelId: open.temporaryChannelId, approve }))),
  },
  {
    weight: 1,
    arbitrary: fc.nat(400_000).map(
      (ms): Act =>
        ({ node }) =>
          node.later(ms),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(8).map(
      (m): Act =>
        ({ node }) =>
          node.step({ tag: 'receipt', epoch: node.state.epoch, m }),
    ),
  },
);

describe('schedules', () => {
  const funded = ['wait-for-funding-confirmed', 'wait-for-channel-ready', 'normal', 'failed', 'closing'];

  test('any order of everything that can happen', () => {
    fc.assert(
      fc.property(fc.constantFrom('ask', 'sign'), fc.array(acts, { minLength: 5, maxLength: 25 }), (onOpen, schedule) => {
        const world: World = {
          node: new WatchedNode({ onOpen }),
          openers: [makeOpener({ name: 'one' }), makeOpener({ name: 'two', kind: 'static_remotekey' })],
          accepts: new Map(),
        };
        const { node, openers, accepts } = world;
        node.connect();
        for (const act of schedule) {
          const before = node.state.channels.map(commitmentsHeld).filter((id) => id !== undefined);
          const heard = act(world);
          for (const msg of heard?.said ?? []) {
            if (msg.name !== 'accept_channel') continue;
            accepts.set(
              openers.findIndex(({ open }) => equal(open.temporaryChannelId, msg.temporaryChannelId)),
              msg,
            );
          }
          // A funded channel is never lost, whatever happens (no schedule here is 2016 blocks long).
          for (const id of before) expect(node.state.channels.some((channel) => commitmentsHeld(channel) === id)).toBe(true);
          derived(node.state);
        }
        expect(node.witness.conflicts).toEqual([]);
        expect(node.state.channels.filter((channel) => funded.includes(channel.tag) && commitmentsHeld(channel) === undefined)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('the same schedule with a cut after any step comes to the same channel', () => {
    const story: readonly ((world: World) => Heard | undefined)[] = [
      ({ node, openers: [opener] }) => opener && node.chain(confirmed(opener, 1)),
      ({ node, openers: [opener] }) => opener && node.chain(confirmed(opener, 3)),
      ({ node, openers: [opener] }) => opener && node.hear(opener.channelReady()),
    ];
    for (let cut = 0; cut <= story.length; cut++) {
      const { node, opener } = reachSigned();
      const world: World = { node: Object.assign(new WatchedNode(), node), openers: [opener], accepts: new Map() };
      story.forEach((act, i) => {
        if (i === cut) reconnect(world.node, opener);
        act(world);
      });
      if (cut === story.length) reconnect(world.node, opener);
      expect(world.node.tags).toEqual(['normal']);
    }
  });
});

function reconnect(node: TestNode, opener: Opener): void {
  node.disconnect();
  node.connect();
  node.hear(opener.reestablish());
}

function commitmentsHeld(channel: TestNode['state']['channels'][number]): string | undefined {
  const live = channel.tag === 'offline' || channel.tag === 'syncing' ? channel.was : channel;
  return 'commitments' in live ? toHex(live.commitments.channelId) : undefined;
}
