/** When a peer that could not be reached is tried again: soon at first, hourly in the end. */
import type { PeerRecord } from '../store/schema.ts';
import type { Ports } from './ports.ts';

const HOUR_MS = 3_600_000;
const RETRY_MS = [15_000, 60_000, 300_000, 1_800_000] as const;

export function retryLater(ports: Ports, record: PeerRecord): { retryAtMs: number; failures: number } {
  return { retryAtMs: ports.now() + (RETRY_MS[record.failures] ?? HOUR_MS), failures: record.failures + 1 };
}
