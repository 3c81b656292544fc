/** Every message of a channel in every state: what is said, and what becomes of the channel. Later work is refused, never ignored. */
import { describe, expect, test } from 'vitest';
import { reachCreated, reachFunding, reachOffered } from '../testing/acceptor.ts';
import type { TestNode } from '../testing/node.ts';
import { hash, makeOpener } from '../testing/opener.ts';
import { reachAccepted, reachApproval, reachConfirmed, reachNormal, reachSigned, type Scene } from '../testing/reach.ts';
import { type ChannelError, type ChannelErrorCode, consequence, describe as describeError } from './error.ts';
import type { ChannelMessage } from './message.ts';
import { channelIdOf } from './state.ts';

const point = (n: bigint, { opener }: Scene): Uint8Array => opener.signer.perCommitmentPoint(n);

/** One of each kind, well-formed, for the channel of the scene. The mapped type makes the compiler ask for a new one. */
const samples: { readonly [N in ChannelMessage['name']]: (scene: Scene, id: Uint8Array) => Extract<ChannelMessage, { name: N }> } = {
  accept_channel: (scene, temporaryChannelId) => ({
    name: 'accept_channel',
    temporaryChannelId,
    dustLimitSatoshis: 354n,
    maxHtlcValueInFlightMsat: 1n,
    channelReserveSatoshis: 354n,
    htlcMinimumMsat: 1n,
    minimumDepth: 1,
    toSelfDelay: 1,
    maxAcceptedHtlcs: 1,
    ...scene.opener.signer.basepoints,
    firstPerCommitmentPoint: point(0n, scene),
  }),
  funding_created: (_, temporaryChannelId) => ({
    name: 'funding_created',
    temporaryChannelId,
    fundingTxid: hash('x'),
    fundingOutputIndex: 0,
    signature: new Uint8Array(64).fill(1),
  }),
  funding_signed: (_, channelId) => ({ name: 'funding_signed', channelId, signature: new Uint8Array(64) }),
  channel_ready: (scene, channelId) => ({ name: 'channel_ready', channelId, secondPerCommitmentPoint: point(1n, scene) }),
  shutdown: (_, channelId) => ({ name: 'shutdown', channelId, scriptpubkey: Uint8Array.from([0, 20, ...new Uint8Array(20)]) }),
  closing_signed: (_, channelId) => ({ name: 'closing_signed', channelId, feeSatoshis: 1n, signature: new Uint8Array(64) }),
  closing_complete: (_, channelId) => ({
    name: 'closing_complete',
    channelId,
    closerScriptpubkey: new Uint8Array(0),
    closeeScriptpubkey: new Uint8Array(0),
    feeSatoshis: 1n,
    locktime: 0,
  }),
  closing_sig: (_, channelId) => ({
    name: 'closing_sig',
    channelId,
    closerScriptpubkey: new Uint8Array(0),
    closeeScriptpubkey: new Uint8Array(0),
    feeSatoshis: 1n,
    locktime: 0,
  }),
  update_add_htlc: (_, channelId) => ({
    name: 'update_add_htlc',
    channelId,
    id: 0n,
    amountMsat: 1_000n,
    paymentHash: hash('payment'),
    cltvExpiry: 700_000,
    onionRoutingPacket: new Uint8Array(1366),
  }),
  update_fulfill_htlc: (_, channelId) => ({ name: 'update_fulfill_htlc', channelId, id: 0n, paymentPreimage: hash('preimage') }),
  update_fail_htlc: (_, channelId) => ({ name: 'update_fail_htlc', channelId, id: 0n, reason: new Uint8Array(3) }),
  update_fail_malformed_htlc: (_, channelId) => ({
    name: 'update_fail_malformed_htlc',
    channelId,
    id: 0n,
    sha256OfOnion: hash('onion'),
    failureCode: 0x8001,
  }),
  update_fee: (_, channelId) => ({ name: 'update_fee', channelId, feeratePerKw: 1_000 }),
  start_batch: (_, channelId) => ({ name: 'start_batch', channelId, batchSize: 2 }),
  commitment_signed: (_, channelId) => ({ name: 'commitment_signed', channelId, signature: new Uint8Array(64), htlcSignature: [] }),
  revoke_and_ack: (scene, channelId) => ({
    name: 'revoke_and_ack',
    channelId,
    perCommitmentSecret: hash('secret'),
    nextPerCommitmentPoint: point(2n, scene),
  }),
  stfu: (_, channelId) => ({ name: 'stfu', channelId, initiator: 1 }),
  channel_reestablish: ({ opener }, channelId) => opener.reestablish({ channelId }),
  announcement_signatures: (_, channelId) => ({
    name: 'announcement_signatures',
    channelId,
    shortChannelId: 1n,
    nodeSignature: new Uint8Array(64),
    bitcoinSignature: new Uint8Array(64),
  }),
};
/** The words of a fault that has no figures, as they go to the peer. */
const textOf = (code: ChannelErrorCode): string => describeError({ code, got: 0n, limit: 0n } as ChannelError).split(':')[0] ?? '';

const names = Object.keys(samples).filter((name): name is ChannelMessage['name'] => name in samples);

const deliver = (scene: Scene, name: ChannelMessage['name'], id: Uint8Array): ReturnType<TestNode['hear']> =>
  scene.node.hear(samples[name](scene, id));

describe.each([
  ['wait-for-approval', reachApproval],
  ['wait-for-funding-created', reachAccepted],
  ['wait-for-accept-channel', () => ({ node: reachOffered().node, opener: makeOpener() })],
  ['wait-for-funding', () => ({ node: reachFunding().node, opener: makeOpener() })],
  ['wait-for-funding-signed', () => ({ node: reachCreated().node, opener: makeOpener() })],
] as const)('%s', (_, reach) => {
  // The one message with a bad signature is no better than one out of turn.
  test.each(names)('recv %s -- the attempt ends with an error', (name) => {
    const scene = reach();
    const id = channelIdOf(scene.node.channel);
    const heard = deliver(scene, name, id);
    expect(heard.names).toEqual(['error']);
    expect(heard.message('error').channelId).toEqual(id);
    expect(heard.kinds).toEqual(['channel-abandoned']);
    expect(scene.node.state.channels).toEqual([]);
    expect(heard.disconnects).toEqual([]);
  });
});

/** What comes of a message: a fault of the table, or what is said when there is none. */
type Outcome = ChannelErrorCode | readonly string[];
type Row = { readonly [N in ChannelMessage['name']]: Outcome };

const early: Row = {
  accept_channel: 'misplaced-message',
  funding_created: 'misplaced-message',
  funding_signed: 'misplaced-message',
  channel_ready: [],
  shutdown: [],
  closing_signed: 'misplaced-message',
  closing_complete: 'misplaced-message',
  closing_sig: 'misplaced-message',
  update_add_htlc: 'misplaced-message',
  update_fulfill_htlc: 'misplaced-message',
  update_fail_htlc: 'misplaced-message',
  update_fail_malformed_htlc: 'misplaced-message',
  update_fee: 'misplaced-message',
  start_batch: 'misplaced-message',
  commitment_signed: 'misplaced-message',
  revoke_and_ack: 'misplaced-message',
  stfu: 'misplaced-message',
  channel_reestablish: 'reestablish-repeated',
  // The channel of these scenes is no public one.
  announcement_signatures: 'announcement-unasked',
};
const updating: Row = {
  ...early,
  update_add_htlc: [],
  update_fulfill_htlc: 'htlc-unknown',
  update_fail_htlc: 'htlc-unknown',
  update_fail_malformed_htlc: 'htlc-unknown',
  update_fee: [],
  commitment_signed: 'commitment-signature-invalid',
  revoke_and_ack: 'revocation-unexpected',
};
const everywhere = (outcome: Outcome): Row => ({
  accept_channel: outcome,
  funding_created: outcome,
  funding_signed: outcome,
  channel_ready: outcome,
  shutdown: outcome,
  closing_signed: outcome,
  closing_complete: outcome,
  closing_sig: outcome,
  update_add_htlc: outcome,
  update_fulfill_htlc: outcome,
  update_fail_htlc: outcome,
  update_fail_malformed_htlc: outcome,
  update_fee: outcome,
  start_batch: outcome,
  commitment_signed: outcome,
  revoke_and_ack: outcome,
  stfu: outcome,
  channel_reestablish: outcome,
  announcement_signatures: outcome,
});

/** The peer opened the channel and pushed some of it to us. */
const pushed = { open: { pushMsat: 50_000_000n } } as const;
const normal = (): Scene => reachNormal({}, pushed);

const reachFailed = (): Scene => {
  const scene = normal();
  scene.node.hear({ name: 'error', channelId: scene.opener.channelId, data: new Uint8Array(0) });
  return scene;
};
const reachClosing = (): Scene => {
  const scene = normal();
  scene.node.step({ tag: 'channel', channelId: scene.opener.channelId, command: { tag: 'force-close' } });
  return scene;
};
const reachSyncing = (): Scene => {
  const scene = normal();
  scene.node.disconnect();
  scene.node.connect();
  return scene;
};
const reachOffline = (): Scene => {
  const scene = normal();
  scene.node.disconnect();
  return scene;
};
const reachNegotiating = (): Scene => {
  const scene = normal();
  deliver(scene, 'shutdown', scene.opener.channelId);
  return scene;
};
/** An update of the peer's is still to be settled. */
const reachShuttingDown = (): Scene => {
  const scene = normal();
  deliver(scene, 'update_add_htlc', scene.opener.channelId);
  deliver(scene, 'shutdown', scene.opener.channelId);
  return scene;
};

type Case = {
  readonly tag: string;
  readonly reach: () => Scene;
  readonly row: Row;
  /** The state after a message that is no fault, where it is another. */
  readonly leaves?: Partial<Record<ChannelMessage['name'], string>>;
};
const states: readonly Case[] = [
  { tag: 'wait-for-funding-confirmed', reach: () => reachSigned({}, pushed), row: early },
  {
    tag: 'wait-for-channel-ready',
    reach: () => reachConfirmed({}, pushed),
    row: { ...early, shutdown: ['shutdown', 'closing_complete'] },
    leaves: { channel_ready: 'normal', shutdown: 'negotiating' },
  },
  {
    tag: 'normal',
    reach: normal,
    row: { ...updating, shutdown: ['shutdown', 'closing_complete'], stfu: ['stfu'] },
    leaves: { shutdown: 'negotiating' },
  },
  { tag: 'shutting-down', reach: reachShuttingDown, row: { ...updating, update_add_htlc: 'htlc-id-unexpected' } },
  {
    tag: 'negotiating',
    reach: reachNegotiating,
    row: { ...early, closing_complete: 'closing-invalid', closing_sig: 'closing-invalid' },
  },
  { tag: 'failed', reach: reachFailed, row: everywhere([]) },
  { tag: 'closing', reach: reachClosing, row: everywhere([]) },
  { tag: 'offline normal', reach: reachOffline, row: everywhere([]) },
  {
    tag: 'syncing normal',
    reach: reachSyncing,
    row: {
      ...everywhere('message-before-reestablish'),
      channel_ready: [],
      announcement_signatures: [],
      channel_reestablish: ['channel_ready'],
    },
    leaves: { channel_reestablish: 'normal' },
  },
];

describe.each(states)('$tag', ({ tag, reach, row, leaves = {} }) => {
  test.each(names)('recv %s -- costs what the table says, and never the channel', (name) => {
    const scene = reach();
    const { node, opener } = scene;
    expect(node.tags).toEqual([tag]);
    const outcome = row[name];
    const heard = deliver(scene, name, opener.channelId);
    if (typeof outcome !== 'string') {
      expect(heard.names).toEqual(outcome);
      expect(node.tags).toEqual([leaves[name] ?? tag]);
      expect(heard.disconnects).toEqual([]);
      return;
    }
    expect(heard.names).toEqual(['warning']);
    expect(heard.text).toContain(textOf(outcome));
    const ends = consequence(outcome) === 'disconnect';
    expect(ends || consequence(outcome) === 'warn').toBe(true);
    expect(heard.disconnects).toHaveLength(ends ? 1 : 0);
    const live = tag.replace('syncing ', '');
    expect(node.tags).toEqual([ends ? `offline ${live}` : tag]);
    if (!ends) return;
    // The warning stays in the outbox until it is delivered; then the channel comes back as it was.
    expect(node.state.link).toBe('closing');
    expect(node.state.outbox.length).toBeGreaterThan(0);
    node.disconnect();
    node.connect();
    node.hear(opener.reestablish());
    expect(node.tags).toEqual([live]);
  });
});

describe('no such channel', () => {
  test('recv announcement_signatures -- nothing: BOLT 1 has an error for types up to 255', () => {
    const scene = reachNormal();
    const heard = deliver(scene, 'announcement_signatures', hash('unknown channel'));
    expect([heard.names, heard.disconnects, scene.node.tags]).toEqual([[], [], ['normal']]);
  });

  test.each(names.filter((name) => name !== 'announcement_signatures'))('recv %s -- an error with that id', (name) => {
    const scene = reachNormal();
    const id = hash('unknown channel');
    const heard = deliver(scene, name, id);
    expect(heard.names).toEqual(['error']);
    expect(heard.message('error').channelId).toEqual(id);
    expect(scene.node.tags).toEqual(['normal']);
  });
});
