/**
 * The control API of the embedded world, mounted on the relay's own origin under `/lab` (the relay alone has none: a page learns
 * from `GET /lab/info` that it is in the lab).
 *
 *   GET  /lab/info                                             → LabInfo
 *   POST /lab/mine  { blocks? }                                → { height }
 *   POST /lab/send  { address, amountSat, mine? }              → { txid, height }: coins from the faucet
 *   POST /lab/open  { peer, nodeId, amountSat, pushSat?, public?, mine?, afterMs? } → 202 { open: id }; how it goes on is in LabInfo.opens
 *   POST /lab/invoice { peer, amountSat? }                     → { text, paymentHash }: what that peer wants to be paid
 *   POST /lab/pay   { peer, text, afterMs? }                   → 202 { payment: id }; how it goes on is in LabInfo.payments
 *   POST /lab/disconnect { peer, nodeId }                      → {}
 *
 * Errors: `{ error: { code, message } }`, codes as in LabErrorCode. Bodies must be `application/json`, which pages of
 * other origins cannot send without being asked.
 */
import { setTimeout } from 'node:timers/promises';
import express, { type ErrorRequestHandler, type Response, Router } from 'express';
import * as v from 'valibot';
import type { Peer } from '../peers/peer.ts';
import type { Chain } from './chain.ts';
import { scriptOf } from './wallet.ts';

export type LabOpen = {
  readonly id: number;
  /** alias */
  readonly peer: string;
  readonly nodeId: string;
  readonly amountSat: number;
  /** `asked`: the other side has not answered to the end yet */
  readonly state: 'asked' | 'funded' | 'refused';
  readonly fundingTxid?: string;
  /** In the words of whoever refused. */
  readonly reason?: string;
};
export type LabPeer = {
  readonly alias: string;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly balanceSat: number;
  readonly channels: readonly { readonly peer: string; readonly capacitySat: number; readonly ready: boolean; readonly active: boolean }[];
};
export type LabPayment = {
  readonly id: number;
  /** alias */
  readonly peer: string;
  readonly state: 'asked' | 'paid' | 'failed';
  readonly preimage?: string;
  readonly reason?: string;
};
/** The last opens and payments stand last. */
export type LabInfo = {
  readonly network: 'regtest';
  readonly height: number;
  readonly peers: readonly LabPeer[];
  readonly opens: readonly LabOpen[];
  readonly payments: readonly LabPayment[];
};
export type LabErrorCode = 'bad-request' | 'no-such-peer' | 'not-connected' | 'failed';

const STATUS: Readonly<Record<LabErrorCode, number>> = { 'bad-request': 400, 'no-such-peer': 404, 'not-connected': 409, failed: 500 };
const KEPT = 20;
/** Of a payment over the line: every peer wants a little. */
const MAX_FEE_MSAT = 50_000n;
/** Nodes relay no less to any kind of address. */
const DUST_SAT = 546;

function isAddress(text: string): boolean {
  try {
    return scriptOf(text).length > 0;
  } catch {
    return false;
  }
}

const count = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max));
const nodeId = v.pipe(v.string(), v.regex(/^0[23][0-9a-f]{64}$/, 'a node id is 66 hex digits'));
/** A number, or its decimal digits as the app writes amounts. */
const amountSat = v.pipe(
  v.union([v.pipe(v.string(), v.regex(/^\d{1,16}$/, 'digits are wanted'), v.transform(Number)), v.number()]),
  count(2_100_000_000_000_000),
);
const Mine = v.object({ blocks: v.optional(count(500), 1) });
const Send = v.object({
  address: v.pipe(v.string(), v.check(isAddress, 'a regtest address is wanted')),
  amountSat: v.pipe(amountSat, v.minValue(DUST_SAT)),
  /** Blocks to mine with it. */
  mine: v.optional(count(500)),
});
const Open = v.object({
  peer: v.string(),
  nodeId,
  amountSat,
  /** What the peer gives along with it. */
  pushSat: v.optional(amountSat),
  public: v.optional(v.boolean(), false),
  /** Blocks to mine once the funding transaction is there. */
  mine: v.optional(count(500)),
  /** Time to close the page first. */
  afterMs: v.optional(count(60_000)),
});
const Invoice = v.object({ peer: v.string(), amountSat: v.optional(amountSat) });
const Pay = v.object({
  peer: v.string(),
  text: v.pipe(v.string(), v.maxLength(4_000)),
  /** Time to close the page first. */
  afterMs: v.optional(count(60_000)),
});
const Disconnect = v.object({ peer: v.string(), nodeId });

function fail(response: Response, code: LabErrorCode, message: string): void {
  response.status(STATUS[code]).json({ error: { code, message } });
}

export function labRoutes(chain: Chain, peers: readonly Peer[]): Router {
  const opens: LabOpen[] = [];
  let lastOpen = 0;
  const payments: LabPayment[] = [];
  let lastPayment = 0;
  const find = (name: string): Peer | undefined =>
    peers.find((peer) => peer.alias.toLowerCase() === name.toLowerCase() || peer.id === name);
  const put = (open: LabOpen): void => {
    const at = opens.findIndex((other) => other.id === open.id);
    if (at < 0) opens.push(open);
    else opens[at] = open;
    if (opens.length > KEPT) opens.shift();
  };

  async function follow(peer: Peer, asked: LabOpen, request: v.InferOutput<typeof Open>): Promise<void> {
    if (request.afterMs !== undefined) await setTimeout(request.afterMs);
    const outcome = await peer.openChannel(request.nodeId, BigInt(request.amountSat), {
      public: request.public,
      ...(request.pushSat === undefined ? {} : { pushSat: BigInt(request.pushSat) }),
    });
    if (!outcome.ok) return put({ ...asked, state: 'refused', reason: outcome.error });
    put({ ...asked, state: 'funded', fundingTxid: outcome.value.fundingTxid });
    if (request.mine !== undefined) await chain.mine(request.mine);
  }

  /** Replaces what is known of it. */
  const note = (payment: LabPayment): void => {
    const at = payments.findIndex((other) => other.id === payment.id);
    if (at < 0) payments.push(payment);
    else payments[at] = payment;
    if (payments.length > KEPT) payments.shift();
  };
  async function pay(peer: Peer, asked: LabPayment, { text, afterMs }: v.InferOutput<typeof Pay>): Promise<void> {
    if (afterMs !== undefined) await setTimeout(afterMs);
    const paid = await peer.pay(text, { maxFeeMsat: MAX_FEE_MSAT });
    note(paid.ok ? { ...asked, state: 'paid', preimage: paid.value } : { ...asked, state: 'failed', reason: paid.error });
  }

  const router = Router();
  router.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/info', async (_request, response) => {
    const info: LabInfo = {
      network: 'regtest',
      height: chain.height(),
      peers: await Promise.all(
        peers.map(async (peer) => ({
          alias: peer.alias,
          id: peer.id,
          host: peer.host,
          port: peer.port,
          balanceSat: Number(await peer.balanceSat()),
          channels: (await peer.channels()).map((channel) => ({
            peer: channel.peer,
            capacitySat: Number(channel.capacitySat),
            ready: channel.ready,
            active: channel.active,
          })),
        })),
      ),
      opens,
      payments,
    };
    response.json(info);
  });

  router.use(express.json({ limit: 10_000 }));
  router.post('/mine', async (request, response) => {
    const body = v.safeParse(Mine, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    await chain.mine(body.output.blocks);
    response.json({ height: chain.height() });
  });
  router.post('/send', async (request, response) => {
    const body = v.safeParse(Send, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    const { address, amountSat: sat, mine } = body.output;
    const txid = await chain.fund(address, BigInt(sat));
    if (mine !== undefined) await chain.mine(mine);
    response.json({ txid, height: chain.height() });
  });
  router.post('/open', async (request, response) => {
    const body = v.safeParse(Open, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    const peer = find(body.output.peer);
    if (peer === undefined) return fail(response, 'no-such-peer', `nobody here is called ${body.output.peer}`);
    if (!(await peer.connectedTo(body.output.nodeId))) {
      return fail(response, 'not-connected', `${peer.alias} has no connection to that node: connect to ${peer.alias} first`);
    }
    lastOpen += 1;
    const { nodeId: to, amountSat } = body.output;
    const asked: LabOpen = { id: lastOpen, peer: peer.alias, nodeId: to, amountSat, state: 'asked' };
    put(asked);
    void follow(peer, asked, body.output).catch((error: unknown) => put({ ...asked, state: 'refused', reason: String(error) }));
    response.status(202).json({ open: asked.id });
  });
  router.post('/invoice', async (request, response) => {
    const body = v.safeParse(Invoice, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    const peer = find(body.output.peer);
    if (peer === undefined) return fail(response, 'no-such-peer', `nobody here is called ${body.output.peer}`);
    const { amountSat: sat } = body.output;
    response.json(await peer.invoice(sat === undefined ? undefined : BigInt(sat) * 1_000n));
  });
  router.post('/pay', async (request, response) => {
    const body = v.safeParse(Pay, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    const peer = find(body.output.peer);
    if (peer === undefined) return fail(response, 'no-such-peer', `nobody here is called ${body.output.peer}`);
    lastPayment += 1;
    const asked: LabPayment = { id: lastPayment, peer: peer.alias, state: 'asked' };
    note(asked);
    void pay(peer, asked, body.output).catch((error: unknown) => note({ ...asked, state: 'failed', reason: String(error) }));
    response.status(202).json({ payment: asked.id });
  });
  router.post('/disconnect', async (request, response) => {
    const body = v.safeParse(Disconnect, request.body);
    if (!body.success) return fail(response, 'bad-request', v.summarize(body.issues));
    const peer = find(body.output.peer);
    if (peer === undefined) return fail(response, 'no-such-peer', `nobody here is called ${body.output.peer}`);
    await peer.disconnect(body.output.nodeId);
    response.json({});
  });
  router.use((request, response) => fail(response, 'bad-request', `there is no ${request.method} ${request.originalUrl}`));
  router.use(fault);
  return router;
}

const fault: ErrorRequestHandler = (error: unknown, _request, response, _next) => {
  const parsing = typeof error === 'object' && error !== null && 'type' in error;
  if (parsing) fail(response, 'bad-request', 'the body is not JSON');
  else fail(response, 'failed', error instanceof Error ? error.message : String(error));
};
