/** A node of ours that needs no phone: under Node, on the same relay, with one peer behind a wire of its own. */
import { loadPeer } from '../../app/store/store.ts';
import { startWire, type Wire } from '../lab/cuttable.ts';
import { waitFor } from '../lab/wait.ts';
import type { Peer } from '../peers/peer.ts';
import { makeWallet, type Self, startSelf } from '../peers/self.ts';
import type { Sums } from './channels.ts';
import type { InteropWorld } from './world.ts';

export type Node = { readonly self: Self; readonly nodeId: string; readonly peer: Peer; readonly wire: Wire };

export async function startNode(world: InteropWorld, peer: Peer): Promise<Node> {
  const self = await startSelf({ relayUrl: world.relay.url });
  const nodeId = await makeWallet(self);
  await self.call('set-policy', {
    onOpen: 'sign',
    minFundingSat: '20000',
    maxFundingSat: '16777215',
    minDepth: 1,
    allowPublic: false,
    promptMinutes: 5,
  });
  const wire = await startWire(peer);
  const connected = await self.call('connect-peer', { address: `${peer.id}@127.0.0.1:${wire.port}` });
  if (!connected.ok) throw new Error(`${connected.error.code}: ${connected.error.detail}`);
  return { self, nodeId, peer, wire };
}

export async function stopNode({ self, wire }: Node): Promise<void> {
  await wire.stop();
  self.close();
}

/** What a phone would do over time, until the condition holds. */
export async function stirUntil({ self }: Node, what: string, condition: () => Promise<boolean>): Promise<void> {
  await waitFor(
    async () => {
      await self.call('refresh', null);
      await self.wake(undefined, 100);
      return condition();
    },
    { what, timeoutMs: 60_000 },
  );
}

/** The same until the work is done. */
export async function stirring<T>(node: Node, what: string, work: Promise<T>): Promise<T> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  ended.catch(() => undefined);
  await stirUntil(node, what, async () => done);
  return ended;
}

export const theirChannels = async ({ peer, nodeId }: Node) => (await peer.channels()).filter((channel) => channel.peer === nodeId);

export async function ourChannel({ self }: Node) {
  const view = await self.call('snapshot', null);
  const [channel] = view.ok ? view.value.channels : [];
  if (channel === undefined) throw new Error('no channel');
  return channel;
}

/** The peer opens; both are ready. */
export async function openToNode(world: InteropWorld, node: Node, amountSat: bigint, pushSat: bigint): Promise<void> {
  const opened = await stirring(node, 'the peer to open', node.peer.openChannel(node.nodeId, amountSat, { pushSat }));
  if (!opened.ok) throw new Error(opened.error);
  await world.btcd.mine(3);
  await untilUsable(node);
}

export const untilUsable = (node: Node): Promise<void> =>
  stirUntil(
    node,
    'the channel to be usable on both sides',
    async () =>
      (await ourChannel(node)).tag === 'normal' &&
      (await ourChannel(node)).online &&
      (await theirChannels(node)).some((channel) => channel.active),
  );

/** Both ends without an HTLC; what they have then. */
export async function quiet(node: Node): Promise<Sums> {
  let sums: Sums | undefined;
  await stirUntil(node, 'no HTLC to be left', async () => {
    const [here, [there]] = [await ourChannel(node), await theirChannels(node)];
    if (there === undefined) throw new Error('the peer has no channel');
    sums = { ours: BigInt(here.oursSat), theirs: there.ownSat, htlcs: here.htlcs.length + there.htlcs };
    return here.online && there.active && sums.htlcs === 0;
  });
  if (sums === undefined) throw new Error('never looked');
  return sums;
}

export async function invoiceOf({ self }: Node, amountSat: bigint): Promise<string> {
  const made = await self.call('create-invoice', { amountMsat: (amountSat * 1_000n).toString(), description: 'interop' });
  if (!made.ok) throw new Error(made.error.code);
  return made.value.text;
}

let named = 0;
/** To its end: `sent`, or why not. */
export async function payFrom(node: Node, text: string): Promise<string> {
  named += 1;
  const id = `node-payment-${named}`;
  await stirUntil(node, 'a route', async () => {
    const begun = await node.self.call('pay', { id, text });
    if (!begun.ok) throw new Error(`${begun.error.code}: ${begun.error.detail}`);
    return true;
  });
  let end = '';
  await stirUntil(node, 'the payment to end', async () => {
    const listed = await node.self.call('payments', null);
    const payment = listed.ok ? listed.value.find((one) => one.id === id) : undefined;
    end = payment?.state === 'failed' ? `failed: ${payment.failure}` : (payment?.state ?? '');
    return end === 'sent' || end.startsWith('failed');
  });
  return end;
}

/** The peer's record as it is stored now. */
export async function frozenNow({ self, peer }: Node): Promise<Uint8Array> {
  const record = await loadPeer(self.ports.db, peer.id);
  if (record === undefined) throw new Error('no record of the peer');
  return record.frozen;
}
