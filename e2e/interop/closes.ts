/** Channels that we open from our own coins, and channels that end: with the peer, and without it while HTLCs are in flight. */
import { waitFor } from '../lab/wait.ts';
import {
  activeCount,
  awake,
  coinsOfOurs,
  ensureChannel,
  ensureCoins,
  ensureOneChannel,
  invoicesOfOurs,
  mineAndSee,
  mineUntil,
  payFromPhone,
  type Target,
  target,
  unminedSpender,
  untilActive,
  untilSent,
  withUs,
} from './channels.ts';
import { isOurFulfil } from './payments.ts';
import type { Scenario } from './scenarios.ts';
import type { InteropPeer, InteropWorld } from './world.ts';

const COINS_SAT = 1_000_000n;
const OPEN_SAT = 400_000n;
/** More than any fee of these transactions, less than any output that could be missing. */
const FEES_SAT = 8_000n;
/** For what is spent alone, with fees of the day several times over. */
const SWEEP_FEES_SAT = 20_000n;
const HELD_SAT = 20_000n;
const GIVEN_SAT = 15_000n;

export const closeScenarios: readonly Scenario[] = [
  {
    name: '(k) a channel from our own coins',
    async run(world, interop) {
      const { peer } = interop;
      const active = await activeCount(world, peer);
      return awake(world, async () => {
        await ensureCoins(world, COINS_SAT);
        const order = { peerId: peer.id, amountSat: OPEN_SAT.toString(), isPublic: false, feerateSatPerVb: 2 };
        await waitFor(() => world.phone.call('open-channel', order), { what: 'the channel to be opened', timeoutMs: 30_000 });
        await waitFor(
          async () => {
            const opening = (await world.phone.channels()).find(({ tag, opener }) => tag === 'wait-for-funding-confirmed' && opener);
            return opening && world.btcd.rpc('getrawtransaction', [opening.fundingTxid]);
          },
          { what: 'its funding in the mempool', timeoutMs: 30_000 },
        );
        await untilActive(world, peer, active + 1);
        const amountSat = OPEN_SAT / 2n;
        const { text } = await peer.invoice(amountSat * 1_000n);
        await untilSent(world, [await payFromPhone(world, text)]);
        return `private, active, ${amountSat} sat paid over it`;
      });
    },
  },
  {
    name: '(l) closed together, asked by us',
    async run(world, interop) {
      return closeTogether(world, interop, async (channel) => {
        await awake(world, () => world.phone.call('close-channel', { peerId: interop.peer.id, channelId: channel.id, feerateSatPerVb: 2 }));
      });
    },
  },
  {
    name: '(l) closed together, asked by the peer',
    async run(world, interop) {
      return closeTogether(world, interop, async (channel) => {
        const asked = await interop.peer.closeChannel(channel.outpoint);
        if (!asked.ok) throw new Error(asked.error);
      });
    },
  },
  {
    name: '(m) forced by us, HTLCs in flight both ways',
    run: (world, interop) =>
      closeAlone(world, interop, {
        end: 'settled',
        close: async (channel) => {
          await awake(world, () => world.phone.call('force-close', { peerId: interop.peer.id, channelId: channel.id }));
        },
      }),
  },
  {
    name: '(m) forced by the peer, HTLCs in flight both ways',
    run: (world, interop) =>
      closeAlone(world, interop, {
        end: 'timed out',
        close: async (channel) => {
          const asked = await interop.peer.closeChannel(channel.outpoint, { force: true });
          if (!asked.ok) throw new Error(asked.error);
        },
      }),
  },
];

/** BOLT 3 § Closing Transaction: the sequence of the one input. */
const SEQUENCE = { old: 0xffff_ffff, simple: 0xffff_fffd };

export async function closeTogether(
  world: InteropWorld,
  interop: InteropPeer,
  ask: (channel: Target) => Promise<void>,
  kind: 'old' | 'simple' = 'old',
): Promise<string> {
  const { peer } = interop;
  await ensureChannel(world, interop);
  const channel = await target(world, peer);
  const theirs = await peer.balanceSat();
  await ask(channel);
  const close = await waitFor(() => unminedSpender(world, channel.outpoint), {
    what: 'the closing transaction in the mempool',
    timeoutMs: 60_000,
  });
  if (close.sequence !== SEQUENCE[kind]) throw new Error(`not the ${kind} kind: sequence ${close.sequence}`);
  // In a simple close each side makes a transaction of its own, and the one that pays more takes the place of the other.
  const closes = new Set([close.txid]);
  const ourCoin = async () => {
    const now = (await world.phone.channels()).find(({ id }) => id === channel.id);
    for (const txid of now?.closing?.mutualTxids ?? []) closes.add(txid);
    return (await world.phone.call('coins', null)).find(({ txid, confirmations }) => closes.has(txid) && confirmations > 0);
  };
  await mineUntil(world, { what: 'our output', atMost: 3 }, async () => (await ourCoin()) !== undefined);
  const back = BigInt((await ourCoin())?.amountSat ?? '0');
  if (back < channel.oursSat - FEES_SAT) throw new Error(`only ${back} of our ${channel.oursSat} sat came back`);
  // LDK sweeps its output to its wallet once it is buried.
  const blocks = await mineUntil(
    world,
    { what: `${peer.alias} to have its output`, atMost: 12 },
    async () => (await peer.balanceSat()) >= theirs + channel.theirsSat - FEES_SAT,
  );
  if ((await withUs(world, peer)).some((one) => one.fundingOutpoint === channel.outpoint)) throw new Error(`${peer.alias} still lists it`);
  return `${close.outputs} outputs, mined; ${back} of our ${channel.oursSat} sat came back, theirs after ${1 + blocks} blocks`;
}

async function closeAlone(
  world: InteropWorld,
  interop: InteropPeer,
  { end, close }: { readonly end: 'settled' | 'timed out'; readonly close: (channel: Target) => Promise<void> },
): Promise<string> {
  const { peer, wire } = interop;
  const channel = await ensureOneChannel(world, interop);
  await ensureCoins(world, 100_000n);
  // Nothing of before is to be mined later.
  await mineAndSee(world, 1);
  const coins = await coinsOfOurs(world);
  const { text, paymentHash } = await peer.invoice(HELD_SAT * 1_000n, { hold: true });
  const [given = ''] = await invoicesOfOurs(world, 1, GIVEN_SAT);
  const id = await awake(world, () => payFromPhone(world, text));
  await waitFor(async () => (await peer.invoiceState(paymentHash)) === 'held', {
    what: `${peer.alias} to hold our payment`,
    timeoutMs: 30_000,
  });
  wire.cutWhen(isOurFulfil);
  const theirPayment = peer.pay(given);
  await waitFor(async () => (await activeCount(world, peer)) === 0, { what: 'the cut', timeoutMs: 30_000 });
  wire.block(true);
  try {
    await close(channel);
    await mineUntil(world, { what: 'a commitment in the chain', atMost: 3 }, async () => {
      const now = (await world.phone.channels()).find((one) => one.id === channel.id);
      return (now?.closing?.sweeps.length ?? 0) > 0;
    });
    if (end === 'settled') await peer.settle(paymentHash);
    const expected = channel.oursSat + GIVEN_SAT - (end === 'settled' ? HELD_SAT : 0n);
    const blocks = await mineUntil(world, { what: 'everything of ours swept', atMost: 400, step: 20 }, async () => {
      const now = (await world.phone.channels()).find((one) => one.id === channel.id);
      const open = now?.closing?.sweeps.some(({ status }) => status === 'waiting' || status === 'due') ?? false;
      return !open && (await coinsOfOurs(world)) >= coins + expected - SWEEP_FEES_SAT;
    });
    const payments = await world.phone.call('payments', null);
    const sent = payments.find((one) => one.id === id)?.state;
    if (sent !== (end === 'settled' ? 'sent' : 'failed')) throw new Error(`our payment is ${sent}`);
    const paid = await theirPayment;
    if (!paid.ok) throw new Error(`their payment: ${paid.error}`);
    return `all swept after ${blocks} blocks: ${(await coinsOfOurs(world)) - coins} of ${expected} sat; ours ${end}, theirs paid with our preimage`;
  } finally {
    wire.block(false);
  }
}
