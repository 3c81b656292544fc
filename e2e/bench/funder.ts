/** A scripted peer that opens channels to the phone: real BOLT 8, real keys and signatures, no wallet and no chain behind it. */
import { once } from 'node:events';
import { networkOf } from '../../app/runtime/network.ts';
import { TestPeer } from '../../relay/keeper/testing.ts';
import { toHex } from '../../shared/lib/bytes.ts';
import { decode, encode, type PeerMessage } from '../../shared/ln/peer/wire.ts';
import { peerInit } from '../../shared/ln/testing/node.ts';
import { makeOpener, type Opener } from '../../shared/ln/testing/opener.ts';
import { within } from '../push/serve.ts';

type Said<N extends PeerMessage['name']> = Extract<PeerMessage, { readonly name: N }>;
const chainHash = networkOf('regtest').chainHash;
const PATIENCE_MS = 30_000;

export type Funder = {
  readonly address: string;
  readonly peerId: string;
  /** The phone is connected: says `init`. */
  greet(): void;
  readonly stop: () => Promise<void>;
  /** A channel until just before `funding_created`. The worker has to be asleep to be woken by it. */
  open(name: string): Promise<Funding>;
};
export type Funding = {
  /** Sends `funding_created`; answers when the bytes of `funding_signed` arrived. Throws when the signature is wrong. */
  sign(): Promise<{ readonly sentAtMs: number; readonly signedAtMs: number }>;
};

export async function startFunder(): Promise<Funder> {
  const peer = await TestPeer.start();

  /** The next message of that name, and when its bytes were there. */
  async function hear<N extends PeerMessage['name']>(name: N, from: number): Promise<{ readonly msg: Said<N>; readonly atMs: number }> {
    const { end } = peer;
    for (let i = from; ; i += 1) {
      // The peer's own listener came first: what it decrypts is in the list by the time ours is called.
      while (end.messages.length <= i) await within(PATIENCE_MS, name, once(end.socket, 'data'));
      const atMs = Date.now();
      const decoded = decode(end.messages[i] ?? new Uint8Array(0));
      if (!decoded.ok) throw new Error(`${name}: ${decoded.error.code}`);
      const msg = decoded.value;
      if (msg.name === name) return { msg: msg as Said<N>, atMs };
      if (msg.name === 'error' || msg.name === 'warning') throw new Error(`${name}: ${msg.name} ${Buffer.from(msg.data).toString()}`);
    }
  }

  async function open(name: string): Promise<Funding> {
    const opener: Opener = makeOpener({ name, open: { chainHash } });
    let from = peer.end.messages.length;
    peer.end.send(encode(opener.open));
    const { msg: accept } = await hear('accept_channel', from);
    const created = encode(opener.fundingCreated(accept));
    return {
      async sign() {
        from = peer.end.messages.length;
        const sentAtMs = Date.now();
        peer.end.send(created);
        const { msg, atMs } = await hear('funding_signed', from);
        if (toHex(msg.channelId) !== toHex(opener.channelId) || !opener.checksFundingSigned(accept, msg.signature))
          throw new Error('funding_signed carries no good signature');
        return { sentAtMs, signedAtMs: atMs };
      },
    };
  }

  return {
    address: `${peer.idHex}@127.0.0.1:${peer.port}`,
    peerId: peer.idHex,
    greet: () => peer.end.send(encode({ ...peerInit, networks: [chainHash] })),
    open,
    stop: () => peer.stop(),
  };
}
