/**
 * Goes on with payments of ours: finds the routes that they want and offers the parts that they have planned. Called after whatever may have
 * moved one: a request of a page, an answer of the relay, a wake. A payment's plan is stored before its parts leave, or with the first of them,
 * and each part leaves in the commit of the step that offers it: whoever is killed in between, another life finds here what is left to do.
 */
import { fromHex } from '../../../shared/lib/bytes.ts';
import type { Result } from '../../../shared/lib/result.ts';
import { paymentOnion, type Recipient } from '../../../shared/ln/onion/route.ts';
import type { PaymentCommand } from '../../../shared/ln/payment/command.ts';
import { stepPayment } from '../../../shared/ln/payment/machine.ts';
import { nextAtMs, type Part, partsIn, peerOf } from '../../../shared/ln/payment/payment.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { Route } from '../../../shared/ln/route/query.ts';
import type { PaymentRecord } from '../../store/schema.ts';
import { type CommitError, commit } from '../../store/store.ts';
import { type Collected, collect } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { type Round, type RoundError, round } from '../round.ts';
import { noteOf } from './outcome.ts';
import { partName, withLife } from './record.ts';
import { invoiceOf, routesFor } from './routes.ts';

/** For one call: a payment that wants more than this is asked again at the next occasion. */
const TURNS = 8;
const ATTEMPTS = 3;

/** True: something is in an outbox now. */
export async function drivePayments(ports: Ports, into: Collected): Promise<boolean> {
  let offered = false;
  for (const id of await ports.db.getAllKeysFromIndex('payments', 'state', 'pending')) offered = (await drive(ports, id, into)) || offered;
  return offered;
}

/** When the node must be awake again for a payment. Unix ms. */
export async function nextPaymentMs(ports: Ports): Promise<number | undefined> {
  const pending = await ports.db.getAllFromIndex('payments', 'state', 'pending');
  const times = pending.flatMap(({ life }) => nextAtMs(life) ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

async function drive(ports: Ports, id: string, into: Collected): Promise<boolean> {
  let offered = false;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const record = await ports.db.get('payments', id);
    if (record?.life.state !== 'pending') break;
    const { payment, effects } = stepPayment(record.life, { tag: 'tick' }, { nowMs: ports.now() });
    if (payment !== record.life) {
      if (!(await tell(ports, id, { tag: 'tick' }, into))) break;
      continue;
    }
    const wanted = effects.find((effect) => effect.tag === 'route-wanted');
    if (wanted !== undefined) {
      const found = await routesFor(ports, record, wanted);
      if (!(await tell(ports, id, found.ok ? planOf(found.value) : { tag: 'no-route', code: found.error.code }, into))) break;
      continue;
    }
    if (!effects.some(({ tag }) => tag === 'offer')) break;
    const gone = await offerPlanned(ports, record, into);
    if (!gone.ok && gone.error.code !== 'payment-moved') break;
    offered = true;
  }
  return offered;
}

export const planOf = (routes: readonly Route[]): PaymentCommand => ({
  tag: 'routes',
  routes: routes.map(({ via, amountMsat, htlcs }) => ({ channel: via.key, amountMsat, htlcs })),
});

/** A step of a stored payment outside of a peer's round. False: it could not be stored. */
async function tell(ports: Ports, id: string, command: PaymentCommand, into: Collected): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const written = await ports.exclusive(() => tellOnce(ports, id, command, into));
    if (written.ok) return true;
    if (written.error.code !== 'fence-lost' || attempt === ATTEMPTS) return false;
  }
}

async function tellOnce(ports: Ports, id: string, command: PaymentCommand, into: Collected): Promise<Result<null, CommitError>> {
  const record = await ports.db.get('payments', id);
  const stepped = record && stepPayment(record.life, command, { nowMs: ports.now() });
  if (!stepped || stepped.payment === record.life) return { ok: true, value: null };
  const last = stepped.payment.parts.at(-1);
  const peerId = last === undefined ? '' : peerOf(last);
  const notes = stepped.effects.flatMap((effect) => (effect.tag === 'note' ? noteOf(stepped.payment) : []));
  const activity = notes.map(({ kind, amountSat, detail }) => ({
    atMs: ports.now(),
    kind,
    ...(peerId === '' ? {} : { peerId }),
    ...(amountSat === undefined ? {} : { amountSat: amountSat.toString() }),
    ...(detail === undefined ? {} : { detail }),
  }));
  const written = await commit(ports.db, {
    activity,
    writes: [{ store: 'payments', value: withLife(record, stepped.payment, ports.now()) }],
  });
  if (written.ok) into.notes.push(...notes.map((note) => ({ peerId, note })));
  return written;
}

/**
 * Offers what is planned, one round for each peer. `record` is as it was loaded, or new: then it is stored with its first HTLC, or not at all.
 * An error of a payment that is stored already ends nothing: what is left of it is still planned.
 */
export async function offerPlanned(ports: Ports, record: PaymentRecord, into: Collected): Promise<Result<null, RoundError>> {
  let now: PaymentRecord | undefined = record;
  for (const peerId of new Set(partsIn(record.life, 'planned').map(peerOf))) {
    if (now === undefined || plannedTo(now, peerId).length === 0) continue;
    const gone: Result<Round, RoundError> = await offerTo(ports, now, peerId);
    if (gone.ok) collect(into, peerId, gone.value);
    // Nothing is recorded yet, somebody else is at it, or the storage fails: none of them is this peer's affair.
    else if (now.fence === 0 || elsewhere.includes(gone.error.code)) return gone;
    now = await ports.db.get('payments', record.id);
    // No channel of that peer answered: the part stays, and another way is looked for.
    for (const { n } of now === undefined ? [] : plannedTo(now, peerId))
      await tell(ports, record.id, { tag: 'refused', n, code: gone.ok ? 'not-usable' : gone.error.code }, into);
    now = await ports.db.get('payments', record.id);
  }
  return { ok: true, value: null };
}
const elsewhere: readonly RoundError['code'][] = ['payment-moved', 'paid-before', 'storage-failed', 'fence-lost', 'no-wallet'];

const plannedTo = ({ life }: PaymentRecord, peerId: string): readonly Part[] =>
  partsIn(life, 'planned').filter((part) => peerOf(part) === peerId);

/** The secrets that read a failure are stored with the HTLC that may bring it. */
async function offerTo(ports: Ports, record: PaymentRecord, peerId: string): Promise<Result<Round, RoundError>> {
  const commands: PeerCommand[] = [];
  const nowMs = ports.now();
  const recipient = await recipientOf(ports, record);
  let { life } = record;
  for (const part of plannedTo(record, peerId)) {
    const [first] = part.htlcs;
    const onion = paymentOnion({
      sessionKey: ports.entropy(32),
      paymentHash: fromHex(life.paymentHash),
      htlcs: part.htlcs,
      recipient,
    });
    if (!onion.ok || first === undefined) {
      life = stepPayment(life, { tag: 'refused', n: part.n, code: onion.ok ? 'no-hops' : onion.error.code }, { nowMs }).payment;
      continue;
    }
    life = stepPayment(life, { tag: 'sealed', n: part.n, sharedSecrets: onion.value.sharedSecrets }, { nowMs }).payment;
    // The clock went on meanwhile.
    if (life.parts[part.n]?.state !== 'planned') continue;
    const { amountMsat, cltvExpiry } = first;
    const add = { amountMsat, cltvExpiry, paymentHash: fromHex(life.paymentHash), onion: onion.value.packet } as const;
    commands.push({
      tag: 'channel',
      channelId: fromHex(part.channel),
      command: { tag: 'add', request: partName(record.id, part.n), ...add },
    });
  }
  return round(ports, peerId, commands, {}, { payment: withLife(record, life, nowMs) });
}

async function recipientOf(ports: Ports, record: PaymentRecord): Promise<Recipient> {
  const { life, keysendPreimage } = record;
  const node = { tag: 'node' as const, totalMsat: life.amountMsat };
  if (keysendPreimage !== undefined) return { ...node, keysendPreimage: fromHex(keysendPreimage) };
  const invoice = life.kind === 'probe' ? undefined : await invoiceOf(ports, record);
  if (invoice === undefined) return { ...node, paymentSecret: ports.entropy(32) };
  const { paymentSecret, paymentMetadata } = invoice;
  return { ...node, paymentSecret, ...(paymentMetadata ? { paymentMetadata } : {}) };
}
