/** Payments over other nodes: to us through a peer that we have a channel with, from us through nodes that only gossip tells of. */
import { join } from 'node:path';
import { announceDepth } from '../../shared/ln/channel/limits.ts';
import { waitFor } from '../lab/wait.ts';
import { peerBinaries } from '../peers/build.ts';
import { createLndPeer, type LndPeer } from '../peers/lnd.ts';
import { awake, ensureChannel, invoicesOfOurs, payFromPhone, quietSums } from './channels.ts';
import type { Scenario } from './scenarios.ts';
import type { InteropPeer, InteropWorld } from './world.ts';

const COINS_SAT = 20_000_000n;
const LINE_SAT = 1_000_000n;
const AMOUNT_SAT = 7_000n;
const MAX_FEE_MSAT = 100_000n;

export const farScenarios: readonly Scenario[] = [
  {
    name: '(v) a part that fails is sent another way',
    only: 'LND',
    async run(world) {
      // Gossip praises the way through LDK as much as the other, and there is no money in it: only trying tells.
      const far = await farLnd(world);
      for (const interop of world.peers) await ensureChannel(world, interop);
      return awake(world, async () => {
        await untilKnown(world, 2);
        const ways: string[] = [];
        for (let i = 0; i < 4; i += 1) {
          const { text } = await far.invoice((AMOUNT_SAT + BigInt(i)) * 1_000n);
          const id = await payFromPhone(world, text, { maxFeeMsat: MAX_FEE_MSAT.toString() });
          const sent = await untilEnded(world, id);
          if (sent.state !== 'sent') throw new Error(`${sent.state}: ${sent.failure}`);
          const failed = sent.parts.filter(({ state }) => state === 'failed');
          ways.push(sent.parts.map((part) => `${part.peerAlias} ${part.state}${part.failure ? ` (${part.failure})` : ''}`).join(', then '));
          if (failed.length > 0) return `${ways.join('; ')}; paid all the same`;
        }
        throw new Error(`nothing failed: ${ways.join('; ')}`);
      });
    },
  },
  {
    name: '(u) three nodes: another LND — the peer — the sleeping phone',
    async run(world, interop) {
      const far = await farLnd(world);
      await ensureChannel(world, interop);
      const before = await quietSums(world, interop.peer);
      const [text = ''] = await invoicesOfOurs(world, 1, AMOUNT_SAT);
      // The invoice hints at every peer of ours: the other one is not there, and the payer has to find that out.
      const others = world.peers.filter(({ peer }) => peer !== interop.peer);
      return whileAway(world, others, async () => {
        await far.forgetLessons();
        // What was announced a moment ago reaches the payer when its peers come to it.
        const proof = await waitFor(
          async () => {
            const paid = await far.pay(text, { maxFeeMsat: MAX_FEE_MSAT });
            return paid.ok ? paid.value : undefined;
          },
          { what: `${far.alias} to pay us through ${interop.peer.alias}`, timeoutMs: 120_000 },
        );
        const gained = (await quietSums(world, interop.peer)).ours - before.ours;
        if (gained !== AMOUNT_SAT) throw new Error(`we gained ${gained} sat`);
        return `${AMOUNT_SAT} sat by the hint in our invoice, preimage ${proof.slice(0, 8)}…`;
      });
    },
  },
  {
    name: '(u) three nodes: the phone — the peer — another LND',
    only: 'LND',
    async run(world, interop) {
      const far = await farLnd(world);
      await ensureChannel(world, interop);
      const { text } = await far.invoice(AMOUNT_SAT * 1_000n);
      return awake(world, () => payOver(world, text, { first: interop.peer.alias, hops: 2 }));
    },
  },
  {
    name: '(u) three hops: the phone — LND — another LND — the peer',
    only: 'LDK',
    async run(world, interop) {
      const { peer } = interop;
      await farLnd(world);
      for (const one of world.peers) await ensureChannel(world, one);
      const { text, paymentHash } = await peer.invoice(AMOUNT_SAT * 1_000n);
      // There is a channel straight to it, which must not be used.
      return whileAway(world, [interop], () =>
        awake(world, async () => {
          await waitFor(
            async () => {
              await world.phone.call('refresh', null);
              const { peers } = await world.phone.call('snapshot', null);
              return peers.find(({ peerId }) => peerId === peer.id)?.link === 'offline';
            },
            { what: `the phone to know that ${peer.alias} is away`, timeoutMs: 30_000 },
          );
          const seen = await payOver(world, text, { first: 'LND', hops: 3 });
          const state = await peer.invoiceState(paymentHash);
          if (state !== 'paid') throw new Error(`${peer.alias} calls it ${state}`);
          return seen;
        }),
      );
    },
  },
];

/** These peers cannot be reached meanwhile; afterwards they are back. */
async function whileAway<T>(world: InteropWorld, away: readonly InteropPeer[], work: () => Promise<T>): Promise<T> {
  for (const { wire } of away) wire.block(true);
  try {
    return await work();
  } finally {
    for (const { wire } of away) wire.block(false);
    await awake(world, () => world.phone.call('refresh', null));
    for (const { peer } of away)
      await waitFor(() => peer.connectedTo(world.nodeId), { what: `${peer.alias} to be back`, timeoutMs: 60_000 });
  }
}

let farOnce: Promise<LndPeer> | undefined;

/**
 * A third node. LND has money towards it; towards it through LDK there is a channel, and all of the money is on its own side.
 */
export function farLnd(world: InteropWorld): Promise<LndPeer> {
  farOnce ??= (async () => {
    const { lnd: bin } = await peerBinaries();
    const far = await createLndPeer({ alias: 'far LND', bin, dir: join(world.dir, 'lnd-far'), btcd: world.btcd });
    await far.start();
    world.atEnd.push(() => far.stop());
    await world.btcd.fund(await far.address(), COINS_SAT);
    await world.btcd.mine(3);
    await waitFor(async () => (await far.balanceSat()) >= COINS_SAT, { what: 'the far LND to see its coins', timeoutMs: 30_000 });
    for (const { peer } of world.peers) {
      await far.connect(peer.id, peer.host, peer.port);
      const pushSat = peer.alias === 'LND' ? LINE_SAT / 2n : 0n;
      const opened = await far.openChannel(peer.id, LINE_SAT, { public: true, pushSat });
      if (!opened.ok) throw new Error(opened.error);
      await world.btcd.mine(announceDepth);
      const active = async (): Promise<boolean> => (await far.channels()).some((one) => one.peer === peer.id && one.active);
      await waitFor(active, { what: `the channel of the far LND and ${peer.alias}`, timeoutMs: 60_000 });
    }
    return far;
  })();
  return farOnce;
}

/** Until the phone's copy of the graph has as many channels. */
async function untilKnown(world: InteropWorld, channels: number): Promise<void> {
  await waitFor(
    async () => {
      await world.phone.call('refresh-graph', null);
      return ((await world.phone.call('snapshot', null)).graph?.channels ?? 0) >= channels;
    },
    { what: `${channels} channels in the phone's graph`, timeoutMs: 120_000, stepMs: 500 },
  );
}

/** Pays by what gossip tells, as soon as it tells enough; throws unless every part that settled went so. */
async function payOver(world: InteropWorld, text: string, way: { readonly first: string; readonly hops: number }): Promise<string> {
  const id = await waitFor(
    async () => {
      await untilKnown(world, 2);
      return payFromPhone(world, text, { maxFeeMsat: MAX_FEE_MSAT.toString() }, 1_000);
    },
    { what: 'a way to the payee', timeoutMs: 120_000, stepMs: 500 },
  );
  const sent = await untilEnded(world, id);
  if (sent.state !== 'sent') throw new Error(`${sent.state}: ${sent.failure}`);
  const settled = sent.parts.filter(({ state }) => state === 'settled');
  const others = settled.filter((part) => part.peerAlias !== way.first || part.hops !== way.hops);
  if (settled.length === 0 || others.length > 0) throw new Error(`not so: ${JSON.stringify(sent.parts)}`);
  return `${AMOUNT_SAT} sat over ${way.hops} hops for a fee of ${sent.feeMsat} msat, by the relay's snapshot of gossip`;
}

async function untilEnded(world: InteropWorld, id: string) {
  return waitFor(
    async () => {
      const payment = await world.phone.call('payment', { id });
      return payment.state === 'sent' || payment.state === 'failed' ? payment : undefined;
    },
    { what: `payment ${id} to end`, timeoutMs: 60_000 },
  );
}
