import { graph } from './graph.ts';
import { invoice } from './invoice.ts';
import { onion } from './onion.ts';
import { payments } from './payments.ts';
import { ping } from './ping.ts';
import { relayMemory } from './relay-memory.ts';
import type { Bench } from './report.ts';
import { route } from './route.ts';
import { secp } from './secp.ts';
import { size } from './size.ts';
import { step } from './step.ts';
import { wake } from './wake.ts';
import { wakePay } from './wake-pay.ts';

/** By the name on the command line, in the order they run. */
export const benches: Readonly<Record<string, Bench>> = {
  size,
  ping,
  secp,
  invoice,
  onion,
  step,
  graph,
  route,
  payments,
  'relay-memory': relayMemory,
  wake,
  'wake-pay': wakePay,
};
