/**
 * From a push to `update_fulfill_htlc` on the relay's socket, the worker stopped before each: one payment to us, and a burst of them by one
 * wake. Real Chromium, real push and decryption, strict durability, and a chain that is looked at: a phone that does not know how late it
 * is on the chain takes nothing.
 */
import { findBrowser } from '../browsers.ts';
import { type Bench, median, type Options } from './report.ts';
import { Sender } from './sender.ts';
import { connect, named, type Round, row, startSleeper } from './sleeper.ts';

const ROUNDS = 20;
const TARGET_MS = 200;
const BURST = 30;
const AMOUNT_MSAT = '2000000';

export async function wakePay({ smoke, tell }: Options): ReturnType<Bench> {
  if (findBrowser('chromium') === undefined) return { name: 'wake-pay', skipped: 'there is no Chromium here' };
  const rounds = smoke ? 1 : ROUNDS;
  const counts = smoke ? [1, 3] : [1, BURST];
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const { phone, measure, height } = await startSleeper(tell, stops, { chain: true });
    const sender = await Sender.start({ height });
    stops.push(() => sender.stop());
    await connect(phone, sender);
    await phone.call('set-peer-policy', { peerId: sender.peerId, onOpen: 'sign', zeroConf: true });
    await sender.open();

    const lanes = counts.map((count) => ({ count, rounds: [] as Round[] }));
    for (let i = 0; i < rounds; i += 1) {
      for (const { count, rounds: done } of lanes) {
        const invoices: string[] = [];
        for (let n = 0; n < count; n += 1) {
          const { text } = await phone.call('create-invoice', { amountMsat: AMOUNT_MSAT, description: `bench ${i}-${n}` });
          invoices.push(text);
        }
        await phone.sleep();
        const { sentAtMs, fulfilledAtMs } = await sender.pay(invoices);
        const round = await measure({ sentAtMs, signedAtMs: fulfilledAtMs });
        done.push(round);
        await sender.quiet();
        tell(`${i + 1}/${rounds}: ${named(count)} ${round.totalMs} ms (start ${round.startMs})`);
      }
    }
    if (phone.browser.workers.errors.length > 0) throw new Error(phone.browser.workers.errors.join('\n'));
    const total = (count: number) => median((lanes.find((lane) => lane.count === count)?.rounds ?? []).map(({ totalMs }) => totalMs));
    const [one = 1, many = 1] = counts;
    return {
      name: 'wake-pay',
      tables: lanes.map(({ count, rounds }) => ({
        title: `A push wakes a stopped worker for ${named(count)} that pay invoices, ${rounds.length} rounds, ms`,
        columns: ['', 'median', 'p90', 'min'],
        rows: [
          row(
            'push → the last `update_fulfill_htlc` on the wire',
            rounds.map(({ totalMs }) => totalMs),
          ),
          row(
            '— start: decryption, worker, script',
            rounds.map(({ startMs }) => startMs),
          ),
          row(
            "— push event → `update_fulfill_htlc`, the peer's `revoke_and_ack` between",
            rounds.map(({ handlerMs }) => handlerMs),
          ),
        ],
      })),
      figures: [
        {
          name: 'push → update_fulfill_htlc, median',
          value: total(one),
          unit: 'ms',
          target: { at: 'most', value: TARGET_MS },
        },
        { name: `push → the last update_fulfill_htlc of ${many}, median`, value: total(many), unit: 'ms' },
        { name: `${many} payments by one wake over one`, value: total(many) / total(one), unit: '×' },
      ],
    };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}
