import { expect, test } from 'vitest';
import { toHex } from '../../../lib/bytes.ts';
import { broadcasts } from '../../peer/derived.ts';
import { reachCreated } from '../../testing/acceptor.ts';
import { channelIdFrom } from '../commitments.ts';
import { fundingSignedMs } from '../limits.ts';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

test.each(['static_remotekey', 'anchors_zero_fee_htlc_tx'] as const)(
  'recv funding_signed -- %s: the funding transaction goes out',
  (kind) => {
    const { node, acceptor, created, funding } = reachCreated({ ask: { kind } });
    const heard = node.hear(acceptor.fundingSigned(created));
    expect(heard.said).toEqual([]);
    expect(heard.kinds).toEqual(['funding-signed']);
    expect(node.channel).toMatchObject({
      tag: 'wait-for-funding-confirmed',
      since: { height: node.height, ms: node.now },
      commitments: { channelId: channelIdFrom(funding.outpoint), toLocalMsat: 200_000_000n, toRemoteMsat: 0n },
    });
    expect(broadcasts(node.state)).toEqual([funding.bytes]);
  },
);

test('recv funding_signed -- the transaction goes out again until it is in the chain, over a disconnect too', () => {
  const { node, acceptor, created, funding } = reachCreated();
  node.hear(acceptor.fundingSigned(created));
  node.disconnect();
  expect(node.tags).toEqual(['offline wait-for-funding-confirmed']);
  expect(broadcasts(node.state)).toEqual([funding.bytes]);
  node.chain({ tag: 'funding-confirmed', outpoint: funding.outpoint, height: 1_001, txIndex: 1, depth: 1 });
  expect(broadcasts(node.state)).toEqual([]);
});

test('the whole way -- channel_ready at the depth that the peer asked for, and the channel is open', () => {
  const { node, acceptor, created, funding } = reachCreated({ ask: { pushMsat: 5_000_000n } });
  node.hear(acceptor.fundingSigned(created));
  const buried = (depth: number) => ({ tag: 'funding-confirmed', outpoint: funding.outpoint, height: 1_001, txIndex: 1, depth }) as const;
  expect(node.chain(buried(2)).names).toEqual([]);
  expect(node.chain(buried(3)).names).toEqual(['channel_ready']);
  expect(node.hear(acceptor.channelReady(created)).kinds).toEqual(['channel-ready']);
  expect(node.channel).toMatchObject({ tag: 'normal', commitments: { toLocalMsat: 195_000_000n, toRemoteMsat: 5_000_000n } });
});

test('zero-conf -- channel_ready goes with the broadcast', () => {
  const { node, acceptor, created, funding } = reachCreated({ ask: { zeroConf: true }, accept: { minimumDepth: 0 } });
  const heard = node.hear(acceptor.fundingSigned(created));
  expect(heard.names).toEqual(['channel_ready']);
  expect(node.tags).toEqual(['wait-for-channel-ready']);
  expect(broadcasts(node.state)).toEqual([funding.bytes]);
});

test('an upfront script of ours binds the signer', () => {
  const script = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)]);
  const { node, acceptor, created } = reachCreated({ ask: { upfrontShutdownScript: script } });
  node.hear(acceptor.fundingSigned(created));
  expect(node.channel).toMatchObject({ commitments: { guard: { closeScript: script } } });
});

test.each([
  ['wrong', (signature: Uint8Array) => signature.map((byte, i) => (i === 63 ? byte ^ 1 : byte))],
  ['all zero', () => new Uint8Array(64)],
  [
    'high-S',
    (signature: Uint8Array) => {
      const s = order - BigInt(`0x${toHex(signature.slice(32))}`);
      return Uint8Array.from([...signature.slice(0, 32), ...Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
    },
  ],
] as const)('recv funding_signed -- signature %s: nothing is published', (_, spoil) => {
  const { node, acceptor, created } = reachCreated();
  const good = acceptor.fundingSigned(created);
  const heard = node.hear({ ...good, signature: spoil(good.signature) });
  expect(heard.names).toEqual(['error']);
  // BOLT 1, the opener: the temporary id is for "all error messages sent before (and including) the `funding_created` message".
  expect(heard.message('error').channelId).toEqual(good.channelId);
  expect(heard.text).toMatch(/signature is not valid/);
  expect(heard.kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
  expect(broadcasts(node.state)).toEqual([]);
});

test("recv funding_signed -- the peer's signature for its own commitment, not for ours", () => {
  const { node, acceptor, created } = reachCreated();
  expect(node.hear({ ...acceptor.fundingSigned(created), signature: created.signature }).names).toEqual(['error']);
  expect(broadcasts(node.state)).toEqual([]);
});

test('recv funding_signed -- for another channel', () => {
  const { node, acceptor, created } = reachCreated();
  const channelId = acceptor.fundingSigned(created).channelId.map((byte) => byte ^ 1);
  expect(node.hear({ ...acceptor.fundingSigned(created), channelId }).message('error').channelId).toEqual(channelId);
  expect(node.tags).toEqual(['wait-for-funding-signed']);
  expect(broadcasts(node.state)).toEqual([]);
});

test('recv channel_ready, shutdown -- before funding_signed', () => {
  // BOLT 2: "if it hasn't received a `funding_signed` (if it is a funder) or a `funding_created` (if it is a fundee): SHOULD send an `error`"
  const { acceptor, created } = reachCreated();
  const { channelId } = acceptor.channelReady(created);
  for (const msg of [acceptor.channelReady(created), { name: 'shutdown', channelId, scriptpubkey: new Uint8Array(22) } as const]) {
    const { node } = reachCreated();
    const heard = node.hear(msg);
    expect(heard.names).toEqual(['error']);
    expect(node.tags).toEqual([]);
    expect(broadcasts(node.state)).toEqual([]);
  }
});

test('tick -- funding_signed does not come', () => {
  const { node, acceptor, created } = reachCreated();
  expect(node.later(fundingSignedMs - 1).said).toEqual([]);
  expect(node.later(1).message('error').channelId).toEqual(acceptor.fundingSigned(created).channelId);
  expect(node.tags).toEqual([]);
  expect(broadcasts(node.state)).toEqual([]);
});

test('disconnected -- forgotten, nothing is published, and a late funding_signed changes nothing', () => {
  const { node, acceptor, created } = reachCreated();
  node.disconnect();
  expect(node.tags).toEqual([]);
  node.connect();
  node.hear(acceptor.fundingSigned(created));
  expect(node.tags).toEqual([]);
  expect(broadcasts(node.state)).toEqual([]);
});

test('recv error -- forgotten, nothing is published', () => {
  const { node, acceptor, created } = reachCreated();
  const { channelId } = acceptor.fundingSigned(created);
  expect(node.hear({ name: 'error', channelId, data: new Uint8Array(0) }).said).toEqual([]);
  expect(node.tags).toEqual([]);
  expect(broadcasts(node.state)).toEqual([]);
});
