/** What a transaction costs to be mined in time: the relay's estimates, bounded, the last good ones kept for when it is away. */
import type { RelayClient } from '../net/relay.ts';
import type { Settings } from '../store/schema.ts';
import { commit, setting } from '../store/store.ts';
import type { Ports } from './ports.ts';

/** Below 253 sat per 1000 weight nothing is relayed; the top is above any day of the network. A relay can lie only in between. */
const FLOOR = 253;
const CAP = 250_000;
const FRESH_MS = 600_000;
/** Before any relay has told: a busy day without a rush. */
const unknown: Pick<Settings['fees'], 'fast' | 'normal' | 'slow'> = { fast: 5_000, normal: 2_500, slow: 1_000 };
/** The targets, in blocks, that the relay estimates for. */
const NORMAL_BLOCKS = 6;
const SLOW_BLOCKS = 72;

/** At most every ten minutes, unless the clock was set back. No answer: what is known stays. */
export async function refreshFees(ports: Ports, relay: RelayClient): Promise<void> {
  const known = await setting(ports.db, 'fees');
  const ageMs = ports.now() - (known?.atMs ?? 0);
  if (known !== undefined && ageMs >= 0 && ageMs < FRESH_MS) return;
  const answer = await relay.call('chain/fees', {});
  if (!answer.ok) return;
  const { fast, normal, slow } = answer.value.satPerKw;
  await commit(ports.db, { settings: { fees: { fast, normal, slow, atMs: ports.now() } } });
}

/** sat per 1000 weight to be mined within so many blocks; whole, never below the floor, never more for waiting longer. */
export async function feerateFor(ports: Pick<Ports, 'db'>): Promise<(blocks: number) => number> {
  const { fast, normal, slow } = (await setting(ports.db, 'fees')) ?? unknown;
  const bounded = (rate: number): number => Math.min(Math.max(Math.ceil(rate), FLOOR), CAP);
  return (blocks) => {
    if (blocks >= SLOW_BLOCKS) return bounded(slow);
    if (blocks >= NORMAL_BLOCKS) return bounded(Math.max(slow, normal));
    return bounded(Math.max(slow, normal, fast));
  };
}
