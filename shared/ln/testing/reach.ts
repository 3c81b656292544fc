/**
 * Shortest ways to each state, as tests need them. A way that was walked before is not walked again: states are values, and the
 * curve arithmetic of an open is what these tests would spend their time on.
 */
import { toHex } from '../../lib/bytes.ts';
import type { ChainEvent } from '../channel/command.ts';
import type { AcceptChannel } from '../channel/message.ts';
import type { OpenPolicy } from '../peer/env.ts';
import { serializeTransaction, txidOf } from '../tx/transaction.ts';
import { TestNode } from './node.ts';
import { makeOpener, type Opener, type OpenerOptions } from './opener.ts';

export type Scene = { readonly node: TestNode; readonly opener: Opener };
export type SceneWithAccept = Scene & { readonly accept: AcceptChannel };

export const confirmed = ({ outpoint }: Opener, depth: number, height = 1_001): Extract<ChainEvent, { tag: 'funding-confirmed' }> => ({
  tag: 'funding-confirmed',
  outpoint,
  height,
  txIndex: 7,
  depth,
});
/** Something spends the funding output that no commitment of ours or the peer's is: as good as a closing. */
export const spent = ({ outpoint }: Opener, height = 1_010): Extract<ChainEvent, { tag: 'spent' }> => {
  const transaction = {
    version: 2,
    lockTime: 0,
    inputs: [{ outpoint, sequence: 0xffff_ffff, witness: [] }],
    outputs: [{ amountSat: 1_000n, scriptPubKey: Uint8Array.from([0, 20, ...new Uint8Array(20).fill(9)]) }],
  };
  return { tag: 'spent', outpoint, txid: txidOf(transaction), transaction: serializeTransaction(transaction), height };
};
export const reorged = ({ outpoint }: Opener): ChainEvent => ({ tag: 'funding-reorged', outpoint });

type Way<S extends Scene> = (policy?: Partial<OpenPolicy>, options?: OpenerOptions) => S;

function remembered<S extends Scene>(walk: (policy: Partial<OpenPolicy>, options: OpenerOptions) => S): Way<S> {
  const scenes = new Map<string, S>();
  return (policy = {}, options = {}) => {
    const key = JSON.stringify([policy, options], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value instanceof Uint8Array ? toHex(value) : value,
    );
    const scene = scenes.get(key) ?? walk(policy, options);
    scenes.set(key, scene);
    return { ...scene, node: scene.node.copy() };
  };
}

export const reachReady: Way<Scene> = remembered((policy, options) => {
  const node = new TestNode(policy);
  node.connect();
  return { node, opener: makeOpener(options) };
});

export const reachApproval: Way<Scene> = remembered((policy, options) => {
  const scene = reachReady({ onOpen: 'ask', ...policy }, options);
  scene.node.hear(scene.opener.open);
  return scene;
});

export const reachAccepted: Way<SceneWithAccept> = remembered((policy, options) => {
  const scene = reachReady(policy, options);
  const accept = scene.node.hear(scene.opener.open).message('accept_channel');
  return { ...scene, accept };
});

export const reachSigned: Way<SceneWithAccept> = remembered((policy, options) => {
  const scene = reachAccepted(policy, options);
  scene.node.hear(scene.opener.fundingCreated(scene.accept));
  return scene;
});

/** Our `channel_ready` is out. */
export const reachConfirmed: Way<SceneWithAccept> = remembered((policy, options) => {
  const scene = reachSigned(policy, options);
  if (!options.zeroConf) scene.node.chain(confirmed(scene.opener, scene.node.policy.minDepth));
  return scene;
});

export const reachNormal: Way<SceneWithAccept> = remembered((policy, options) => {
  const scene = reachConfirmed(policy, options);
  scene.node.hear(scene.opener.channelReady());
  return scene;
});
