/** Which channel an `error` of the peer means. BOLT 1 § The `error` and `warning` Messages. */
import { expect, test } from 'vitest';
import { reachCreated } from '../testing/acceptor.ts';
import { hash } from '../testing/opener.ts';
import { reachNormal } from '../testing/reach.ts';
import { broadcasts } from './machine.ts';

const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

test('recv error -- of the one who refuses our funding_created: by the temporary id', () => {
  const { node, open } = reachCreated();
  const heard = node.hear({ name: 'error', channelId: open.temporaryChannelId, data: text('no such signature') });
  expect(heard.said).toEqual([]);
  expect(heard.note('channel-abandoned').detail).toBe('no such signature');
  expect(node.tags).toEqual([]);
  expect(broadcasts(node.state)).toEqual([]);
});

test('recv error -- after funding_signed the temporary id is history', () => {
  const { node, open, acceptor, created } = reachCreated();
  node.hear(acceptor.fundingSigned(created));
  expect(node.hear({ name: 'error', channelId: open.temporaryChannelId, data: text('late') }).notes).toEqual([]);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('recv error -- of a channel that is not there', () => {
  const { node } = reachCreated();
  expect(node.hear({ name: 'error', channelId: hash('another'), data: text('x') }).notes).toEqual([]);
  expect(node.tags).toEqual(['wait-for-funding-signed']);
});

test('recv a message for the id that means all channels -- an end without an error, which would close them all', () => {
  const { node, opener } = reachNormal();
  const heard = node.hear({ ...opener.channelReady(), channelId: new Uint8Array(32) });
  expect(heard.names).toEqual(['warning']);
  expect(heard.disconnects).toHaveLength(1);
  expect(node.tags).toEqual(['offline normal']);
});
