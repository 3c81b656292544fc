/** Payments with a phone that sleeps: both ways, with the wire cut between any two messages, over restarts of either side. */
import type { Direction } from '../lab/cuttable.ts';
import { waitFor } from '../lab/wait.ts';
import { activeCount, awake, ensureChannel, expectMoved, invoicesOfOurs, payFromPhone, quietSums, untilSent } from './channels.ts';
import type { Scenario } from './scenarios.ts';

const COUNT = 20;
/** BOLT 8: 18 for the length, 16 for the tag of the message. */
const FRAME_BYTES = 18 + 16;
/** BOLT 2: type, channel, id and preimage; the record of attribution data is 20 times and 210 HMACs. */
const FULFIL_BYTES = FRAME_BYTES + 2 + 32 + 8 + 32 + (1 + 3) + 20 * 4 + 210 * 4;
const COMMITMENT_SIGNED_BYTES = FRAME_BYTES + 2 + 32 + 64 + 2;
const HTLC_SIGNATURE_BYTES = 64;

/** In a payment to us: our fulfil, alone or with our signature behind it. */
export function isOurFulfil(direction: Direction, bytes: number): boolean {
  const rest = bytes - FULFIL_BYTES;
  const signatures = rest - COMMITMENT_SIGNED_BYTES;
  return direction === 'out' && (rest === 0 || (signatures >= 0 && signatures % HTLC_SIGNATURE_BYTES === 0));
}

export const paymentScenarios: readonly Scenario[] = [
  {
    name: '(g) twenty payments each way',
    async run(world, interop) {
      const { peer } = interop;
      await ensureChannel(world, interop);
      const first = await quietSums(world, peer);
      const texts = await invoicesOfOurs(world, COUNT, 2_000n);
      const pushes = world.gcm.posts.length;
      const began = Date.now();
      const paid = await Promise.all(texts.map((text) => peer.pay(text)));
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      const woken = world.gcm.posts.length - pushes;
      const bad = paid.find((one) => !one.ok);
      if (bad?.ok === false) throw new Error(bad.error);
      const second = await quietSums(world, peer);
      expectMoved(first, second, 40_000n);

      await awake(world, async () => {
        const ids: string[] = [];
        for (let i = 0; i < COUNT; i += 1) ids.push(await payFromPhone(world, (await peer.invoice(1_000_000n)).text));
        await untilSent(world, ids);
      });
      expectMoved(second, await quietSums(world, peer), -20_000n);
      return `20 in to the sleeping phone in ${seconds} s by ${woken} pushes, 20 out; both ends count the same`;
    },
  },
  {
    name: '(j) both sides and the relay started again with HTLCs in flight',
    async run(world, interop) {
      const { peer, wire } = interop;
      await ensureChannel(world, interop);
      const before = await quietSums(world, peer);
      const { text, paymentHash } = await peer.invoice(5_000_000n, { hold: true });
      const [ours = ''] = await invoicesOfOurs(world, 1, 3_000n);
      const id = await awake(world, () => payFromPhone(world, text));
      await waitFor(async () => (await peer.invoiceState(paymentHash)) === 'held', {
        what: `${peer.alias} to hold our payment`,
        timeoutMs: 30_000,
      });
      // Theirs stops where both commitments have it and nobody has its preimage from us yet.
      wire.cutWhen(isOurFulfil);
      const paying = peer.pay(ours);
      await waitFor(async () => (await activeCount(world, peer)) === 0, { what: 'the cut', timeoutMs: 30_000 });
      wire.block(true);
      await world.phone.sleep();
      await world.relay.kill();
      await peer.restart();
      await world.relay.start();
      wire.block(false);
      await waitFor(async () => (await activeCount(world, peer)) >= 1, { what: 'the channel to be active again', timeoutMs: 90_000 });
      await peer.settle(paymentHash);
      await awake(world, () => untilSent(world, [id]));
      // LND forgets who asked when it is stopped; what was paid stands in the balances.
      if (peer.alias === 'LDK') {
        const paid = await paying;
        if (!paid.ok) throw new Error(paid.error);
      }
      expectMoved(before, await quietSums(world, peer), -2_000n);
      return 'one held each way; phone, relay (killed) and peer started again; both settled once';
    },
  },
];
