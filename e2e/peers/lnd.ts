/** LND as a process on btcd, driven by its REST interface over one kept-alive TLS connection. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import * as v from 'valibot';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { waitFor } from '../lab/wait.ts';
import type { Btcd } from './btcd.ts';
import type { GraphEdge, InvoiceState, Peer, PeerChannel } from './peer.ts';
import { type Daemon, freePort, startDaemon } from './process.ts';

const START_MS = 60_000;
/** LND keeps a reservation for ten minutes: an `open_channel` may stay unanswered that long. */
const OPEN_MS = 11 * 60_000;
/** It waits for the other side's `shutdown` before it tells anything. */
const CLOSE_MS = 60_000;

export type LndPeer = Peer & {
  readonly logFile: string;
  /** The last lines of its log, for the report of a failure. */
  tail(): string;
  /** Ends it without notice, as a power cut does; `start()` brings it back. */
  kill(): Promise<void>;
  /** Forgets what its payments taught it about other nodes. */
  forgetLessons(): Promise<void>;
  edge(shortChannelId: bigint): Promise<GraphEdge | undefined>;
  /** Names in words why channels that are being opened or closed are not there yet: LND's own JSON. */
  pending(): Promise<unknown>;
};

const Info = v.object({ identity_pubkey: v.string(), synced_to_chain: v.boolean() });
const Channel = v.object({
  active: v.boolean(),
  remote_pubkey: v.string(),
  channel_point: v.string(),
  chan_id: v.string(),
  capacity: v.string(),
  private: v.boolean(),
  commitment_type: v.string(),
  local_balance: v.string(),
  pending_htlcs: v.array(v.unknown()),
});
const Pending = v.object({
  pending_open_channels: v.array(
    v.object({
      channel: v.object({
        remote_node_pub: v.string(),
        channel_point: v.string(),
        capacity: v.string(),
        commitment_type: v.string(),
        private: v.boolean(),
        local_balance: v.string(),
      }),
    }),
  ),
});
const Policy = v.nullable(v.object({ disabled: v.boolean() }));
const Edge = v.object({ node1_pub: v.string(), node2_pub: v.string(), node1_policy: Policy, node2_policy: Policy });
const Opened = v.object({ funding_txid_bytes: v.string() });
const Peers = v.object({ peers: v.array(v.object({ pub_key: v.string() })) });
const Balance = v.object({ confirmed_balance: v.string() });
const Address = v.object({ address: v.string() });
const Fault = v.object({ message: v.string() });
/** The same where a streaming call failed before its first answer. */
const StreamFault = v.object({ error: Fault });
/** What a streaming call answers with, line by line. */
const Streamed = v.union([v.object({ result: v.unknown() }), v.object({ error: Fault })]);
const Added = v.object({ r_hash: v.string(), payment_request: v.string() });
const AddedHold = v.object({ payment_request: v.string() });
const Invoice = v.object({ state: v.picklist(['OPEN', 'ACCEPTED', 'SETTLED', 'CANCELED']) });
const Paid = v.object({ status: v.string(), payment_preimage: v.string(), failure_reason: v.string() });
const INVOICE_STATES: Readonly<Record<v.InferOutput<typeof Invoice>['state'], InvoiceState>> = {
  OPEN: 'open',
  ACCEPTED: 'held',
  SETTLED: 'paid',
  CANCELED: 'cancelled',
};
/** LND gives up on a payment after this; one that is held is waited for all the same. */
const PAY_SECONDS = 60;
const DAY_SECONDS = 86_400;
/** The TLV record of a payment without an invoice that carries its preimage. */
const KEYSEND_TYPE = '5482373484';

/** BOLT 2: the funding txid in wire order, its last two bytes XORed with the output's index. */
function channelIdOf(channelPoint: string): string {
  const [txid = '', index = '0'] = channelPoint.split(':');
  const id = Buffer.from(txid, 'hex').reverse();
  id.writeUInt16BE(id.readUInt16BE(30) ^ Number(index), 30);
  return id.toString('hex');
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export async function createLndPeer(options: {
  readonly alias: string;
  readonly bin: string;
  readonly dir: string;
  readonly btcd: Btcd;
  /** Further command-line options, such as `--protocol.zero-conf`. */
  readonly args?: readonly string[];
}): Promise<LndPeer> {
  const { alias, bin, dir, btcd } = options;
  mkdirSync(dir, { recursive: true });
  const [port, restPort, rpcPort] = [await freePort(), await freePort(), await freePort()];
  const logFile = join(dir, 'lnd.out');
  const certFile = join(dir, 'tls.cert');
  const macaroonFile = join(dir, 'data', 'chain', 'bitcoin', 'regtest', 'admin.macaroon');
  const args = [
    `--lnddir=${dir}`,
    `--alias=${alias}`,
    '--noseedbackup',
    '--nobootstrap',
    `--listen=127.0.0.1:${port}`,
    `--restlisten=127.0.0.1:${restPort}`,
    `--rpclisten=127.0.0.1:${rpcPort}`,
    '--bitcoin.regtest',
    '--bitcoin.node=btcd',
    '--bitcoin.defaultchanconfs=1',
    '--accept-keysend',
    // Gossip goes on at once instead of after a minute and a half.
    '--trickledelay=100',
    `--btcd.rpchost=${btcd.rpcHost}`,
    `--btcd.rpcuser=${btcd.rpcUser}`,
    `--btcd.rpcpass=${btcd.rpcPassword}`,
    `--btcd.rpccert=${btcd.certFile}`,
    '--debuglevel=info,PEER=debug,FNDG=debug',
    ...(options.args ?? []),
  ];
  let daemon: Daemon | undefined;
  let agent: Agent | undefined;
  let id: string | undefined;
  let lastError: string | undefined;

  /** `firstLine`: of a streaming call that would go on; what comes later is not read. */
  async function ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body: object | undefined,
    options: { readonly timeoutMs: number; readonly firstLine?: boolean },
  ): Promise<unknown> {
    if (daemon === undefined) throw new Error(`${alias} is not running`);
    daemon.check();
    agent ??= new Agent({ keepAlive: true, ca: readFileSync(certFile) });
    const headers = { 'grpc-metadata-macaroon': readFileSync(macaroonFile).toString('hex') };
    const { timeoutMs, firstLine = false } = options;
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: restPort, path, method, headers, agent, timeout: timeoutMs }, (response) => {
        let text = '';
        const done = (): void => resolve({ status: response.statusCode ?? 0, text });
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (!firstLine || !text.includes('\n')) return;
          done();
          sent.destroy();
        });
        response.on('end', done);
        response.on('error', reject);
      });
      sent.on('timeout', () => sent.destroy(new Error(`${alias} did not answer ${path} in ${timeoutMs} ms`)));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const json: unknown = JSON.parse(firstLine ? (text.split('\n')[0] ?? '') : text);
    if (status !== 200) {
      const fault = v.safeParse(
        v.union([
          Fault,
          v.pipe(
            StreamFault,
            v.transform(({ error }) => error),
          ),
        ]),
        json,
      );
      throw new Error(fault.success ? fault.output.message : `${alias} answered ${status} to ${path}`);
    }
    return json;
  }
  async function call<S extends v.GenericSchema>(
    schema: S,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
    timeoutMs = 30_000,
  ): Promise<v.InferOutput<S>> {
    return v.parse(schema, await ask(method, path, body, { timeoutMs }));
  }
  /** The first answer of a streaming call. */
  async function first<S extends v.GenericSchema>(
    schema: S,
    method: 'POST' | 'DELETE',
    path: string,
    body: object | undefined,
    timeoutMs: number,
  ): Promise<v.InferOutput<S>> {
    const answer = v.parse(Streamed, await ask(method, path, body, { timeoutMs, firstLine: true }));
    if ('error' in answer) throw new Error(answer.error.message);
    return v.parse(schema, answer.result);
  }
  /** Preimages of the invoices that LND is to hold. */
  const held = new Map<string, string>();

  async function pay(asked: object): Promise<Result<string, string>> {
    try {
      const paid = await first(
        Paid,
        'POST',
        '/v2/router/send',
        { ...asked, timeout_seconds: PAY_SECONDS, no_inflight_updates: true },
        OPEN_MS,
      );
      if (paid.status === 'SUCCEEDED') return ok(paid.payment_preimage);
      lastError = paid.failure_reason;
    } catch (error) {
      lastError = error instanceof Error ? error.message : String(error);
    }
    return err(lastError);
  }

  async function edge(chanId: string): Promise<GraphEdge | undefined> {
    try {
      const { node1_pub, node2_pub, node1_policy, node2_policy } = await call(Edge, 'GET', `/v1/graph/edge/${chanId}`);
      return {
        policies: [
          ...(node1_policy ? [{ nodeId: node1_pub, disabled: node1_policy.disabled }] : []),
          ...(node2_policy ? [{ nodeId: node2_pub, disabled: node2_policy.disabled }] : []),
        ],
      };
    } catch (error) {
      if (error instanceof Error && /edge not found/.test(error.message)) return undefined;
      throw error;
    }
  }

  /**
   * A channel of its own is in its graph a moment after its link is up. Before that LND answers our `shutdown` with the `error` "unable
   * to disable channel: edge not found".
   */
  const isInItsGraph = async (chanId: string): Promise<boolean> =>
    (await edge(chanId))?.policies.some(({ nodeId }) => nodeId === id) ?? false;

  const peer: LndPeer = {
    alias,
    host: '127.0.0.1',
    port,
    logFile,
    get id() {
      if (id === undefined) throw new Error(`${alias} has not been started`);
      return id;
    },
    tail: () => daemon?.tail() ?? '',

    async start() {
      if (daemon !== undefined) return;
      const started = startDaemon('lnd', bin, args, logFile);
      daemon = started;
      // LND says nothing to a peer, not even `init`, until its chain is synced; that takes a recent block.
      await btcd.mine();
      await waitFor(
        async () => {
          if (started.exited() !== undefined) return true;
          if (!existsSync(certFile) || !existsSync(macaroonFile)) return false;
          const info = await call(Info, 'GET', '/v1/getinfo');
          id = info.identity_pubkey;
          return info.synced_to_chain;
        },
        { what: `${alias} to be synced to its chain`, timeoutMs: START_MS },
      ).catch((error: unknown) => {
        throw new Error(`${alias} did not start; its last words:\n${started.tail()}`, { cause: error });
      });
      started.check();
    },
    async stop() {
      agent?.destroy();
      agent = undefined;
      await daemon?.stop();
      daemon = undefined;
    },
    async kill() {
      agent?.destroy();
      agent = undefined;
      await daemon?.kill();
      daemon = undefined;
    },
    async restart() {
      await peer.stop();
      await peer.start();
    },

    async connect(to, host, toPort) {
      await call(v.unknown(), 'POST', '/v1/peers', { addr: { pubkey: to, host: `${host}:${toPort}` }, timeout: '10' });
      await waitFor(() => peer.connectedTo(to), { what: `${alias} to be connected to ${to}` });
    },
    connectedTo: async (to) => (await call(Peers, 'GET', '/v1/peers')).peers.some((other) => other.pub_key === to),
    async disconnect(from) {
      await call(v.unknown(), 'DELETE', `/v1/peers/${from}`);
    },

    async openChannel(to, amountSat, { public: isPublic = false, pushSat = 0n } = {}) {
      try {
        const opened = await call(
          Opened,
          'POST',
          '/v1/channels',
          {
            node_pubkey: Buffer.from(to, 'hex').toString('base64'),
            local_funding_amount: amountSat.toString(),
            push_sat: pushSat.toString(),
            private: !isPublic,
            sat_per_vbyte: '2',
          },
          OPEN_MS,
        );
        return ok({ fundingTxid: toHex(Buffer.from(opened.funding_txid_bytes, 'base64').reverse()) });
      } catch (error) {
        lastError = error instanceof Error ? error.message : String(error);
        return err(lastError);
      }
    },

    async channels() {
      const { channels } = await call(v.object({ channels: v.array(Channel) }), 'GET', '/v1/channels');
      const { pending_open_channels: pending } = await call(Pending, 'GET', '/v1/channels/pending');
      return [
        ...(await Promise.all(
          channels.map(
            async (channel): Promise<PeerChannel> => ({
              peer: channel.remote_pubkey,
              channelId: channelIdOf(channel.channel_point),
              fundingOutpoint: channel.channel_point,
              capacitySat: BigInt(channel.capacity),
              ready: true,
              active: channel.active && (await isInItsGraph(channel.chan_id)),
              public: !channel.private,
              anchors: channel.commitment_type === 'ANCHORS',
              ownSat: BigInt(channel.local_balance),
              htlcs: channel.pending_htlcs.length,
            }),
          ),
        )),
        ...pending.map(
          ({ channel }): PeerChannel => ({
            peer: channel.remote_node_pub,
            channelId: channelIdOf(channel.channel_point),
            fundingOutpoint: channel.channel_point,
            capacitySat: BigInt(channel.capacity),
            ready: false,
            active: false,
            public: !channel.private,
            anchors: channel.commitment_type === 'ANCHORS',
            ownSat: BigInt(channel.local_balance),
            htlcs: 0,
          }),
        ),
      ];
    },
    async closeChannel(fundingOutpoint, { force = false } = {}) {
      try {
        const [txid, index] = fundingOutpoint.split(':');
        const query = force ? 'force=true' : 'sat_per_vbyte=2';
        await first(v.unknown(), 'DELETE', `/v1/channels/${txid}/${index}?${query}`, undefined, CLOSE_MS);
        return ok(null);
      } catch (error) {
        lastError = error instanceof Error ? error.message : String(error);
        return err(lastError);
      }
    },

    async invoice(amountMsat, { hold = false, expirySeconds = DAY_SECONDS } = {}) {
      const asked = { value_msat: (amountMsat ?? 0n).toString(), expiry: expirySeconds.toString() };
      if (!hold) {
        const { r_hash, payment_request } = await call(Added, 'POST', '/v1/invoices', asked);
        return { text: payment_request, paymentHash: toHex(Buffer.from(r_hash, 'base64')) };
      }
      const preimage = new Uint8Array(randomBytes(32));
      const hash = sha256(preimage);
      const { payment_request } = await call(AddedHold, 'POST', '/v2/invoices/hodl', { ...asked, hash: base64(hash) });
      held.set(toHex(hash), toHex(preimage));
      return { text: payment_request, paymentHash: toHex(hash) };
    },
    invoiceState: async (paymentHash) => INVOICE_STATES[(await call(Invoice, 'GET', `/v1/invoice/${paymentHash}`)).state],
    async settle(paymentHash) {
      const preimage = held.get(paymentHash);
      if (preimage === undefined) throw new Error(`${alias} holds no invoice of hash ${paymentHash}`);
      await call(v.unknown(), 'POST', '/v2/invoices/settle', { preimage: base64(fromHex(preimage)) });
    },
    async cancel(paymentHash) {
      await call(v.unknown(), 'POST', '/v2/invoices/cancel', { payment_hash: base64(fromHex(paymentHash)) });
    },
    pay: (text, { amountMsat, maxFeeMsat = 0n } = {}) =>
      pay({ payment_request: text, fee_limit_msat: maxFeeMsat.toString(), ...(amountMsat ? { amt_msat: amountMsat.toString() } : {}) }),
    keysend(to, amountMsat) {
      const preimage = new Uint8Array(randomBytes(32));
      return pay({
        dest: base64(fromHex(to)),
        amt_msat: amountMsat.toString(),
        fee_limit_msat: amountMsat.toString(),
        payment_hash: base64(sha256(preimage)),
        dest_custom_records: { [KEYSEND_TYPE]: base64(preimage) },
        dest_features: ['TLV_ONION_REQ'],
      });
    },
    async forgetLessons() {
      await call(v.unknown(), 'POST', '/v2/router/mc/reset', {});
    },
    edge: (shortChannelId) => edge(shortChannelId.toString()),
    pending: () => call(v.unknown(), 'GET', '/v1/channels/pending'),

    address: async () => (await call(Address, 'GET', '/v1/newaddress?type=WITNESS_PUBKEY_HASH')).address,
    balanceSat: async () => BigInt((await call(Balance, 'GET', '/v1/balance/blockchain')).confirmed_balance),
    lastError: () => lastError,
  };
  return peer;
}
