import { describe, expect, it } from 'vitest';
import { reversed, toHex } from '../../shared/lib/bytes.ts';
import { ok } from '../../shared/lib/result.ts';
import { channelIdOf } from '../../shared/ln/channel/state.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { reachFunding } from '../../shared/ln/testing/acceptor.ts';
import { spends } from '../../shared/ln/testing/interpreter.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { reachNormal } from '../../shared/ln/testing/reach.ts';
import { parseTransaction } from '../../shared/ln/tx/parse.ts';
import { type Outpoint, serializeTransaction, type Transaction, txidOf } from '../../shared/ln/tx/transaction.ts';
import { scriptFromAddress } from '../../shared/ln/wallet/address.ts';
import { GAP } from '../../shared/ln/wallet/coins.ts';
import { commit, loadPeer, loadWallet } from '../store/store.ts';
import { sealBackup } from './backup.ts';
import { type TestNode, testNode, walletNode, walletOf } from './testing.ts';
import { coinWatches, openRoundWallet, type RoundWallet, walletReorged, walletSaw, walletWatches } from './wallet.ts';

const HEIGHT = 1_000;
const chainAt = (height: number) => ({ state: new Uint8Array(), height, tipTimeMs: 0, checkedAtMs: 0 });

async function node(): Promise<TestNode> {
  const made = await walletNode();
  await commit(made.ports.db, { settings: { chain: chainAt(HEIGHT) } });
  return made;
}
const signerOf = async ({ ports }: TestNode) => {
  const keys = await ports.keys();
  if (keys === undefined) throw new Error('no wallet');
  return keys.wallet;
};
const roundOf = async (made: TestNode, peerId = 'alice'): Promise<RoundWallet> => openRoundWallet(made.ports, peerId, await signerOf(made));
/** The commit at the end of a round whose peer is now this. */
async function end(made: TestNode, round: RoundWallet, peer: PeerState) {
  const wallet = round.changed(peer);
  return wallet === undefined ? 'nothing to write' : commit(made.ports.db, { wallet });
}

/** Somebody pays to one of our indexes, at a height. */
async function pay(made: TestNode, amountSat: bigint, index = 0, height = HEIGHT): Promise<Outpoint> {
  await walletWatches(made.ports);
  const scriptPubKey = (await signerOf(made)).scriptPubKey(index);
  const inputs = [{ outpoint: { txid: hash(`${amountSat} ${index}`), vout: 0 }, sequence: 0, witness: [Uint8Array.of(1)] }];
  const transaction: Transaction = { version: 2, lockTime: 0, inputs, outputs: [{ amountSat, scriptPubKey }] };
  expect(await walletSaw(made.ports, { transaction: serializeTransaction(transaction), height })).toMatchObject({ ok: true });
  return { txid: txidOf(transaction), vout: 0 };
}
async function coins(made: TestNode) {
  const list = await made.call('coins', null);
  if (!list.ok) throw new Error(list.error.code);
  expect(JSON.parse(JSON.stringify(list.value))).toEqual(list.value);
  return list.value;
}
const address = async (made: TestNode) => {
  const given = await made.call('receive-address', null);
  if (!given.ok) throw new Error(given.error.code);
  return given.value;
};

/** Our opening at the point where the money is asked for. */
function asking() {
  const scene = reachFunding();
  const { open, acceptor } = scene;
  const effect: Extract<PeerEffect, { tag: 'fund' }> = {
    tag: 'fund',
    temporaryChannelId: open.temporaryChannelId,
    scriptPubKey: acceptor.scriptPubKey,
    amountSat: open.fundingSatoshis,
    feeratePerKw: 1_000,
  };
  return { ...scene, effect };
}
function fundedBy(command: ReturnType<RoundWallet['fund']>) {
  if (command.tag !== 'channel' || command.command.tag !== 'funded') throw new Error(`not funded: ${JSON.stringify(command)}`);
  return command.command;
}

describe('receiving', () => {
  it('gives an address of this network, the same until it was paid', async () => {
    const made = await node();
    const first = await address(made);
    expect(first).toEqual({ address: expect.stringMatching(/^bcrt1q/), index: 0 });
    expect(scriptFromAddress(first.address, 'regtest')).toEqual({
      ok: true,
      value: (await signerOf(made)).scriptPubKey(0),
    });
    expect(await address(made)).toEqual(first);
    await pay(made, 70_000n);
    expect((await address(made)).index).toBe(1);
    expect(await address(await made.again())).toEqual(await address(made));
  });

  it('there is none without a wallet', async () => {
    const none = await testNode();
    expect(await none.call('receive-address', null)).toMatchObject({ ok: false, error: { code: 'no-wallet' } });
    expect(await walletWatches(none.ports)).toEqual([]);
  });

  it('what was paid is shown with its confirmations', async () => {
    const made = await node();
    const { txid } = await pay(made, 70_000n, 0, HEIGHT - 2);
    const { address: paidTo } = await address(await node());
    expect(await coins(made)).toEqual([
      { txid: toHex(reversed(txid)), vout: 0, amountSat: '70000', address: paidTo, confirmations: 3, mature: true },
    ]);
  });

  it('a re-org takes it away and a new block brings it back', async () => {
    const made = await node();
    await pay(made, 70_000n);
    await walletReorged(made.ports, HEIGHT - 1);
    expect(await coins(made)).toEqual([]);
    await pay(made, 70_000n, 0, HEIGHT + 1);
    expect(await coins(made)).toMatchObject([{ confirmations: 0, mature: false }]);
  });

  it('every index in use and the gap is watched, and every coin', async () => {
    const made = await node();
    expect((await walletWatches(made.ports)).map(({ index }) => index)).toEqual(Array.from({ length: GAP }, (_, i) => GAP - 1 - i));
    const outpoint = await pay(made, 70_000n, 7);
    const watched = await walletWatches(made.ports);
    expect(watched.map(({ index }) => index)).toEqual(Array.from({ length: GAP + 8 }, (_, i) => GAP + 7 - i));
    const { scriptPubKey } = watched.find(({ index }) => index === 7) ?? {};
    expect(await coinWatches(made.ports)).toEqual([{ outpoint, scriptPubKey }]);
  });

  it('another wallet on this device has none of it', async () => {
    const made = await node();
    await pay(made, 70_000n);
    await made.ports.db.clear('vault');
    made.ports.reset();
    expect(await made.call('create-wallet', walletOf('another'))).toMatchObject({ ok: true });
    expect(await coins(made)).toEqual([]);
    expect((await walletWatches(made.ports))[GAP - 1]?.scriptPubKey).toEqual((await signerOf(made)).scriptPubKey(0));
  });

  it('the same wallet brought back keeps it', async () => {
    const made = await node();
    await pay(made, 70_000n);
    await made.ports.db.clear('vault');
    made.ports.reset();
    expect(await made.call('create-wallet', walletOf('one'))).toMatchObject({ ok: true });
    expect(await coins(made)).toHaveLength(1);
  });
});

describe('funding a channel', () => {
  it('makes a transaction that the channel takes and the coins’ scripts allow', async () => {
    const made = await node();
    await pay(made, 300_000n, 4);
    const { node: peer, effect } = asking();
    const round = await roundOf(made);
    expect(round.coins(peer.state)).toHaveLength(1);
    const command = round.fund(effect, peer.state);
    expect(peer.step(command).names).toEqual(['funding_created']);
    const funded = fundedBy(command);
    expect(spends(funded.transaction, { amountSat: 300_000n, scriptPubKey: (await signerOf(made)).scriptPubKey(4) })).toBe(true);
    const parsed = parseTransaction(funded.transaction);
    expect(parsed).toMatchObject({ ok: true, value: { lockTime: HEIGHT } });
    expect(await end(made, round, peer.state)).toMatchObject({ ok: true });
    expect(await coins(made)).toMatchObject([{ amountSat: '300000', reservedFor: { what: 'funding', peerId: 'alice' } }]);
    expect((await roundOf(made)).coins(peer.state)).toEqual([]);
  });

  it('killed before the commit, the next life makes the very same', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { node: peer, effect } = asking();
    const first = (await roundOf(made)).fund(effect, peer.state);
    expect((await roundOf(await made.again())).fund(effect, peer.state)).toEqual(first);
  });

  it('asked again after the commit, it is the same although better coins are there', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { node: peer, effect } = asking();
    const round = await roundOf(made);
    const first = round.fund(effect, peer.state);
    await end(made, round, peer.state);
    await pay(made, 250_000n, 3);
    expect((await roundOf(made)).fund(effect, peer.state)).toEqual(first);
  });

  it('its coins stay set aside as long as the channel lives, and are free when it is forgotten', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { node: peer, effect, acceptor } = asking();
    const round = await roundOf(made);
    const created = peer.step(round.fund(effect, peer.state)).message('funding_created');
    await end(made, round, peer.state);
    const forgotten = peer.copy();

    peer.hear(acceptor.fundingSigned(created));
    const outpoint = { txid: created.fundingTxid, vout: created.fundingOutputIndex };
    const inChain = { tag: 'funding-confirmed', outpoint, height: 1_001, txIndex: 7, depth: 6 } as const;
    for (const next of [() => peer.disconnect(), () => peer.connect(), () => peer.chain(inChain)]) {
      next();
      expect(await end(made, await roundOf(made), peer.state)).toBe('nothing to write');
      expect((await roundOf(made)).coins(peer.state)).toEqual([]);
    }

    forgotten.disconnect();
    expect(forgotten.tags).toEqual([]);
    expect(await end(made, await roundOf(made, 'bob'), forgotten.state)).toBe('nothing to write');
    expect(await end(made, await roundOf(made), forgotten.state)).toMatchObject({ ok: true });
    expect((await roundOf(made)).coins(forgotten.state)).toHaveLength(1);
  });

  it('of two channels that want the same coin one is made again without it', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { node: peer, effect } = asking();
    const [alice, bob] = [await roundOf(made, 'alice'), await roundOf(made, 'bob')];
    const [one, two] = [peer.copy(), peer.copy()];
    one.step(alice.fund(effect, one.state));
    two.step(bob.fund(effect, two.state));
    expect(await end(made, alice, one.state)).toMatchObject({ ok: true });
    expect(await end(made, bob, two.state)).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect((await roundOf(made, 'bob')).fund(effect, peer.state)).toMatchObject({ command: { tag: 'not-funded' } });
  });

  it('the peer and the coins are written together or not at all', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { node: peer, effect } = asking();
    const round = await roundOf(made);
    peer.step(round.fund(effect, peer.state));
    const wallet = round.changed(peer.state);
    if (wallet === undefined) throw new Error('nothing to write');
    await pay(made, 1_000n, 1);
    const record = { peerId: 'alice', host: 'h', port: 1, alias: '', onOpen: 'default', zeroConf: false, fence: 0, failures: 0 } as const;
    expect(await commit(made.ports.db, { peer: { ...record, frozen: new Uint8Array() }, wallet })).toMatchObject({
      ok: false,
      error: { code: 'fence-lost' },
    });
    expect(await loadPeer(made.ports.db, 'alice')).toBeUndefined();
    expect((await loadWallet(made.ports.db)).state.reservations).toEqual([]);
  });

  it('says what is missing', async () => {
    const made = await node();
    await pay(made, 150_000n);
    const { node: peer, effect } = asking();
    const command = (await roundOf(made)).fund(effect, peer.state);
    expect(command).toMatchObject({ tag: 'channel', channelId: effect.temporaryChannelId, command: { tag: 'not-funded' } });
    expect(peer.step(command).note('channel-abandoned').detail).toContain('200487 sat are needed with the fee, 150000 sat are there');
  });

  it('coins that are not confirmed are not spent', async () => {
    const made = await node();
    await pay(made, 300_000n, 0, HEIGHT + 1);
    const { node: peer, effect } = asking();
    expect((await roundOf(made)).fund(effect, peer.state)).toMatchObject({ command: { tag: 'not-funded' } });
  });

  it('change comes back to an index of its own', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const { index } = await address(made);
    const { node: peer, effect } = asking();
    const round = await roundOf(made);
    const { transaction, vout } = fundedBy(round.fund(effect, peer.state));
    await end(made, round, peer.state);
    // One of the round for a close, one for the change.
    expect((await roundOf(made)).sweepIndex).toBe(round.sweepIndex + 2);
    expect(await walletSaw(made.ports, { transaction, height: HEIGHT + 1 })).toMatchObject({ ok: true });
    await commit(made.ports.db, { settings: { chain: chainAt(HEIGHT + 1) } });
    const [change, ...others] = await coins(made);
    expect(change).toMatchObject({ vout: 1 - vout, amountSat: (100_000n - 611n).toString(), confirmations: 1 });
    expect(others).toEqual([]);
    const used = [index, round.sweepIndex, (await loadWallet(made.ports.db)).state.nextIndex - 1];
    expect(new Set(used).size).toBe(3);
  });
});

describe('on another device', () => {
  /** A wallet brought back there from what the relay keeps of this one. */
  async function revive(made: TestNode): Promise<TestNode> {
    const copy = await sealBackup(made.ports);
    if (copy === undefined) throw new Error('no copy');
    const other = await testNode();
    other.relay.meddle = async (op, _body, honest) => (op === 'backup' ? ok(copy) : honest());
    expect(await other.call('create-wallet', { ...walletOf('one'), restore: true })).toMatchObject({ ok: true });
    await commit(other.ports.db, { settings: { chain: chainAt(HEIGHT) } });
    return other;
  }

  it('the coins, what they are set aside for and the indexes in use come back', async () => {
    const made = await node();
    const spent = await pay(made, 9_000n, 2);
    await pay(made, 300_000n);
    await pay(made, 20_000n, 25 - GAP);
    const spend: Transaction = {
      version: 2,
      lockTime: 0,
      inputs: [{ outpoint: spent, sequence: 0, witness: [Uint8Array.of(1)] }],
      outputs: [{ amountSat: 1n, scriptPubKey: Uint8Array.of(0x51) }],
    };
    await walletSaw(made.ports, { transaction: serializeTransaction(spend), height: HEIGHT });
    const { node: peer, effect } = asking();
    const round = await roundOf(made);
    const first = round.fund(effect, peer.state);
    await end(made, round, peer.state);

    const other = await revive(made);
    expect(await coins(other)).toEqual(await coins(made));
    expect(await address(other)).toEqual(await address(made));
    expect(await walletWatches(other.ports)).toEqual(await walletWatches(made.ports));
    expect((await roundOf(other)).fund(effect, peer.state)).toEqual(first);
  });

  it('a copy does not undo what this device has seen since', async () => {
    const made = await node();
    await pay(made, 300_000n);
    const copy = await sealBackup(made.ports);
    if (copy === undefined) throw new Error('no copy');
    await pay(made, 20_000n, 1);
    made.relay.meddle = async (op, _body, honest) => (op === 'backup' ? ok(copy) : honest());
    await made.call('restore-peers', null);
    expect(await coins(made)).toHaveLength(2);
    expect((await sealBackup(made.ports))?.seq).toBeGreaterThan(copy.seq);
  });
});

describe('claims on chain', () => {
  /** A channel of ours whose claims spend these coins. */
  function claiming(inputs: readonly Outpoint[], sweepIndex = 0): PeerState {
    const { node: peer } = reachNormal();
    peer.step({ tag: 'channel', channelId: channelIdOf(peer.channel), command: { tag: 'force-close' } });
    const { channel } = peer;
    if (channel.tag !== 'closing') throw new Error(`not closing but ${channel.tag}`);
    const attempts = [{ inputs, transaction: new Uint8Array(), txid: hash('claim'), feeratePerKw: 253, madeAtHeight: 1 }];
    return { ...peer.state, channels: [{ ...channel, onchain: { ...channel.onchain, attempts, sweepIndex } }] };
  }

  it('their coins are this peer’s alone, and free when they are no longer spent', async () => {
    const made = await node();
    const [one] = [await pay(made, 300_000n), await pay(made, 20_000n, 1)];
    const claims = claiming([one]);
    const { node: opening, effect } = asking();
    expect(await end(made, await roundOf(made), claims)).toMatchObject({ ok: true });
    expect((await roundOf(made)).coins(claims)).toHaveLength(2);
    expect((await roundOf(made, 'bob')).coins(opening.state)).toHaveLength(1);
    expect((await roundOf(made, 'bob')).fund(effect, opening.state)).toMatchObject({ command: { tag: 'not-funded' } });
    expect(await coins(made)).toMatchObject([{ reservedFor: { what: 'claim', peerId: 'alice' } }, { amountSat: '20000' }]);
    expect(await end(made, await roundOf(made), claiming([]))).toMatchObject({ ok: true });
    expect((await roundOf(made, 'bob')).coins(opening.state)).toHaveLength(2);
  });

  it('a funding of the same round leaves them alone', async () => {
    const made = await node();
    const coin = await pay(made, 300_000n);
    const { node: opening, effect } = asking();
    const both: PeerState = { ...opening.state, channels: [...opening.state.channels, ...claiming([coin]).channels] };
    expect((await roundOf(made)).fund(effect, both)).toMatchObject({ command: { tag: 'not-funded' } });
  });

  it('the index that a close pays to is used up when its script was asked for, or a closing channel has it', async () => {
    const made = await node();
    await address(made);
    const { node: opening } = asking();
    const asked = await roundOf(made);
    expect(asked.sweepIndex).toBe(1);
    asked.signer.scriptPubKey(asked.sweepIndex);
    await end(made, asked, opening.state);
    const next = await roundOf(made);
    expect(next.sweepIndex).toBe(2);
    await end(made, next, claiming([], 2));
    expect((await roundOf(made)).sweepIndex).toBe(3);
    expect(await end(made, await roundOf(made), claiming([], 2))).toBe('nothing to write');
  });
});
