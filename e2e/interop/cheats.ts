/** Revoked commitments: one of ours that we publish on purpose, one of LND's from a database that was put back. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { envFor } from '../../app/runtime/env.ts';
import { openRoundWallet } from '../../app/runtime/wallet.ts';
import { loadPeer } from '../../app/store/store.ts';
import { fromHex } from '../../shared/lib/bytes.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import { broadcasts, stepPeer } from '../../shared/ln/peer/machine.ts';
import { startWire, type Wire } from '../lab/cuttable.ts';
import { waitFor } from '../lab/wait.ts';
import { peerBinaries } from '../peers/build.ts';
import { createLndPeer, type LndPeer } from '../peers/lnd.ts';
import {
  coinsOfOurs,
  ensureChannel,
  ensureCoins,
  invoicesOfOurs,
  mineAndSee,
  quietSums,
  target,
  unminedSpender,
  withUs,
} from './channels.ts';
import { closeTogether } from './closes.ts';
import { frozenNow, type Node, openToNode, ourChannel, payFrom, quiet, startNode, stopNode } from './node.ts';
import type { Scenario } from './scenarios.ts';
import type { InteropWorld } from './world.ts';

const COINS_SAT = 20_000_000n;
const CAPACITY_SAT = 500_000n;
const FEES_SAT = 30_000n;
const GIVEN_SAT = 40_000n;

export const cheatScenarios: readonly Scenario[] = [
  {
    name: '(n) a revoked commitment of ours, published on purpose',
    async run(world, { peer }) {
      const node = await startNode(world, peer);
      try {
        await openToNode(world, node, CAPACITY_SAT, 300_000n);
        const old = await frozenNow(node);
        for (let i = 0; i < 3; i += 1) {
          const paid = await payFrom(node, (await peer.invoice(50_000_000n)).text);
          if (paid !== 'sent') throw new Error(paid);
        }
        await quiet(node);
        const before = await peer.balanceSat();
        const [commitment] = await oldCommitment(node, old);
        if (commitment === undefined) throw new Error('no commitment');
        const sent = await world.btcd.submit(commitment);
        if (!sent.ok) throw new Error(sent.error);
        await world.btcd.mine(1);
        let mined = 0;
        await waitFor(
          async () => {
            if ((await peer.balanceSat()) >= before + CAPACITY_SAT - FEES_SAT) return true;
            // LDK raises the fee of its claim with each block that has none of it: it must have had the time to send it.
            await peer.settled?.();
            await world.btcd.mine(1);
            mined += 1;
            return undefined;
          },
          { what: `${peer.alias} to take everything`, timeoutMs: 60_000 },
        );
        return `ours by it was 300000 sat; ${peer.alias} has ${(await peer.balanceSat()) - before} of ${CAPACITY_SAT} sat after ${mined} blocks`;
      } finally {
        await stopNode(node);
      }
    },
  },
  {
    name: '(l) simple close, asked by us',
    only: 'LND',
    async run(world) {
      const { peer, wire } = await second(world);
      return closeTogether(
        world,
        { peer, wire },
        async (channel) => {
          await world.phone.call('close-channel', { peerId: peer.id, channelId: channel.id, feerateSatPerVb: 3 });
        },
        'simple',
      );
    },
  },
  {
    name: '(o) a revoked commitment from a restored database',
    only: 'LND',
    run: async (world) => punish(world, await second(world)),
  },
];

type Second = { readonly peer: LndPeer; readonly wire: Wire; readonly dir: string };
let secondOf: Promise<Second> | undefined;

/** Another LND, with the newer close, and whose database can be put back without harm to the other scenarios. */
function second(world: InteropWorld): Promise<Second> {
  secondOf ??= (async () => {
    const dir = join(world.dir, 'lnd2');
    const { lnd: bin } = await peerBinaries();
    const peer = await createLndPeer({ alias: 'LND2', bin, dir, btcd: world.btcd, args: ['--protocol.rbf-coop-close'] });
    await peer.start();
    const wire = await startWire(peer);
    world.atEnd.push(async () => {
      await wire.stop();
      await peer.stop();
    });
    await world.btcd.fund(await peer.address(), COINS_SAT);
    await world.btcd.mine(3);
    await waitFor(async () => (await peer.balanceSat()) >= COINS_SAT, { what: 'LND2 to see its coins', timeoutMs: 30_000 });
    await world.phone.call('connect-peer', { address: `${peer.id}@127.0.0.1:${wire.port}` });
    await world.phone.call('rename-peer', { peerId: peer.id, alias: peer.alias });
    await world.phone.sleep();
    return { peer, wire, dir };
  })();
  return secondOf;
}

/** What we would have published then. */
async function oldCommitment(node: Node, frozen: Uint8Array): Promise<readonly Uint8Array[]> {
  const { ports } = node.self;
  const thawed = thawPeer(frozen);
  const keys = await ports.keys();
  const record = await loadPeer(ports.db, node.peer.id);
  if (!thawed.ok || keys === undefined || record === undefined) throw new Error('nothing to take up');
  const wallet = await openRoundWallet(ports, node.peer.id, keys.wallet);
  const env = {
    ...(await envFor(ports, record, keys)),
    wallet: wallet.signer,
    sweepIndex: wallet.sweepIndex,
    coins: wallet.coins(thawed.value),
    entropy: ports.entropy(64),
  };
  const channelId = fromHex((await ourChannel(node)).id);
  const { state } = stepPeer(thawed.value, { tag: 'channel', channelId, command: { tag: 'force-close' } }, env);
  return broadcasts(state);
}

async function punish(world: InteropWorld, { peer: lnd, wire, dir }: Second): Promise<string> {
  const interop = { peer: lnd, wire };
  await ensureCoins(world, 100_000n);
  await ensureChannel(world, interop);
  const channel = await target(world, lnd);
  const capacitySat = channel.oursSat + channel.theirsSat;
  const saved = `${dir}-saved`;
  await lnd.stop();
  cpSync(dir, saved, { recursive: true });
  await lnd.start();
  await ensureChannel(world, interop);
  const [text = ''] = await invoicesOfOurs(world, 1, GIVEN_SAT);
  const paid = await lnd.pay(text);
  if (!paid.ok) throw new Error(paid.error);
  await quietSums(world, lnd);
  await lnd.stop();
  rmSync(dir, { recursive: true });
  cpSync(saved, dir, { recursive: true });
  wire.block(true);
  await lnd.start();
  await mineAndSee(world, 1);
  const coins = await coinsOfOurs(world);
  await world.phone.sleep();
  const pushes = world.gcm.posts.length;
  const asked = await lnd.closeChannel(channel.outpoint, { force: true });
  if (!asked.ok) throw new Error(asked.error);
  const revoked = await waitFor(() => unminedSpender(world, channel.outpoint), { what: 'the old commitment', timeoutMs: 30_000 });
  await world.btcd.mine(1);
  // Nobody looks: what answers was woken.
  await waitFor(() => spentInMempool(world, revoked.txid), { what: 'a penalty in the mempool', timeoutMs: 60_000 });
  const woken = world.gcm.posts.length - pushes;
  await mineAndSee(world, 1);
  await waitFor(async () => (await coinsOfOurs(world)) >= coins + capacitySat - FEES_SAT, {
    what: 'all of the channel among our coins',
    timeoutMs: 30_000,
  });
  if ((await withUs(world, lnd)).some((one) => one.active)) throw new Error('LND still calls it active');
  return `revoked: ${(await coinsOfOurs(world)) - coins} of ${capacitySat} sat are ours, by ${woken} pushes to the sleeping phone`;
}

const Spends = v.object({ vin: v.array(v.object({ txid: v.string() })) });
async function spentInMempool(world: InteropWorld, of: string): Promise<boolean> {
  for (const txid of v.parse(v.array(v.string()), await world.btcd.rpc('getrawmempool', []))) {
    const { vin } = v.parse(Spends, await world.btcd.rpc('getrawtransaction', [txid, 1]));
    if (vin.some((input) => input.txid === of)) return true;
  }
  return false;
}
