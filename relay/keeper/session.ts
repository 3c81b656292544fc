/**
 * One epoch of one session as a machine without socket, clock or database: the numbered inbound queue (rule R8), the numbered
 * outbox, and what is written already. The keeper moves bytes and time in and out of it.
 */
import { classify, messageType } from './classify.ts';

export type Inbound = {
  readonly n: number;
  readonly bytes: Uint8Array;
  /** Somebody waits for the app because of it. */
  readonly wakes: boolean;
  /** When it was first handed to an app; 0: not yet. */
  offeredMs: number;
};
export type QueueLimits = { readonly queueFrames: number; readonly queueBytes: number };
/** What became of a message: kept or not, whether it wakes, and whether there is room for another. */
export type Received = { readonly kept: boolean; readonly wakes: boolean; readonly room: boolean };

const CHANNEL_UPDATE = 258;
/** Peers tell their own channel_update once for each of our channels; more than this is gossip that we did not ask for. */
const MAX_CHANNEL_UPDATES = 16;

export class Epoch {
  readonly number: number;
  readonly #limits: QueueLimits;
  #queue: Inbound[] = [];
  #bytes = 0;
  #lastN = 0;
  #lastM = 0;
  #channelUpdates = 0;

  constructor(number: number, limits: QueueLimits) {
    this.number = number;
    this.#limits = limits;
  }

  get waiting(): readonly Inbound[] {
    return this.#queue;
  }

  get waitingBytes(): number {
    return this.#bytes;
  }

  /** The newest outbound number written to the peer. */
  get lastM(): number {
    return this.#lastM;
  }

  get #full(): boolean {
    return this.#queue.length >= this.#limits.queueFrames || this.#bytes >= this.#limits.queueBytes;
  }

  /** A decrypted message. Dropped ones get no number. A full queue still keeps what comes: it was read already. */
  receive(bytes: Uint8Array): Received {
    const attention = classify(bytes);
    const isUpdate = messageType(bytes) === CHANNEL_UPDATE;
    if (attention === 'drop' || attention === 'relay' || (isUpdate && this.#channelUpdates >= MAX_CHANNEL_UPDATES)) {
      return { kept: false, wakes: false, room: !this.#full };
    }
    if (isUpdate) this.#channelUpdates += 1;
    this.#lastN += 1;
    this.#bytes += bytes.length;
    const roomBefore = !this.#full;
    this.#queue.push({ n: this.#lastN, bytes, wakes: attention === 'wake', offeredMs: 0 });
    const room = !this.#full;
    // A queue that has just become full stops the peer, and only the app can empty it.
    return { kept: true, wakes: attention === 'wake' || (roomBefore && !room), room };
  }

  /** The app has durably processed everything up to n. True when there is room again: below half of both limits. */
  acknowledge(n: number): boolean {
    const keep = this.#queue.findIndex((frame) => frame.n > n);
    const gone = this.#queue.splice(0, keep < 0 ? this.#queue.length : keep);
    for (const frame of gone) {
      this.#bytes -= frame.bytes.length;
      if (messageType(frame.bytes) === CHANNEL_UPDATE) this.#channelUpdates -= 1;
    }
    return this.#queue.length <= this.#limits.queueFrames / 2 && this.#bytes <= this.#limits.queueBytes / 2;
  }

  /** What to do with outbound m when `ahead` frames of the same request come before it. */
  place(m: number, ahead: number): 'next' | 'written' | 'gap' {
    if (m <= this.#lastM + ahead) return 'written';
    return m === this.#lastM + ahead + 1 ? 'next' : 'gap';
  }

  /** m was sealed into the socket: never again. */
  wrote(m: number): void {
    if (m !== this.#lastM + 1) throw new Error(`outbound ${m} after ${this.#lastM}`);
    this.#lastM = m;
  }
}
