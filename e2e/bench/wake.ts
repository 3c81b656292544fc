/**
 * From a push to the signed answer on the relay's socket, the worker stopped before each: `funding_signed`, and `revoke_and_ack` with
 * `commitment_signed` for one HTLC and for many. In turn with the first, in the same browser, a service worker on LDK from a push to
 * its first key. Real Chromium, real push and decryption, strict durability.
 */
import { findBrowser } from '../browsers.ts';
import type { Phone } from '../lab/phone.ts';
import { type Funder, startFunder } from './funder.ts';
import { type LdkStart, startLdkSite } from './ldk-site.ts';
import { type Bench, median, type Options } from './report.ts';
import { Sender } from './sender.ts';
import { connect, named, partsTable, type Round, row, startSleeper } from './sleeper.ts';

const ROUNDS = 30;
const TARGET_MS = 150;
/** In one `commitment_signed`. */
const HTLCS = [1, 30] as const;
/** Channels that wait for their funding, of one peer: the app takes no more. */
const CHANNELS_PER_PEER = 4;

export async function wake({ smoke, tell }: Options): ReturnType<Bench> {
  if (findBrowser('chromium') === undefined) return { name: 'wake', skipped: 'there is no Chromium here' };
  const rounds = smoke ? 1 : ROUNDS;
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const { phone, measure } = await startSleeper(tell, stops);
    const funders = await connectFunders(phone, Math.ceil(rounds / CHANNELS_PER_PEER));
    stops.push(() => Promise.all(funders.map((funder) => funder.stop())));
    const site = await startLdkSite(phone.browser);
    stops.push(site.stop);

    const ours: Round[] = [];
    const theirs: LdkStart[] = [];
    for (let i = 0; i < rounds; i += 1) {
      const funder = funders[i % funders.length];
      if (funder === undefined) throw new Error('no funder');
      await phone.sleep();
      const funding = await funder.open(`bench ${i}`);
      await phone.sleep();
      ours.push(await measure(await funding.sign()));
      theirs.push(await site.coldStart());
      const last = ours.at(-1);
      tell(`${i + 1}/${rounds}: ours ${last?.totalMs} ms (start ${last?.startMs}), LDK ${theirs.at(-1)?.totalMs} ms`);
    }
    const sender = await Sender.start();
    stops.push(() => sender.stop());
    await connect(phone, sender);
    await phone.call('set-peer-policy', { peerId: sender.peerId, onOpen: 'sign', zeroConf: true });
    await sender.open();
    const offers = HTLCS.map((count) => ({ count, rounds: [] as Round[] }));
    for (let i = 0; i < rounds; i += 1) {
      for (const { count, rounds: done } of offers) {
        await phone.sleep();
        const round = await measure(await sender.offer(count));
        done.push(round);
        await sender.quiet();
        tell(`${i + 1}/${rounds}: ${named(count)} ${round.totalMs} ms (start ${round.startMs})`);
      }
    }
    if (phone.browser.workers.errors.length > 0) throw new Error(phone.browser.workers.errors.join('\n'));
    return report(ours, theirs, offers);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function connectFunders(phone: Phone, count: number): Promise<Funder[]> {
  const funders = await Promise.all(Array.from({ length: count }, startFunder));
  for (const funder of funders) await connect(phone, funder);
  return funders;
}

type Offers = readonly { readonly count: number; readonly rounds: readonly Round[] }[];

function report(ours: readonly Round[], theirs: readonly LdkStart[], offers: Offers): Awaited<ReturnType<Bench>> {
  const totals = ours.map(({ totalMs }) => totalMs);
  const ldkTotals = theirs.map(({ totalMs }) => totalMs);
  const ldk = [
    row('LDK: push → first key', ldkTotals),
    row(
      '— start: worker, glue',
      theirs.map(({ startMs }) => startMs),
    ),
    row(
      '— wasm',
      theirs.map(({ wasmMs }) => wasmMs),
    ),
    row(
      '— key',
      theirs.map(({ keyMs }) => keyMs),
    ),
  ];
  const answer = '`revoke_and_ack` + `commitment_signed`';
  return {
    name: 'wake',
    tables: [
      partsTable('A push wakes a stopped worker', '`funding_signed`', ours, ldk),
      ...offers.map(({ count, rounds }) => partsTable(`A push wakes a stopped worker for ${named(count)}`, answer, rounds)),
    ],
    figures: [
      { name: 'push → funding_signed, median', value: median(totals), unit: 'ms', target: { at: 'most', value: TARGET_MS } },
      { name: 'push event → funding_signed, median', value: median(ours.map(({ handlerMs }) => handlerMs)), unit: 'ms' },
      { name: 'LDK: push → first key, median', value: median(ldkTotals), unit: 'ms' },
      { name: 'LDK over ours', value: median(ldkTotals) / median(totals), unit: '×' },
      ...offers.flatMap(({ count, rounds }) => [
        {
          name: `push → revoke_and_ack + commitment_signed, ${named(count)}, median`,
          value: median(rounds.map(({ totalMs }) => totalMs)),
          unit: 'ms',
        },
        {
          name: `push event → revoke_and_ack + commitment_signed, ${named(count)}, median`,
          value: median(rounds.map(({ handlerMs }) => handlerMs)),
          unit: 'ms',
        },
      ]),
    ],
  };
}
