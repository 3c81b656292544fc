/**
 * A node of ours that is nothing but the engine and a socket (BOLT 8), moved by hand: what the peer said waits until it is heard, and
 * the connection can be lost before any one frame of either side. Its state is frozen and thawed at every step.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { pointFromSecret } from '../../shared/ln/keys/secp.ts';
import { nodeSecret, walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import { newPeer, ourInit } from '../../shared/ln/peer/machine.ts';
import { openSignerFrom } from '../../shared/ln/signer/memory.ts';
import { openWalletSigner } from '../../shared/ln/signer/wallet.ts';
import { stepThroughIce, throughIce } from '../../shared/ln/testing/freeze-each-step.ts';
import { defaultPolicy } from '../../shared/ln/testing/node.ts';
import { newCipher } from '../../shared/ln/transport/cipher.ts';
import { receiveAct2, startInitiator } from '../../shared/ln/transport/handshake.ts';
import { REGTEST_GENESIS } from '../lab/source.ts';
import { waitFor } from '../lab/wait.ts';
import type { Peer } from '../peers/peer.ts';

const chainHash = reversed(fromHex(REGTEST_GENESIS));
const ACT_2_BYTES = 50;
const types = { warning: 1, error: 17, pong: 19 } as const;
/** BOLT 1: asks for two bytes, and brings none. */
const ping = Uint8Array.of(0, 18, 0, 2, 0, 0);

const typeOf = (message: Uint8Array): number => ((message[0] ?? 0) << 8) | (message[1] ?? 0);

/** After how many frames of which side the connection is lost. `killed`: and so is our process; nobody is told of the end. */
export type Cut = { readonly by: 'us' | 'them'; readonly after: number; readonly killed: boolean };

type Link = { readonly socket: Socket; readonly epoch: number; write(message: Uint8Array): void; pongs: number; greeted: boolean };

export class SteppedNode {
  readonly wallet = walletKeyFromSeed(new Uint8Array(randomBytes(64)), 1);
  readonly secret = nodeSecret(this.wallet);
  readonly id = toHex(pointFromSecret(this.secret));
  /** What neither side may say or note in a schedule. */
  readonly faults: string[] = [];
  state = newPeer(new Uint8Array(33).fill(2));
  /** Connections that were lost at a frame. */
  cuts = 0;
  private readonly height: () => number;
  private readonly told: (effect: PeerEffect) => void;
  private link: Link | undefined;
  private inbox: Uint8Array[] = [];
  private heard = 0;
  private armed: { by: Cut['by']; left: number; killed: boolean } | undefined;
  private waiting: (() => void)[] = [];

  constructor(height: () => number, told: (effect: PeerEffect) => void) {
    this.height = height;
    this.told = told;
  }

  get connected(): boolean {
    return this.link !== undefined;
  }
  /** Nothing that the peer said waits to be heard. */
  get caughtUp(): boolean {
    return this.inbox.length === 0;
  }

  step(command: PeerCommand): void {
    const { state, effects } = stepThroughIce(this.state, command, {
      now: Date.now(),
      height: this.height(),
      entropy: new Uint8Array(randomBytes(64)),
      chainHash,
      policy: { ...defaultPolicy, minDepth: 2 },
      feeratePerKw: { min: 253, max: 50_000 },
      openSigner: openSignerFrom(this.wallet),
      wallet: openWalletSigner(this.wallet),
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 1_000,
    });
    this.state = state;
    // Before anything is written: that may end the connection, which is a step of its own.
    for (const effect of effects) {
      if (effect.tag === 'disconnect') this.faults.push(`we disconnect: ${effect.reason}`);
      const worrying = ['fault', 'channel-failed', 'peer-error', 'peer-warning', 'channel-closing', 'close-seen'];
      if (effect.tag === 'note' && worrying.includes(effect.note.kind)) this.faults.push(`${effect.note.kind}: ${effect.note.detail}`);
      this.told(effect);
    }
    this.write();
  }

  /** The outbox goes out as far as the connection lasts. */
  private write(): void {
    const { link } = this;
    const { outbox, epoch } = this.state;
    if (link?.epoch !== epoch) return;
    let written: number | undefined;
    for (const { bytes, m } of outbox) {
      if (this.strikes('us')) break;
      const type = typeOf(bytes);
      if (type === types.error || type === types.warning) this.faults.push(`we say: ${Buffer.from(bytes.subarray(36)).toString()}`);
      link.write(bytes);
      written = m;
    }
    if (this.link === undefined) return;
    if (written !== undefined) this.step({ tag: 'receipt', epoch, m: written });
  }

  /** One more frame of that side: is it lost, and the connection with it? */
  private strikes(by: Cut['by']): boolean {
    if (this.armed?.by !== by) return false;
    this.armed.left -= 1;
    if (this.armed.left >= 0) return false;
    this.cuts += 1;
    this.lose(this.armed.killed);
    return true;
  }

  arm({ by, after, killed }: Cut): void {
    this.armed = { by, left: after, killed };
  }
  disarm(): void {
    this.armed = undefined;
  }

  /** Everything written so far still arrives; what was not heard yet is gone. */
  lose(killed: boolean): void {
    const { link } = this;
    this.armed = undefined;
    if (link === undefined) return;
    this.link = undefined;
    this.inbox = [];
    link.socket.end();
    this.wake();
    if (killed) this.state = throughIce(this.state);
    else this.step({ tag: 'disconnected', epoch: link.epoch });
  }

  async connect(peer: Peer): Promise<void> {
    await waitFor(async () => !(await peer.connectedTo(this.id)), { what: 'the peer to notice the end', timeoutMs: 30_000 });
    const started = startInitiator({ ephemeralSecret: new Uint8Array(randomBytes(32)), remoteStatic: fromHex(peer.id) });
    if (!started.ok) throw new Error(started.error.code);
    const epoch = this.state.epoch + 1;
    const socket = connect(peer.port, peer.host);
    socket.setNoDelay(true);
    let bytes = Buffer.alloc(0);
    let opener: ReturnType<typeof newCipher>['opener'] | undefined;
    let up: Link | undefined;
    socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      if (opener === undefined) {
        if (bytes.length < ACT_2_BYTES) return;
        const second = receiveAct2(started.value.state, Uint8Array.from(bytes.subarray(0, ACT_2_BYTES)), this.secret);
        if (!second.ok) throw new Error(second.error.code);
        const { sealer, opener: opens } = newCipher(second.value.keys);
        opener = opens;
        bytes = bytes.subarray(ACT_2_BYTES);
        socket.write(second.value.act3);
        this.heard = 0;
        this.inbox = [];
        up = { socket, epoch, write: (message) => void socket.write(sealer.seal(message)), pongs: 0, greeted: false };
        this.link = up;
        this.step({ tag: 'connected', epoch });
        up.write(ourInit(chainHash));
      }
      const opened = opener.push(Uint8Array.from(bytes));
      bytes = Buffer.alloc(0);
      if (!opened.ok) throw new Error(opened.error.code);
      for (const message of opened.value.messages) if (up) this.arrived(up, message);
      this.wake();
    });
    socket.on('close', () => {
      if (this.link !== undefined && this.link === up) this.lose(false);
      this.wake();
    });
    socket.on('error', () => socket.destroy());
    socket.write(started.value.act1);
    await this.until(() => up?.greeted === true || socket.destroyed);
    this.hear(1);
  }

  private arrived(link: Link, message: Uint8Array): void {
    if (this.link !== link) return;
    const type = typeOf(message);
    if (type === types.pong) {
      link.pongs += 1;
      return;
    }
    if (type === types.error || type === types.warning) this.faults.push(`they say: ${Buffer.from(message.subarray(36)).toString()}`);
    // `init` is heard in any case: a connection without it is none.
    if (link.greeted && this.strikes('them')) return;
    link.greeted = true;
    this.inbox.push(message);
  }

  /**
   * Until the peer has dealt with all that was written and what it says to that is here: the answer to a ping comes after the answers to
   * what came before it, and LDK speaks of its own accord once it has read.
   */
  async fence(): Promise<void> {
    const { link } = this;
    for (let i = 0; i < 2 && link !== undefined && link === this.link; i += 1) {
      const want = link.pongs + 1;
      link.write(ping);
      await this.until(() => link.pongs >= want || this.link !== link);
    }
  }

  /** Up to `count` frames of those that are here. */
  hear(count: number): void {
    for (let i = 0; i < count && this.link; i += 1) {
      const bytes = this.inbox.shift();
      if (bytes === undefined) return;
      this.heard += 1;
      this.step({ tag: 'frame', epoch: this.link.epoch, n: this.heard, bytes });
    }
  }

  private async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
