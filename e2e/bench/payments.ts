/**
 * Payments from one node to another over one channel: two engines of ours and, in turns with them, two LDK nodes, each of the four in a
 * process of its own, over loopback. One after the other, and in waves. What one node does for a payment, and what is durable when, is
 * said in `payer-engine.ts` and `payer-ldk.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Chain, startChain } from '../lab/chain.ts';
import { startRpc } from '../lab/rpc.ts';
import { type Payer, startPayer } from './payers.ts';
import { AMOUNT_MSAT, CHANNEL_SAT } from './payments-terms.ts';
import { type Bench, median, type Options, text } from './report.ts';

/** LDK takes no more HTLCs at a time than it says by itself. */
const LDK_AT_ONCE = 50;
const ENGINE_AT_ONCE = 400;

type Pair = { readonly payer: Payer; readonly payee: Payer };
/** `cpuMs`: of both processes, per payment. `commits`: transactions of both databases, per payment. */
type Turn = { readonly perSecond: number; readonly cpuMs: number; readonly commits: number };
type Lane = { readonly what: string; readonly pair: Pair; readonly atOnce: number; readonly count: number; readonly turns: Turn[] };

async function pay({ payer, payee }: Pair, count: number, atOnce: number): Promise<Turn> {
  const { invoices = [] } = await payee.order({ do: 'invoices', count });
  const usage = async () => {
    const both = await Promise.all([payer, payee].map((one) => one.order({ do: 'usage' })));
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    return { cpuMs: sum(both.map(({ cpuMs = 0 }) => cpuMs)), commits: sum(both.map(({ commits = 0 }) => commits)) };
  };
  const before = await usage();
  const { ms = Number.NaN } = await payer.order({ do: 'pay', invoices, atOnce });
  const after = await usage();
  return {
    perSecond: (count * 1000) / ms,
    cpuMs: (after.cpuMs - before.cpuMs) / count,
    commits: (after.commits - before.commits) / count,
  };
}

/** Two LDK nodes, their channel open and usable. */
async function openLdkChannel(chain: Chain, { payer, payee }: Pair): Promise<void> {
  const both = [payer, payee];
  await chain.fund(payer.address, 2n * CHANNEL_SAT);
  await chain.mine();
  for (const node of both) await node.order({ do: 'tip' });
  await payer.order({ do: 'connect', id: payee.id, port: payee.port });
  await payer.order({ do: 'open', id: payee.id });
  for (let blocks = 0; blocks < 10; blocks += 1) {
    await chain.mine();
    for (const node of both) await node.order({ do: 'tip' });
    const usable = await Promise.all(both.map((node) => node.order({ do: 'tip' })));
    if (usable.every((told) => told.usable)) return;
  }
  throw new Error('the channel of the LDK nodes never got usable');
}

export async function payments({ smoke, tell }: Options): ReturnType<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'beckon-bench-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const startPair = async (kind: 'engine' | 'ldk', rpcUrl?: string): Promise<Pair> => {
    const start = async (name: 'alice' | 'bob'): Promise<Payer> => {
      const node = await startPayer(kind, name, await mkdtemp(join(folder, `${kind}-${name}-`)), rpcUrl);
      stops.push(node.stop);
      return node;
    };
    return { payer: await start('alice'), payee: await start('bob') };
  };
  try {
    const chain = await startChain();
    stops.push(chain.stop);
    const rpc = await startRpc(chain);
    stops.push(rpc.stop);
    const ours = await startPair('engine');
    await ours.payer.order({ do: 'connect', id: ours.payee.id, port: ours.payee.port });
    const ldk = await startPair('ldk', rpc.url);
    await openLdkChannel(chain, ldk);

    const [single, batched, ldkBatched, turns] = smoke ? [4, 8, 8, 0] : [40, 400, 100, 5];
    const lane = (what: string, pair: Pair, count: number, atOnce: number): Lane => ({ what, pair, count, atOnce, turns: [] });
    const one = lane('ours, one after the other', ours, single, 1);
    const ldkOne = lane('LDK, one after the other', ldk, single, 1);
    const few = lane(`ours, ${LDK_AT_ONCE} at once`, ours, batched, LDK_AT_ONCE);
    const ldkFew = lane(`LDK, ${LDK_AT_ONCE} at once`, ldk, ldkBatched, LDK_AT_ONCE);
    const many = lane(`ours, ${ENGINE_AT_ONCE} at once`, ours, 3 * batched, ENGINE_AT_ONCE);
    const lanes = [one, ldkOne, few, ldkFew, many];
    // The first turn compiles and does not count.
    for (let turn = 0; turn <= turns; turn += 1) {
      for (const { what, pair, count, atOnce, turns: done } of lanes) {
        const result = await pay(pair, count, atOnce);
        if (turn > 0 || smoke) done.push(result);
        tell(`${what}: ${text(result.perSecond)} a second, ${text(result.cpuMs, 2)} ms of CPU each`);
      }
    }
    return report(one, ldkOne, few, ldkFew, many);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

function report(one: Lane, ldkOne: Lane, few: Lane, ldkFew: Lane, many: Lane): Awaited<ReturnType<Bench>> {
  const rate = ({ turns }: Lane) => median(turns.map(({ perSecond }) => perSecond));
  const cpu = ({ turns }: Lane) => median(turns.map(({ cpuMs }) => cpuMs));
  return {
    name: 'payments',
    tables: [
      {
        title: `Payments of ${AMOUNT_MSAT / 1000n} sat over one channel, ${one.turns.length} turns`,
        columns: ['', 'in a turn', 'a second, median', 'best', 'CPU of both nodes, ms each', 'transactions each'],
        rows: [one, ldkOne, few, ldkFew, many].map((lane) => [
          lane.what,
          `${lane.count}`,
          text(rate(lane)),
          text(Math.max(...lane.turns.map(({ perSecond }) => perSecond))),
          text(cpu(lane), 2),
          lane === ldkOne || lane === ldkFew ? '–' : text(median(lane.turns.map(({ commits }) => commits)), 2),
        ]),
      },
    ],
    figures: [
      { name: 'one after the other', value: rate(one), unit: '/s', target: { at: 'least', value: 100 } },
      { name: `${ENGINE_AT_ONCE} at once`, value: rate(many), unit: '/s', target: { at: 'least', value: 1000 } },
      { name: 'one after the other, ours over LDK', value: rate(one) / rate(ldkOne), unit: '×' },
      { name: `${LDK_AT_ONCE} at once, ours over LDK`, value: rate(few) / rate(ldkFew), unit: '×' },
    ],
  };
}
