/**
 * An engine of ours that pays and is paid, with nothing of app or relay around it: TCP, BOLT 8 frames, invoices, onions, and `stepPeer`. What has
 * come when there is time for it is one batch: stepped, signed once, and in one transaction on the disk before a word of it goes out.
 *
 * A payment is made when its preimage is here, and the next one is offered in the batch that brought it: the signature that takes the old
 * HTLC away is the one that adds the new, and the transaction that keeps the outcome of the one keeps the offer of the other.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, toHex } from '../../shared/lib/bytes.ts';
import { freeze } from '../../shared/lib/freeze.ts';
import { isIn } from '../../shared/ln/channel/htlc.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { recover, sign, verify } from '../../shared/ln/keys/secp.ts';
import { checkReceipt } from '../../shared/ln/onion/checks.ts';
import { readHtlc } from '../../shared/ln/onion/htlc.ts';
import { paymentOnion } from '../../shared/ln/onion/route.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import type { PeerEnv } from '../../shared/ln/peer/env.ts';
import { freezePeer } from '../../shared/ln/peer/freeze.ts';
import { ourInit, stepPeer } from '../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { defaultPolicy } from '../../shared/ln/testing/node.ts';
import { hash, regtestChain } from '../../shared/ln/testing/opener.ts';
import { Pair, partyKeys } from '../../shared/ln/testing/pair.ts';
import { type Cipher, newCipher } from '../../shared/ln/transport/cipher.ts';
import { encodeFeatures, features } from '../../shared/ln/wire/features.ts';
import { fastCurve } from '../lab/curve.ts';
import { waitFor } from '../lab/wait.ts';
import { listen } from '../push/serve.ts';
import { fixedKeys } from './naive.ts';
import type { PayerName } from './payers.ts';
import { AMOUNT_MSAT, CHANNEL_SAT, type PaymentNode } from './payments-terms.ts';

const HEIGHT = 1_000;
const minFinalCltvExpiryDelta = 100;
/** BOLT 2: the most that a commitment has room for. */
const MAX_HTLCS = 483;

const secretOf = (preimage: Uint8Array): Uint8Array => sha256(concat(preimage, preimage));

/** What must be durable: the frozen peer, what a penalty needs, and the outcome of each payment. */
class Store {
  readonly #db: DatabaseSync;
  readonly #put: ReturnType<DatabaseSync['prepare']>;
  readonly #keep: ReturnType<DatabaseSync['prepare']>;
  readonly #paid: ReturnType<DatabaseSync['prepare']>;
  commits = 0;

  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE peer (id INTEGER PRIMARY KEY, frozen BLOB NOT NULL) STRICT;
      CREATE TABLE archive (number INTEGER PRIMARY KEY, htlcs BLOB NOT NULL) STRICT;
      CREATE TABLE paid (preimage BLOB PRIMARY KEY) STRICT;`);
    this.#put = this.#db.prepare('INSERT OR REPLACE INTO peer VALUES (1, ?)');
    this.#keep = this.#db.prepare('INSERT OR REPLACE INTO archive VALUES (?, ?)');
    this.#paid = this.#db.prepare('INSERT OR REPLACE INTO paid VALUES (?)');
  }

  commit(state: PeerState, effects: readonly PeerEffect[]): void {
    this.#db.exec('BEGIN');
    this.#put.run(freezePeer(state));
    for (const effect of effects) {
      if (effect.tag === 'keep-archive') this.#keep.run(effect.number, freeze(effect.htlcs));
      if (effect.tag === 'htlc-fulfilled') this.#paid.run(effect.preimage);
    }
    this.#db.exec('COMMIT');
    this.commits += 1;
  }
  close(): void {
    this.#db.close();
  }
}

class Engine {
  readonly #name: PayerName;
  readonly #store: Store;
  readonly #preimages = new Map<string, Uint8Array>();
  readonly #channelId: Uint8Array;
  readonly #nodeSecret: Uint8Array;
  #state: PeerState;
  #link: { readonly socket: Socket; readonly cipher: Cipher } | undefined;
  #invoices = 0;
  /** Of ours: on their way. */
  #paying = 0;
  /** Those that wait for them, their onions made. */
  #next: readonly PeerCommand[] = [];
  #prepare: () => readonly PeerCommand[] = () => [];
  #settled: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(name: PayerName, store: Store) {
    this.#name = name;
    this.#nodeSecret = hash(`node of ${name}`);
    this.#store = store;
    // Both processes make the same pair; each keeps its own side.
    const pair = new Pair({ fundingSat: CHANNEL_SAT, pushMsat: 0n, feeratePerKw: 253, reserveSat: 1_000n, maxAcceptedHtlcs: MAX_HTLCS });
    this.#state = pair.of(name).state;
    const channelId = pair.of(name).commitments.channelId;
    this.#channelId = channelId;
  }

  get ready(): boolean {
    return this.#state.channels[0]?.tag === 'normal';
  }

  #env(): PeerEnv {
    const { openSigner, wallet } = partyKeys(this.#name);
    return {
      now: Date.now(),
      height: HEIGHT,
      entropy: new Uint8Array(randomBytes(64)),
      chainHash: regtestChain,
      policy: defaultPolicy,
      feeratePerKw: { min: 253, max: 100_000 },
      openSigner,
      wallet,
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 253,
    };
  }

  /** What arrives is answered, all that is due is signed, the whole is stored, and then it is said. */
  #batch(commands: readonly PeerCommand[]): void {
    const { outSeq, epoch } = this.#state;
    const effects: PeerEffect[] = [];
    const waiting = [...commands];
    for (let flushed = false; waiting.length > 0 || !flushed; ) {
      if (waiting.length === 0) waiting.push(...this.#takeNext());
      const command = waiting.shift() ?? { tag: 'flush' };
      flushed = command.tag === 'flush';
      const stepped = stepPeer(this.#state, command, this.#env());
      this.#state = stepped.state;
      effects.push(...stepped.effects);
      for (const effect of stepped.effects) waiting.push(...this.#answer(effect));
    }
    const said = this.#state.outbox.filter((frame) => frame.epoch !== epoch || frame.m > outSeq);
    // Of a batch that says nothing and has nothing to tell, nobody would know if it were forgotten.
    if (said.length > 0 || effects.length > 0) this.#store.commit(this.#state, effects);
    if (said.length > 0) this.#say(said.map(({ bytes }) => bytes));
    // While the other side is busy.
    if (this.#next.length === 0) this.#next = this.#prepare();
    if (this.#paying === 0 && this.#next.length === 0) this.#settled();
  }

  /** Once all of ours are paid, and our next signature takes the last of them away: they need their places. */
  #takeNext(): readonly PeerCommand[] {
    const [channel] = this.#state.channels;
    const htlcs = channel === undefined ? [] : (commitmentsOf(channel)?.htlcs ?? []);
    if (this.#paying > 0 || htlcs.some((htlc) => isIn('remote-proposed', htlc))) return [];
    const next = this.#next;
    this.#next = [];
    this.#paying += next.length;
    return next;
  }

  #say(messages: readonly Uint8Array[]): void {
    if (!this.#link) throw new Error('nobody listens');
    const { socket, cipher } = this.#link;
    socket.cork();
    for (const message of messages) socket.write(cipher.sealer.seal(message));
    socket.uncork();
    const { epoch, outSeq } = this.#state;
    this.#state = stepPeer(this.#state, { tag: 'receipt', epoch, m: outSeq }, this.#env()).state;
  }

  #answer(effect: PeerEffect): readonly PeerCommand[] {
    if (effect.tag === 'add-refused' || effect.tag === 'htlc-failed' || effect.tag === 'disconnect' || effect.tag === 'note')
      this.#failed(
        new Error(`${this.#name}: ${effect.tag} ${'note' in effect ? effect.note.detail : 'error' in effect ? effect.error.code : ''}`),
      );
    if (effect.tag === 'htlc-fulfilled') this.#paying -= 1;
    if (effect.tag !== 'htlc-received') return [];
    const { id, amountMsat, paymentHash, cltvExpiry, onion: onionRoutingPacket = new Uint8Array(0) } = effect.htlc;
    const htlc = { amountMsat, paymentHash, cltvExpiry, onionRoutingPacket };
    const read = readHtlc(htlc, this.#nodeSecret);
    const preimage = this.#preimages.get(toHex(paymentHash));
    if (!read.ok || read.value.tag !== 'receipt' || !preimage) throw new Error('an HTLC that is not for us');
    const expected = { paymentSecret: secretOf(preimage), amountMsat: AMOUNT_MSAT, minFinalCltvExpiryDelta, basicMpp: false };
    const fault = checkReceipt({ htlc, receipt: read.value, expected, height: HEIGHT });
    if (fault) throw new Error(`${fault.name}: not what the invoice asked for`);
    const command = { tag: 'remove', id, removal: { kind: 'fulfill', preimage } } as const;
    return [{ tag: 'channel', channelId: this.#channelId, command }];
  }

  attach(socket: Socket): void {
    const [sending, receiving] =
      this.#name === 'alice' ? [fixedKeys.toServer, fixedKeys.toClient] : [fixedKeys.toClient, fixedKeys.toServer];
    const cipher = newCipher({ sending, receiving, chaining: fixedKeys.chaining });
    socket.setNoDelay(true);
    this.#link = { socket, cipher };
    const epoch = this.#state.epoch + 1;
    this.#batch([{ tag: 'connected', epoch }]);
    this.#say([ourInit(regtestChain)]);
    const heard: Uint8Array[] = [];
    const take = (): void => {
      const from = this.#state.lastInSeq + 1;
      this.#batch(heard.splice(0).map((bytes, i) => ({ tag: 'frame', epoch, n: from + i, bytes })));
    };
    socket.on('data', (chunk) => {
      const opened = cipher.opener.push(chunk);
      if (!opened.ok) throw new Error(opened.error.code);
      if (heard.length === 0 && opened.value.messages.length > 0) setImmediate(take);
      heard.push(...opened.value.messages);
    });
    socket.on('error', () => socket.destroy());
  }
  detach(): void {
    this.#link?.socket.destroy();
  }

  invoice(): string {
    this.#invoices += 1;
    const preimage = hash(`preimage ${this.#invoices}`);
    const paymentHash = sha256(preimage);
    this.#preimages.set(toHex(paymentHash), preimage);
    return encodeInvoice(
      {
        network: 'regtest',
        amountMsat: AMOUNT_MSAT,
        timestamp: 1_780_000_000,
        expirySeconds: 3_600,
        paymentHash,
        paymentSecret: secretOf(preimage),
        description: 'bench',
        payee: partyKeys(this.#name).nodeId,
        minFinalCltvExpiryDelta,
        fallbacks: [],
        routeHints: [],
        features: encodeFeatures([features.var_onion_optin.bit, features.payment_secret.bit]),
      },
      (digest) => sign(digest, this.#nodeSecret),
    );
  }

  /** The invoice is read, its signature checked, the route of one hop found, the onion made; everything else waits for `payAll`. */
  prepare(text: string): PeerCommand {
    const invoice = parseInvoice(text, 'regtest', { recover, verify });
    if (!invoice.ok) throw new Error(invoice.error.code);
    const { payee, paymentHash, paymentSecret, amountMsat } = invoice.value;
    if (!equal(payee, this.#state.peerId) || amountMsat === undefined) throw new Error('no route to the payee');
    const cltvExpiry = HEIGHT + invoice.value.minFinalCltvExpiryDelta;
    const onion = paymentOnion({
      sessionKey: Uint8Array.from(randomBytes(32)).fill(1, 0, 1),
      paymentHash,
      htlcs: [{ nodeId: payee, shortChannelId: 1n, amountMsat, cltvExpiry }],
      recipient: { tag: 'node', totalMsat: amountMsat, paymentSecret },
    });
    if (!onion.ok) throw new Error(onion.error.code);
    const add = { amountMsat, paymentHash, cltvExpiry, onion: onion.value.packet };
    return { tag: 'channel', channelId: this.#channelId, command: { tag: 'add', request: toHex(paymentHash), ...add } };
  }

  /** `prepare`: the next wave, its onions made; none when there is no more. */
  payAll(prepare: () => readonly PeerCommand[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settled = resolve;
      this.#failed = reject;
      this.#prepare = prepare;
      this.#next = prepare();
      this.#batch([]);
    });
  }
}

export async function startEngine(name: PayerName, folder: string): Promise<PaymentNode> {
  await fastCurve();
  const store = new Store(join(folder, 'engine.db'));
  const engine = new Engine(name, store);
  const server = createServer((socket) => engine.attach(socket));
  const usable = () => waitFor(() => engine.ready, { what: 'channel_reestablish' });
  return {
    id: toHex(partyKeys(name).nodeId),
    port: await listen(server),
    address: '',
    async connect(_id, port) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      engine.attach(socket);
      await usable();
    },
    // It is there from the beginning.
    open: async () => undefined,
    tip: async () => engine.ready,
    invoices: async (count) => Array.from({ length: count }, () => engine.invoice()),
    async pay(invoices, atOnce) {
      let from = 0;
      await engine.payAll(() => {
        const wave = invoices.slice(from, from + atOnce).map((text) => engine.prepare(text));
        from += atOnce;
        return wave;
      });
    },
    commits: () => store.commits,
    async stop() {
      engine.detach();
      server.close();
      store.close();
    },
  };
}
