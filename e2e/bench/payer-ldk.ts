/** An LDK node that pays and is paid, as our tests run it: its state is in files that are not flushed to the disk, its log in another. */
import { setImmediate } from 'node:timers/promises';
import * as v from 'valibot';
import { err, ok } from '../../shared/lib/result.ts';
import type { ChainSource } from '../lab/source.ts';
import { createLdkPeer } from '../peers/ldk.ts';
import type { PayerName } from './payers.ts';
import { AMOUNT_MSAT, CHANNEL_SAT, type PaymentNode } from './payments-terms.ts';

const Answer = v.object({ result: v.unknown(), error: v.nullable(v.object({ message: v.string() })) });

/** The lab's chain from another process. */
function rpcSource(url: string): ChainSource {
  const { username, password, origin } = new URL(url);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  async function rpc(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(origin, { method: 'POST', headers: { authorization }, body: JSON.stringify({ id: 1, method, params }) });
    const { result, error } = v.parse(Answer, await response.json());
    if (error !== null) throw new Error(error.message);
    return result;
  }
  const height = async (): Promise<number> => v.parse(v.number(), await rpc('getblockcount'));
  const hashAt = async (at: number): Promise<string> => v.parse(v.string(), await rpc('getblockhash', at));
  return {
    async tip() {
      const at = await height();
      return { height: at, hash: await hashAt(at) };
    },
    hashAt: async (at) => (at > (await height()) ? undefined : hashAt(at)),
    rawBlock: async (hash) => new Uint8Array(Buffer.from(v.parse(v.string(), await rpc('getblock', hash, false)), 'hex')),
    async submit(rawTx) {
      try {
        return ok(v.parse(v.string(), await rpc('sendrawtransaction', Buffer.from(rawTx).toString('hex'))));
      } catch (error) {
        return err(error instanceof Error ? error.message : String(error));
      }
    },
    // The bench says when there is a new tip.
    onTip: () => () => undefined,
  };
}

export async function startLdk(name: PayerName, folder: string, rpcUrl: string): Promise<PaymentNode> {
  const peer = await createLdkPeer({ alias: name, source: rpcSource(rpcUrl), dir: folder });
  await peer.start();
  return {
    id: peer.id,
    port: peer.port,
    address: await peer.address(),
    connect: (id, port) => peer.connect(id, '127.0.0.1', port),
    async open(id) {
      const opened = await peer.openChannel(id, CHANNEL_SAT);
      if (!opened.ok) throw new Error(opened.error);
    },
    async tip() {
      await peer.settled();
      return (await peer.channels()).some(({ active }) => active);
    },
    invoices: async (count) => {
      const made = await Promise.all(Array.from({ length: count }, () => peer.invoice(AMOUNT_MSAT)));
      return made.map(({ text }) => text);
    },
    async pay(invoices, atOnce) {
      for (let from = 0; from < invoices.length; from += atOnce) {
        const wave = await Promise.all(invoices.slice(from, from + atOnce).map((text) => peer.pay(text)));
        for (const paid of wave) if (!paid.ok) throw new Error(`a payment failed: ${paid.error}`);
        // A payment is told as sent before its HTLC has left both commitments, and until then it takes one of LDK's few places.
        while (atOnce > 1 && (await peer.channels()).some(({ htlcs }) => htlcs > 0)) await setImmediate();
      }
    },
    commits: () => 0,
    stop: () => peer.stop(),
  };
}
