import { expect, test } from 'vitest';
import { toHex } from '../../../lib/bytes.ts';
import { makeOpener } from '../../testing/opener.ts';
import { reachAccepted } from '../../testing/reach.ts';
import { fundingCreatedMs } from '../limits.ts';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

test.each(['static_remotekey', 'anchors_zero_fee_htlc_tx'] as const)('recv funding_created -- %s', (kind) => {
  const { node, opener, accept } = reachAccepted({}, { kind });
  const heard = node.hear(opener.fundingCreated(accept));
  const signed = heard.message('funding_signed');
  expect(heard.names).toEqual(['funding_signed']);
  expect(heard.kinds).toEqual(['funding-signed']);
  expect(signed.channelId).toEqual(opener.channelId);
  expect(opener.checksFundingSigned(accept, signed.signature)).toBe(true);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('recv funding_created -- with push_msat', () => {
  const { node, opener, accept } = reachAccepted({}, { open: { pushMsat: 50_000_999n } });
  const signed = node.hear(opener.fundingCreated(accept)).message('funding_signed');
  expect(opener.checksFundingSigned(accept, signed.signature)).toBe(true);
});

test('recv funding_created -- each side trims by its own dust limit', () => {
  // Our 500 sat are an output of our commitment (limit 354), and not of theirs (limit 600).
  const { node, opener, accept } = reachAccepted({}, { open: { pushMsat: 500_000n, dustLimitSatoshis: 600n } });
  const signed = node.hear(opener.fundingCreated(accept)).message('funding_signed');
  expect(opener.checksFundingSigned(accept, signed.signature)).toBe(true);
});

test('recv funding_created -- wrong signature', () => {
  const { node, opener, accept } = reachAccepted();
  const created = opener.fundingCreated(accept);
  const signature = Uint8Array.from(created.signature, (byte, i) => (i === 63 ? byte ^ 1 : byte));
  const heard = node.hear({ ...created, signature });
  expect(heard.names).toEqual(['error']);
  // BOLT 1: "for all error messages sent before (and not including) the `funding_signed` message: MUST use `temporary_channel_id`"
  expect(heard.message('error').channelId).toEqual(opener.open.temporaryChannelId);
  expect(heard.kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
});

test('recv funding_created -- wrong signature: the raw transaction is in the error', () => {
  const { node, opener, accept } = reachAccepted();
  const heard = node.hear({ ...opener.fundingCreated(accept), signature: new Uint8Array(64).fill(1) });
  expect(heard.text).toContain(`02000000${'01'}${toHex(opener.outpoint.txid)}`);
});

test('recv funding_created -- high-S signature', () => {
  const { node, opener, accept } = reachAccepted();
  const created = opener.fundingCreated(accept);
  const s = BigInt(`0x${toHex(created.signature.slice(32))}`);
  const high = (order - s).toString(16).padStart(64, '0');
  const signature = Uint8Array.from([
    ...created.signature.slice(0, 32),
    ...(high.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)),
  ]);
  expect(node.hear({ ...created, signature }).names).toEqual(['error']);
});

test('recv funding_created -- a good signature for another output', () => {
  const { node, opener, accept } = reachAccepted();
  expect(node.hear({ ...opener.fundingCreated(accept), fundingOutputIndex: 0 }).names).toEqual(['error']);
});

test('recv funding_created -- twice', () => {
  const { node, opener, accept } = reachAccepted();
  const created = opener.fundingCreated(accept);
  node.hear(created);
  const again = node.hear(created);
  // The temporary id is history: an unknown channel.
  expect(again.message('error').channelId).toEqual(opener.open.temporaryChannelId);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('recv funding_created -- an output that another channel has', () => {
  const { node, opener, accept } = reachAccepted();
  node.hear(opener.fundingCreated(accept));
  const two = makeOpener({ name: 'two' });
  node.hear(two.open);
  const heard = node.hear({ ...opener.fundingCreated(accept), temporaryChannelId: two.open.temporaryChannelId });
  expect(heard.message('error').channelId).toEqual(two.open.temporaryChannelId);
  expect(heard.text).toMatch(/another channel has this funding output/);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('recv funding_created -- another output that comes to the same channel id, or to the id that means all', () => {
  const { node, opener, accept } = reachAccepted();
  node.hear(opener.fundingCreated(accept));
  for (const [name, fundingTxid, fundingOutputIndex] of [
    ['two', opener.channelId, 0],
    ['three', new Uint8Array(32), 0],
  ] as const) {
    const { temporaryChannelId } = makeOpener({ name }).open;
    node.hear(makeOpener({ name }).open);
    const created = { ...opener.fundingCreated(accept), temporaryChannelId, fundingTxid, fundingOutputIndex };
    expect(node.hear(created).text).toMatch(/another channel has this funding output/);
  }
});

test('recv shutdown -- before funding_created', () => {
  // BOLT 2: "if it hasn't received a `funding_signed` (if it is a funder) or a `funding_created` (if it is a fundee): SHOULD send an `error`"
  const { node, opener } = reachAccepted();
  const heard = node.hear({ name: 'shutdown', channelId: opener.open.temporaryChannelId, scriptpubkey: new Uint8Array(22) });
  expect(heard.names).toEqual(['error']);
  expect(node.tags).toEqual([]);
});

test('recv error -- forgotten, and not answered', () => {
  const { node, opener } = reachAccepted();
  const heard = node.hear({ name: 'error', channelId: opener.open.temporaryChannelId, data: new Uint8Array(0) });
  expect(heard.said).toEqual([]);
  expect(heard.kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
});

test('tick -- funding_created does not come', () => {
  const { node, opener } = reachAccepted();
  node.now += fundingCreatedMs - 1;
  expect(node.tick().said).toEqual([]);
  node.now += 1;
  expect(node.tick().message('error').channelId).toEqual(opener.open.temporaryChannelId);
  expect(node.tags).toEqual([]);
});

test('disconnected -- forgotten', () => {
  // BOLT 2: "if it has sent the `funding_signed` message: MUST remember the channel for reconnection. otherwise: SHOULD NOT"
  const { node, opener, accept } = reachAccepted();
  node.disconnect();
  expect(node.tags).toEqual([]);
  node.connect();
  const heard = node.hear(opener.fundingCreated(accept));
  expect(heard.message('error').channelId).toEqual(opener.open.temporaryChannelId);
});
