import { expect, test } from 'vitest';
import { concat } from '../../../lib/bytes.ts';
import { broadcasts } from '../../peer/derived.ts';
import { fundingTransaction, reachCreated, reachFunding } from '../../testing/acceptor.ts';
import { hash } from '../../testing/opener.ts';
import { fundingCreatedMs, fundingMs, fundingSignedMs } from '../limits.ts';
import { step } from '../machine.ts';

type Scene = ReturnType<typeof reachFunding>;
const funded = ({ node, open }: Scene, transaction: Uint8Array, vout = 1) =>
  node.step({ tag: 'channel', channelId: open.temporaryChannelId, command: { tag: 'funded', transaction, vout } });

/** The text of the error that the peer hears; the channel is gone and nothing is published. */
function refused(transaction: (scene: Scene) => Uint8Array, vout = 1): string {
  const scene = reachFunding();
  const heard = funded(scene, transaction(scene), vout);
  expect(heard.names).toEqual(['error']);
  expect(heard.message('error').channelId).toEqual(scene.open.temporaryChannelId);
  expect(heard.kinds).toEqual(['channel-abandoned']);
  expect(scene.node.tags).toEqual([]);
  expect(broadcasts(scene.node.state)).toEqual([]);
  return heard.text;
}

test.each(['static_remotekey', 'anchors_zero_fee_htlc_tx'] as const)('funded -- %s: funding_created with a good signature', (kind) => {
  const { node, open, acceptor, created, funding } = reachCreated({ ask: { kind } });
  expect(created.temporaryChannelId).toEqual(open.temporaryChannelId);
  expect(created.fundingTxid).toEqual(funding.outpoint.txid);
  expect(created.fundingOutputIndex).toBe(1);
  expect(acceptor.checksFundingCreated(created)).toBe(true);
  expect(node.channel).toMatchObject({
    tag: 'wait-for-funding-signed',
    fundingTransaction: funding.bytes,
    deadlineMs: node.now + fundingSignedMs,
  });
});

test('funded -- BOLT 2: "MUST NOT broadcast this transaction"', () => {
  const { node } = reachCreated();
  expect(broadcasts(node.state)).toEqual([]);
});

test('funded -- with push_msat, and each side trims by its own dust limit', () => {
  // The peer's 500 sat are an output of our commitment (limit 354), and not of its own (limit 600).
  const { acceptor, created } = reachCreated({ ask: { pushMsat: 500_000n }, accept: { dustLimitSatoshis: 600n } });
  expect(acceptor.checksFundingCreated(created)).toBe(true);
});

test('funded -- the output pays one satoshi less or more', () => {
  expect(refused(({ acceptor }) => fundingTransaction(acceptor.scriptPubKey, 199_999n).bytes)).toMatch(/another amount/);
  expect(refused(({ acceptor }) => fundingTransaction(acceptor.scriptPubKey, 200_001n).bytes)).toMatch(/another amount/);
});

test('funded -- the output pays another script', () => {
  expect(
    refused(
      ({ acceptor }) =>
        fundingTransaction(
          acceptor.scriptPubKey.map((byte) => byte ^ 1),
          200_000n,
        ).bytes,
    ),
  ).toMatch(/script/);
});

test('funded -- another output is named, or none that there is', () => {
  const good = ({ acceptor }: Scene) => fundingTransaction(acceptor.scriptPubKey, 200_000n).bytes;
  expect(refused(good, 0)).toMatch(/script/);
  for (const vout of [2, -1, 0.5, Number.NaN]) expect(refused(good, vout)).toMatch(/no such output/);
});

test('funded -- funding_output_index has two bytes', () => {
  const { node, acceptor } = reachFunding();
  const output = { amountSat: 200_000n, scriptPubKey: acceptor.scriptPubKey };
  const others = new Array(0xffff).fill({ amountSat: 330n, scriptPubKey: Uint8Array.of(0x51) });
  const transaction = fundingTransaction(acceptor.scriptPubKey, 200_000n, { outputs: [...others, output, output] }).bytes;
  const tagWith = (vout: number) => step(node.channel, { tag: 'funded', transaction, vout }, node.channelEnv()).state?.tag;
  expect(tagWith(0xffff)).toBe('wait-for-funding-signed');
  expect(tagWith(0x1_0000)).toBeUndefined();
});

test('funded -- an input without a witness: the txid could still change', () => {
  const outpoint = { txid: hash('legacy'), vout: 0 };
  const signed = { outpoint, sequence: 0, witness: [new Uint8Array(71)] };
  for (const inputs of [[{ outpoint, sequence: 0, witness: [] }], [signed, { ...signed, outpoint: { ...outpoint, vout: 1 }, witness: [] }]])
    expect(refused(({ acceptor }) => fundingTransaction(acceptor.scriptPubKey, 200_000n, { inputs }).bytes)).toMatch(/witness/);
});

test('funded -- an input with a script_sig', () => {
  const nested = ({ acceptor }: Scene) => {
    const { bytes } = fundingTransaction(acceptor.scriptPubKey, 200_000n);
    // Version, marker and flag, the count of inputs and the outpoint come before the length of the script.
    const at = 4 + 2 + 1 + 36;
    expect(bytes[at]).toBe(0);
    return concat(bytes.slice(0, at), Uint8Array.of(1, 0x51), bytes.slice(at + 1));
  };
  expect(refused(nested)).toMatch(/witness alone/);
});

test('funded -- not a transaction', () => {
  expect(refused(() => new Uint8Array(0))).toMatch(/was not made/);
  expect(refused(({ acceptor }) => fundingTransaction(acceptor.scriptPubKey, 200_000n).bytes.slice(0, -1))).toMatch(/was not made/);
});

test('funded -- twice: the first one counts', () => {
  const scene = reachCreated();
  const heard = scene.node.step({
    tag: 'channel',
    channelId: scene.acceptor.fundingSigned(scene.created).channelId,
    command: { tag: 'funded', transaction: fundingTransaction(scene.acceptor.scriptPubKey, 200_000n, { lockTime: 9 }).bytes, vout: 1 },
  });
  expect(heard.said).toEqual([]);
  expect(scene.node.channel).toMatchObject({ fundingTransaction: scene.funding.bytes });
});

test('not-funded -- the peer and the user are told', () => {
  const { node, open } = reachFunding();
  const heard = node.step({
    tag: 'channel',
    channelId: open.temporaryChannelId,
    command: { tag: 'not-funded', detail: 'too little on chain' },
  });
  expect(heard.message('error').channelId).toEqual(open.temporaryChannelId);
  expect(heard.note('channel-abandoned').detail).toMatch(/too little on chain/);
  expect(node.tags).toEqual([]);
});

test('tick -- the funding transaction is not made in time, which ends before the patience of a peer like us', () => {
  const { node, open } = reachFunding();
  expect(fundingMs).toBeLessThan(fundingCreatedMs);
  expect(node.later(fundingMs - 1).said).toEqual([]);
  expect(node.later(1).message('error').channelId).toEqual(open.temporaryChannelId);
  expect(node.tags).toEqual([]);
});

test('recv accept_channel -- twice', () => {
  const { node, acceptor } = reachFunding();
  expect(node.hear(acceptor.accept).text).toMatch(/accept_channel/);
  expect(node.tags).toEqual([]);
});

test('recv error, disconnected -- forgotten, and what was funded meanwhile goes nowhere', () => {
  const scene = reachFunding();
  const { node, open, acceptor } = scene;
  const other = { ...scene, node: node.copy() };
  expect(node.hear({ name: 'error', channelId: open.temporaryChannelId, data: new Uint8Array(0) }).said).toEqual([]);
  other.node.disconnect();
  for (const gone of [scene, other]) {
    expect(gone.node.tags).toEqual([]);
    expect(funded(gone, fundingTransaction(acceptor.scriptPubKey, 200_000n).bytes).said).toEqual([]);
    expect(broadcasts(gone.node.state)).toEqual([]);
  }
});
