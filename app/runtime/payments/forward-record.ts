/** What is stored of an HTLC that is passed on, and the rules of passing on. */
import { fromHex } from '../../../shared/lib/bytes.ts';
import { type Forward, outgoingOf } from '../../../shared/ln/payment/forward.ts';
import type { ForwardingView, ForwardRecord } from '../../store/schema.ts';
import { setting, type Write } from '../../store/store.ts';
import type { Ports } from '../ports.ts';
import { htlcKey } from './record.ts';

/** Off: a phone sleeps, and every payment of others would wake it. The figures are what wallets' peers ask for, or a little more. */
export const defaultForwarding: ForwardingView = {
  on: false,
  feeBaseMsat: 1_000,
  feeProportionalMillionths: 100,
  cltvExpiryDelta: 80,
  htlcMinimumMsat: '1000',
};
/**
 * The outgoing HTLC may end on chain some blocks after it expired, and the incoming one is claimed on chain some before it expires
 * (`timeoutAfterBlocks`, `claimBeforeBlocks`): what lies between must be enough to be mined twice.
 */
export const MIN_CLTV_EXPIRY_DELTA = 42;
export const forwardingOf = async ({ db }: Pick<Ports, 'db'>): Promise<ForwardingView> =>
  (await setting(db, 'forwarding')) ?? defaultForwarding;

export const newForwardRecord = (life: Forward, nowMs: number): ForwardRecord => ({
  key: htlcKey(fromHex(life.incoming.channel), life.incoming.id),
  fence: 0,
  createdAtMs: nowMs,
  life,
  open: 1,
});

/** The record of a moved machine. */
export function withForward({ open: _, outgoing: __, ...record }: ForwardRecord, life: Forward, nowMs: number): ForwardRecord {
  const outgoing = outgoingOf(life);
  const isOpen = life.stage.state !== 'settled';
  return {
    ...record,
    life,
    ...(isOpen ? { open: 1 as const } : { endedAtMs: record.endedAtMs ?? nowMs }),
    ...(outgoing === undefined ? {} : { outgoing }),
  };
}

/** Of what failed nothing is kept. */
export const forwardWrite = (value: ForwardRecord): Write => {
  const { stage } = value.life;
  return { store: 'forwards', value, ...(stage.state === 'settled' && stage.preimage === undefined ? { over: true as const } : {}) };
};
