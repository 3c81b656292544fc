/** What a page asks about paying. Amounts are decimal strings of msat. */
import * as v from 'valibot';
import { toHex } from '../../../shared/lib/bytes.ts';
import { ok } from '../../../shared/lib/result.ts';
import { paidFeeMsat } from '../../../shared/ln/payment/machine.ts';
import type { Route } from '../../../shared/ln/route/query.ts';
import type { PaymentRecord } from '../../store/schema.ts';
import { fail, type Handlers, type PagePorts, settle } from '../answers.ts';
import type { ApiResult, PayEstimate } from '../api.ts';
import { followChain } from '../chain.ts';
import { Collected } from '../peers.ts';
import { syncAll } from '../sync.ts';
import { invoiceOf } from './routes.ts';
import { draftOf, keysend, type PayError, pay, probe, routesOf } from './send.ts';
import { aliasesOf, paymentView } from './view.ts';

const msat = v.pipe(v.string(), v.regex(/^[1-9]\d{0,18}$/));
const fee = v.pipe(v.string(), v.regex(/^\d{1,19}$/));
const id = v.pipe(v.string(), v.regex(/^[\w-]{8,64}$/));
const text = v.pipe(v.string(), v.maxLength(8_000));
const askSchema = v.object({ text, amountMsat: v.optional(msat) });
const paySchema = v.object({ id, text, amountMsat: v.optional(msat), maxFeeMsat: v.optional(fee) });
const keysendSchema = v.object({
  id,
  payee: v.pipe(v.string(), v.regex(/^0[23][0-9a-f]{64}$/)),
  amountMsat: msat,
  maxFeeMsat: v.optional(fee),
});

/** A probe is given up when nothing has come of it after so long; its HTLC comes back all the same. */
const PROBE_MS = 30_000;
const PROBE_TURNS = 12;
const PROBE_LINGER_MS = 3_000;

type Amounts = { readonly amountMsat?: bigint; readonly maxFeeMsat?: bigint };
const amounts = (of: { readonly amountMsat?: string | undefined; readonly maxFeeMsat?: string | undefined }): Amounts => ({
  ...(of.amountMsat === undefined ? {} : { amountMsat: BigInt(of.amountMsat) }),
  ...(of.maxFeeMsat === undefined ? {} : { maxFeeMsat: BigInt(of.maxFeeMsat) }),
});

type Outgoing = Pick<Handlers, 'pay' | 'keysend' | 'pay-estimate' | 'probe'>;

export const outgoingRequests: Outgoing = {
  async pay(ports, arg) {
    const parsed = v.safeParse(paySchema, arg);
    if (!parsed.success) return fail('invoice-invalid', parsed.issues[0].message);
    const { id, text, ...rest } = parsed.output;
    return begun(ports, (into) => pay(ports, { id, text, ...amounts(rest) }, into));
  },

  async keysend(ports, arg) {
    const parsed = v.safeParse(keysendSchema, arg);
    if (!parsed.success) return fail('payee-invalid', parsed.issues[0].message);
    const { id, payee, ...rest } = parsed.output;
    const amountMsat = BigInt(rest.amountMsat);
    return begun(ports, (into) => keysend(ports, { id, payee, ...amounts(rest), amountMsat }, into));
  },

  async 'pay-estimate'(ports, arg) {
    const parsed = v.safeParse(askSchema, arg);
    if (!parsed.success) return fail('invoice-invalid', parsed.issues[0].message);
    const draft = await draftOf(ports, { id: 'estimate', text: parsed.output.text, ...amounts(parsed.output) });
    if (!draft.ok) return fail(draft.error.code, draft.error.detail);
    const routes = await routesOf(ports, draft.value);
    return routes.ok ? ok(await estimateOf(ports, draft.value, routes.value)) : fail(routes.error.code, routes.error.detail);
  },

  async probe(ports, arg) {
    const parsed = v.safeParse(askSchema, arg);
    if (!parsed.success) return fail('invoice-invalid', parsed.issues[0].message);
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    await forgetProbes(ports);
    const into = new Collected();
    await followChain(ports, into);
    const name = `probe-${toHex(ports.entropy(8))}`;
    const begun = await probe(ports, { id: name, text: parsed.output.text, ...amounts(parsed.output) }, into);
    if (!begun.ok) return fail(begun.error.code, begun.error.detail);
    const ended = async (): Promise<boolean> => (await ports.db.get('payments', name))?.life.state !== 'pending';
    const endMs = ports.now() + PROBE_MS;
    for (let turn = 0; turn < PROBE_TURNS && ports.now() < endMs && !(await ended()); turn += 1)
      await syncAll(ports, { lingerMs: PROBE_LINGER_MS, until: ended }, into);
    // What else came meanwhile is told.
    await settle(ports, into);
    const life = (await ports.db.get('payments', name))?.life;
    await forgetProbes(ports);
    if (life?.state !== 'failed') return ok({ reached: false, failure: 'timeout' });
    const last = life.parts.at(-1);
    if (last === undefined || life.failure !== 'invoice-unknown') return ok({ reached: false, failure: life.failure ?? 'unreadable' });
    const feeMsat = paidFeeMsat({ ...life, parts: [{ ...last, state: 'in-flight' }] }).toString();
    return ok({ reached: true, feeMsat, hops: last.htlcs.length });
  },
};

async function begun(ports: PagePorts, begin: (into: Collected) => ReturnType<typeof pay>): Promise<ApiResult<'pay'>> {
  if ((await ports.keys()) === undefined) return fail('no-wallet');
  const into = new Collected();
  // An expiry is counted from the newest block: a node that has just woken may be hours behind, and the payee would refuse.
  await followChain(ports, into);
  const answer: Awaited<ReturnType<typeof pay>> = await begin(into);
  if (!answer.ok) return refused(answer.error);
  await settle(ports, into);
  const now = await ports.db.get('payments', answer.value.id);
  return ok(paymentView(now ?? answer.value, await aliasesOf(ports)));
}

const refused = ({ code, detail }: PayError) => fail(code, detail);

async function estimateOf(ports: PagePorts, record: PaymentRecord, routes: readonly Route[]): Promise<PayEstimate> {
  const hinted = new Set(((await invoiceOf(ports, record))?.routeHints ?? []).flat().map(({ shortChannelId }) => shortChannelId));
  const isHinted = ({ htlcs }: Route): boolean => hinted.has(htlcs.at(-1)?.shortChannelId ?? 0n);
  const isDirect = ({ htlcs }: Route): boolean => htlcs.length === 1;
  const { amountMsat, maxFeeMsat } = record.life;
  return {
    amountMsat: amountMsat.toString(),
    feeMsat: routes.reduce((sum, { feeMsat }) => sum + feeMsat, 0n).toString(),
    maxFeeMsat: maxFeeMsat.toString(),
    parts: routes.length,
    hops: Math.max(...routes.map(({ htlcs }) => htlcs.length)),
    route: routes.every(isDirect) ? 'direct' : routes.some(isHinted) ? 'hint' : 'network',
    successPpm: Math.round(routes.reduce((chance, { successPpm }) => (chance * successPpm) / 1e6, 1e6)),
  };
}

/** Those that are back: nothing of them is worth keeping but what was learned. */
async function forgetProbes(ports: PagePorts): Promise<void> {
  for (const { id, life } of await ports.db.getAllFromIndex('payments', 'state', 'failed'))
    if (life.kind === 'probe') await ports.db.delete('payments', id);
}
