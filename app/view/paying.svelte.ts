/**
 * A payment from the user's yes until the worker has answered. Its id is made once for what is reviewed and kept in this tab's session: two taps, a
 * page that is loaded anew in the middle and a worker that did not answer all ask for the same payment, which is then made once.
 */
import type { Api } from '../runtime/api.ts';
import { type CallError, type CallResult, call } from './worker.ts';

export type Order =
  | ({ readonly kind: 'invoice' } & Omit<Api['pay'][0], 'id'>)
  | ({ readonly kind: 'keysend' } & Omit<Api['keysend'][0], 'id'>);
type Asked = { readonly id: string; readonly order: Order };
export type Refusal = Asked & { readonly error: CallError };

const ASKED = 'beckon-asked';

/** Where the session's storage is barred, what is kept lives as long as the page. */
let kept: readonly Asked[] = [];
function asked(): readonly Asked[] {
  try {
    return JSON.parse(sessionStorage.getItem(ASKED) ?? 'null') ?? kept;
  } catch {
    return kept;
  }
}
function keep(next: readonly Asked[]): void {
  kept = next;
  try {
    sessionStorage.setItem(ASKED, JSON.stringify(next));
  } catch {
    // Barred or full.
  }
}

/** The fee is no part of it: it is estimated anew at each look, and the payment is still the same one. */
const keyOf = (order: Order): string => `${order.kind} ${order.kind === 'invoice' ? order.text : order.payee} ${order.amountMsat ?? ''}`;

class Paying {
  /** Payments that the worker is being asked for now. */
  busy = $state.raw<readonly string[]>([]);
  /** Why the worker refused the last one; with `no-answer` it may still have been done. */
  refused = $state.raw<Refusal | null>(null);
  /** What it has answered last; whoever shows a payment looks again. */
  taken = $state.raw<string | null>(null);

  /** The id of the payment. One of the same order that has no answer yet is the same payment. */
  begin(order: Order): string {
    const same = asked().find((one) => keyOf(one.order) === keyOf(order));
    const one = same ?? { id: crypto.randomUUID(), order };
    if (same === undefined) keep([...asked(), one]);
    void this.#ask(one);
    return one.id;
  }

  /** After the page was loaded anew, or the worker did not answer: goes on with the payment of that id, if it was asked for. */
  resume(id: string): void {
    const one = asked().find((candidate) => candidate.id === id);
    if (one) void this.#ask(one);
  }

  async #ask(one: Asked): Promise<void> {
    const { id, order } = one;
    if (this.busy.includes(id)) return;
    this.busy = [...this.busy, id];
    this.refused = null;
    const answer = await pay(id, order);
    this.busy = this.busy.filter((other) => other !== id);
    if (answer.ok) this.taken = id;
    else this.refused = { id, order, error: answer.error };
    // Without an answer it is kept: it can only go on under this id.
    if (answer.ok || answer.error.code !== 'no-answer') keep(asked().filter((other) => other.id !== id));
  }
}

async function pay(id: string, order: Order): Promise<CallResult<'pay' | 'keysend'>> {
  if (order.kind === 'keysend') {
    const { kind: _, ...rest } = order;
    return call('keysend', { id, ...rest });
  }
  const { kind: _, ...rest } = order;
  return call('pay', { id, ...rest });
}

export const paying = new Paying();
