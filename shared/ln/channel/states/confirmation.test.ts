/** The opener sends its funding transaction until it is in the chain, whatever becomes of the channel meanwhile. */
import { expect, test } from 'vitest';
import { broadcasts } from '../../peer/machine.ts';
import { reachCreated } from '../../testing/acceptor.ts';
import type { TestNode } from '../../testing/node.ts';
import type { Outpoint } from '../../tx/transaction.ts';
import { buriedDepth } from '../limits.ts';

/** An opener whose zero-conf channel is open for both, with nothing in the chain. */
function reachOpen() {
  const scene = reachCreated({ ask: { zeroConf: true }, accept: { minimumDepth: 0 } });
  const { node, acceptor, created, funding } = scene;
  node.hear(acceptor.fundingSigned(created));
  node.hear(acceptor.channelReady(created));
  return { ...scene, ready: acceptor.channelReady(created), funding };
}
const confirm = (node: TestNode, outpoint: Outpoint, depth: number) =>
  node.chain({ tag: 'funding-confirmed', outpoint, height: 1_001, txIndex: 1, depth });

const scriptpubkey = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(3)]);
type Open = ReturnType<typeof reachOpen>;
const errorOf = ({ ready }: Open) => ({ name: 'error', channelId: ready.channelId, data: new Uint8Array(0) }) as const;
const ways: readonly (readonly [tag: string, go: (open: Open) => void])[] = [
  ['normal', () => undefined],
  ['offline normal', ({ node }) => void node.disconnect()],
  ['negotiating', ({ node, ready }) => void node.hear({ name: 'shutdown', channelId: ready.channelId, scriptpubkey })],
  ['failed', (open) => void open.node.hear(errorOf(open))],
];

test.each(ways)('%s -- sent again until it is in the chain, and after a re-org that is not too deep', (tag, go) => {
  const open = reachOpen();
  const { node, funding } = open;
  go(open);
  expect(node.tags).toEqual([tag]);
  expect(broadcasts(node.state)).toEqual([funding.bytes]);
  confirm(node, funding.outpoint, buriedDepth - 1);
  expect(broadcasts(node.state)).toEqual([]);
  node.chain({ tag: 'funding-reorged', outpoint: funding.outpoint });
  expect(broadcasts(node.state)).toEqual([funding.bytes]);
  confirm(node, funding.outpoint, buriedDepth);
  expect(node.channel).not.toHaveProperty('fundingTransaction');
});

test('closing -- parents first: the funding transaction, then our commitment', () => {
  const { node, ready, funding } = reachOpen();
  node.step({ tag: 'channel', channelId: ready.channelId, command: { tag: 'force-close' } });
  expect(node.tags).toEqual(['closing']);
  const sent = broadcasts(node.state);
  expect(sent).toHaveLength(2);
  expect(sent[0]).toEqual(funding.bytes);
  confirm(node, funding.outpoint, 1);
  expect(broadcasts(node.state)).toEqual(sent.slice(1));
});

test('closing -- a failed channel publishes its parent, too', () => {
  const open = reachOpen();
  open.node.hear(errorOf(open));
  open.node.step({ tag: 'channel', channelId: open.ready.channelId, command: { tag: 'force-close' } });
  expect(open.node.tags).toEqual(['closing']);
  expect(broadcasts(open.node.state)[0]).toEqual(open.funding.bytes);
});

test('shutting-down -- with an HTLC in flight', () => {
  const { node, ready, funding } = reachOpen();
  const { channelId } = ready;
  const add = { tag: 'add', request: 'one', amountMsat: 10_000_000n, paymentHash: new Uint8Array(32), cltvExpiry: 1_500 } as const;
  node.step({ tag: 'channel', channelId, command: { ...add, onion: new Uint8Array(1366) } });
  node.step({ tag: 'flush' });
  node.hear({ name: 'shutdown', channelId, scriptpubkey });
  expect(node.tags).toEqual(['shutting-down']);
  expect(broadcasts(node.state)).toEqual([funding.bytes]);
});
