/** What the keeper holds for one (account, peer): the newest epoch, its link while it lives, its queue until it is taken. */
import type { SessionStatus } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import type { LinkEnd, LinkEvents, PeerLink } from '../ports.ts';
import type { SessionRow } from './rows.ts';
import type { Epoch } from './session.ts';
import type { Timed } from './wheel.ts';

export type Live = { readonly link: PeerLink; readonly sinceMs: number };
export type Handshake = { readonly link: PeerLink; readonly epoch: number };

export class Slot implements Timed {
  readonly account: string;
  readonly session: string;
  readonly peer: string;
  host: string;
  port: number;
  /** The newest given out. */
  newest: number;
  /** The last one that was established; its queue stays after the link is gone, until the next is established. */
  epoch: Epoch | undefined;
  live: Live | undefined;
  handshake: Handshake | undefined;
  /** Of the loss, while lost. */
  reason: string | undefined;
  /** Wakes sent for this loss. */
  lostWakes: number;
  readonly #onDue: (slot: Slot) => void;

  constructor(row: SessionRow, onDue: (slot: Slot) => void) {
    this.account = row.account;
    this.session = row.session;
    this.peer = row.peer;
    this.host = row.host;
    this.port = row.port;
    this.newest = row.epoch;
    this.reason = row.reason;
    this.lostWakes = row.lostWakes;
    this.#onDue = onDue;
  }

  due(): void {
    this.#onDue(this);
  }

  status(): SessionStatus {
    const of = (epoch: number, state: SessionStatus['state']): SessionStatus => ({ session: this.session, peer: this.peer, epoch, state });
    if (this.live !== undefined && this.epoch !== undefined) return of(this.epoch.number, 'live');
    if (this.handshake !== undefined) return of(this.handshake.epoch, 'handshaking');
    const lost = of(this.newest, 'lost');
    return this.reason === undefined ? lost : { ...lost, reason: this.reason };
  }
}

/** Stands between a link and the slot, which is only known once act two is there. */
export class LinkOwner implements LinkEvents {
  slot: Slot | undefined;
  link: PeerLink | undefined;
  readonly #onMessage: (slot: Slot, link: PeerLink, bytes: Uint8Array) => boolean;
  readonly #onEnded: (slot: Slot, link: PeerLink, reason: LinkEnd) => void;

  constructor(
    onMessage: (slot: Slot, link: PeerLink, bytes: Uint8Array) => boolean,
    onEnded: (slot: Slot, link: PeerLink, reason: LinkEnd) => void,
  ) {
    this.#onMessage = onMessage;
    this.#onEnded = onEnded;
  }

  message(bytes: Uint8Array): boolean {
    return this.slot === undefined || this.link === undefined || this.#onMessage(this.slot, this.link, bytes);
  }

  ended(reason: LinkEnd): void {
    if (this.slot !== undefined && this.link !== undefined) this.#onEnded(this.slot, this.link, reason);
  }
}

/** The wait before the next wake for a session that stays lost, or undefined when it is given up. `sent`: wakes so far, at least 1. */
export function lostWakeDelay(sent: number, limits: Limits): number | undefined {
  if (sent >= limits.lostWakeTries) return undefined;
  return Math.min(limits.lostWakeMaxMs, limits.lostWakeFirstMs * 2 ** (sent - 1));
}
