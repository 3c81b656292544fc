/** The payments of the fake worker. Its end of a payment waits for the test's hand: a message on the channel `fake-hand`. Self-contained. */
import type { Api, ApiErrorCode, ApiRequest, PaymentView } from '../../app/runtime/api.ts';
import type { Fixture } from './fixtures.ts';

/**
 * `tell-asked`: the ids of all calls of `pay` and `keysend` go to the channel `fake-worker`. `change`: a payment gets what is said, and the pages hear
 * of it. `answer`: what the fixture holds back is answered.
 */
export type Hand =
  | { readonly t: 'tell-asked' }
  | { readonly t: 'change'; readonly id?: string; readonly change: Partial<PaymentView> }
  | { readonly t: 'answer' };

export function servePayments(fixture: Fixture, tell: (message: unknown) => void) {
  let payments = [...fixture.payments];
  const asked: string[] = [];
  let held: (() => void)[] = [];
  const fail = (code: ApiErrorCode, detail = '') => Promise.reject({ code, detail });
  const changed = () => tell({ t: 'changed' });

  new BroadcastChannel('fake-hand').onmessage = ({ data }: MessageEvent<Hand>) => {
    if (data.t === 'tell-asked') new BroadcastChannel('fake-worker').postMessage(asked);
    else if (data.t === 'answer') {
      for (const answer of held) answer();
      held = [];
    } else {
      const id = data.id ?? payments[0]?.id;
      payments = payments.map((one) => (one.id === id ? { ...one, ...data.change } : one));
      changed();
    }
  };

  async function pay(id: string, begun: Pick<PaymentView, 'kind' | 'amountMsat' | 'payee' | 'text'>): Promise<unknown> {
    asked.push(id);
    const known = payments.find((one) => one.id === id);
    if (known !== undefined) return known;
    if (fixture.refuses !== undefined) return fail(fixture.refuses.code, fixture.refuses.detail);
    const { feeMsat } = fixture.payEstimate;
    const paymentHash = 'cd'.repeat(32);
    const amountMsat = begun.amountMsat ?? fixture.payEstimate.amountMsat;
    const part = { n: 1, amountMsat, feeMsat, state: 'in-flight', hops: 3, peerAlias: 'Alice', expiryHeight: 840_273 } as const;
    payments = [
      { ...begun, id, direction: 'out', amountMsat, feeMsat, paymentHash, atMs: Date.now(), state: 'pending', parts: [part] },
      ...payments,
    ];
    changed();
    if (fixture.holdsBack) await new Promise<void>((resolve) => held.push(resolve));
    return payments.find((one) => one.id === id);
  }

  async function probe(): Promise<Api['probe'][1]> {
    const { feeMsat, hops } = fixture.payEstimate;
    const { probe = { reached: true, feeMsat, hops } } = fixture;
    if (fixture.holdsBack) await new Promise<void>((resolve) => held.push(resolve));
    return typeof probe === 'string' ? fail(probe) : probe;
  }

  return (request: ApiRequest): Promise<unknown> | undefined => {
    switch (request.name) {
      case 'pay-estimate': {
        const { amountMsat = fixture.payEstimate.amountMsat } = request.arg;
        if (fixture.refuses !== undefined) return fail(fixture.refuses.code, fixture.refuses.detail);
        return Promise.resolve({ ...fixture.payEstimate, amountMsat } satisfies Api['pay-estimate'][1]);
      }
      case 'pay':
        return pay(request.arg.id, { ...request.arg, kind: 'invoice' });
      case 'keysend':
        return pay(request.arg.id, { ...request.arg, kind: 'keysend' });
      case 'create-invoice': {
        const { expirySeconds = 3_600, ...rest } = request.arg;
        const paymentHash = 'ef'.repeat(32);
        const [at, text] = [Date.now(), fixture.invoice];
        const expiresAtMs = at + expirySeconds * 1_000;
        const open = { direction: 'in', kind: 'invoice', state: 'open', parts: [] } as const;
        payments = [{ ...rest, ...open, id: paymentHash, paymentHash, text, atMs: at, expiresAtMs }, ...payments];
        return Promise.resolve({ text, paymentHash, expiresAtMs } satisfies Api['create-invoice'][1]);
      }
      case 'cancel-invoice':
        payments = payments.map((one) => (one.paymentHash === request.arg.paymentHash ? { ...one, state: 'expired' } : one));
        changed();
        return Promise.resolve(null);
      case 'payments': {
        const { beforeMs = Number.POSITIVE_INFINITY, limit = 1_000, text = '', direction } = request.arg ?? {};
        const found = payments.filter(
          (one) =>
            one.atMs < beforeMs &&
            (direction === undefined || one.direction === direction) &&
            JSON.stringify(one).toLowerCase().includes(text.toLowerCase()),
        );
        return Promise.resolve(found.slice(0, limit));
      }
      case 'payment': {
        const found = payments.find((one) => one.id === request.arg.id);
        return found === undefined ? fail('payment-unknown', request.arg.id) : Promise.resolve(found);
      }
      case 'probe':
        return probe();
      default:
        return undefined;
    }
  };
}
