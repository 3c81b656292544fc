/**
 * The bare engine against an LDK peer, with nothing of app or relay in between: a TCP socket, BOLT 8, and `stepPeer` whose state
 * is frozen and thawed between any two steps. What fails here is the engine's fault alone.
 */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import { pointFromSecret } from '../../shared/ln/keys/secp.ts';
import { nodeSecret, walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { Note } from '../../shared/ln/peer/effect.ts';
import type { OpenPolicy, PeerEnv } from '../../shared/ln/peer/env.ts';
import { newPeer, ourInit, watches } from '../../shared/ln/peer/machine.ts';
import { openSignerFrom } from '../../shared/ln/signer/memory.ts';
import { openWalletSigner } from '../../shared/ln/signer/wallet.ts';
import { stepThroughIce, throughIce } from '../../shared/ln/testing/freeze-each-step.ts';
import { defaultPolicy } from '../../shared/ln/testing/node.ts';
import { newCipher } from '../../shared/ln/transport/cipher.ts';
import { receiveAct2, startInitiator } from '../../shared/ln/transport/handshake.ts';
import { type Chain, startChain } from '../lab/chain.ts';
import { REGTEST_GENESIS } from '../lab/source.ts';
import { waitFor } from '../lab/wait.ts';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** For a machine that is busy with other tests: alone, each wait is far below a second. */
const PATIENCE_MS = 60_000;
const chainHash = reversed(fromHex(REGTEST_GENESIS));

/** A node of ours with one peer and nothing else. */
class BareNode {
  readonly wallet = walletKeyFromSeed(new Uint8Array(randomBytes(64)), 1);
  readonly secret = nodeSecret(this.wallet);
  readonly id = toHex(pointFromSecret(this.secret));
  readonly notes: Note[] = [];
  readonly disconnects: string[] = [];
  readonly chain: Chain;
  readonly policy: OpenPolicy;
  state = newPeer(new Uint8Array(33).fill(2));
  private socket: Socket | undefined;
  private write: (bytes: Uint8Array) => void = () => undefined;

  constructor(chain: Chain, policy: Partial<OpenPolicy>) {
    this.chain = chain;
    this.policy = { ...defaultPolicy, minDepth: 2, ...policy };
  }

  step(command: PeerCommand): void {
    const env: PeerEnv = {
      now: Date.now(),
      height: this.chain.height(),
      entropy: new Uint8Array(randomBytes(64)),
      chainHash,
      policy: this.policy,
      feeratePerKw: { min: 253, max: 50_000 },
      openSigner: openSignerFrom(this.wallet),
      wallet: openWalletSigner(this.wallet),
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 1_000,
    };
    const { state, effects } = stepThroughIce(this.state, command, env);
    this.state = throughIce(state);
    for (const effect of effects) {
      if (effect.tag === 'note') this.notes.push(effect.note);
      else if (effect.tag === 'disconnect') this.disconnects.push(effect.reason);
    }
    for (const frame of this.state.outbox) this.write(frame.bytes);
    const { epoch, outSeq } = this.state;
    if (this.state.outbox.length > 0) this.step({ tag: 'receipt', epoch, m: outSeq });
  }

  async connect(peer: LdkPeer): Promise<void> {
    const started = startInitiator({ ephemeralSecret: new Uint8Array(randomBytes(32)), remoteStatic: fromHex(peer.id) });
    if (!started.ok) throw new Error(started.error.code);
    const epoch = this.state.epoch + 1;
    const socket = connect(peer.port, peer.host);
    this.socket = socket;
    let bytes = Buffer.alloc(0);
    let opener: ReturnType<typeof newCipher>['opener'] | undefined;
    let n = 0;
    socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      if (opener === undefined) {
        if (bytes.length < 50) return;
        const second = receiveAct2(started.value.state, Uint8Array.from(bytes.subarray(0, 50)), this.secret);
        if (!second.ok) throw new Error(second.error.code);
        const cipher = newCipher(second.value.keys);
        opener = cipher.opener;
        bytes = bytes.subarray(50);
        this.write = (message) => void socket.write(cipher.sealer.seal(message));
        socket.write(second.value.act3);
        this.step({ tag: 'connected', epoch });
        this.write(ourInit(chainHash));
      }
      const opened = opener.push(Uint8Array.from(bytes));
      bytes = Buffer.alloc(0);
      if (!opened.ok) throw new Error(opened.error.code);
      for (const message of opened.value.messages) {
        n += 1;
        this.step({ tag: 'frame', epoch, n, bytes: message });
      }
    });
    socket.on('close', () => this.step({ tag: 'disconnected', epoch }));
    socket.on('error', () => socket.destroy());
    socket.write(started.value.act1);
    await waitFor(() => this.state.link === 'ready', { what: 'init both ways', timeoutMs: PATIENCE_MS });
  }

  cut(): void {
    this.socket?.destroy();
  }

  /** What the runtime tells after it has checked the chain. */
  follow(depth: number): void {
    for (const { outpoint } of watches(this.state))
      this.step({
        tag: 'chain',
        event: { tag: 'funding-confirmed', outpoint, height: this.chain.height() - depth + 1, txIndex: 1, depth },
      });
  }
}

async function start(policy: Partial<OpenPolicy> = {}): Promise<{ chain: Chain; alice: LdkPeer; node: BareNode }> {
  const dir = mkdtempSync(join(tmpdir(), 'beckon-engine-'));
  stops.push(() => rmSync(dir, { recursive: true, force: true }));
  const chain = await startChain();
  stops.push(() => chain.stop());
  const alice = await createLdkPeer({ alias: 'alice', source: chain, dir });
  await alice.start();
  stops.push(() => alice.stop());
  await chain.fund(await alice.address(), 10_000_000n);
  await chain.mine();
  await alice.settled();
  const node = new BareNode(chain, policy);
  await node.connect(alice);
  stops.push(() => node.cut());
  return { chain, alice, node };
}

const active = async (alice: LdkPeer): Promise<boolean> => (await alice.channels()).some((channel) => channel.active);

// Two nodes, a chain and their cryptography in one process: seconds alone, much more on a machine that is busy.
describe('the bare engine and LDK', { timeout: 120_000 }, () => {
  it('open a channel with a push, lose the connection at every point after funding_signed, and go on', async () => {
    const { chain, alice, node } = await start();
    const again = async (): Promise<void> => {
      node.cut();
      await waitFor(() => node.state.link === 'offline', { what: 'the cut', timeoutMs: PATIENCE_MS });
      await waitFor(async () => !(await alice.connectedTo(node.id)), { what: 'Alice to notice', timeoutMs: PATIENCE_MS });
      await node.connect(alice);
      await waitFor(() => node.state.channels.every(({ tag }) => tag !== 'syncing'), {
        what: 'channel_reestablish',
        timeoutMs: PATIENCE_MS,
      });
    };
    const opened = await alice.openChannel(node.id, 200_000n, { pushSat: 20_000n });
    if (!opened.ok) throw new Error(opened.error);
    const [channel] = node.state.channels;
    const commitments = channel && commitmentsOf(channel);
    expect(commitments?.terms).toMatchObject({ kind: 'anchors_zero_fee_htlc_tx', fundingAmountSat: 200_000n, pushMsat: 20_000_000n });
    expect(toHex(reversed(commitments?.fundingOutpoint.txid ?? new Uint8Array(0)))).toBe(opened.value.fundingTxid);
    await again();
    await chain.mine(6);
    await alice.settled();
    await again();
    expect(await active(alice)).toBe(false);
    node.follow(6);
    await waitFor(() => active(alice), { what: 'the channel to be active', timeoutMs: PATIENCE_MS });
    await waitFor(() => node.state.channels[0]?.tag === 'normal', { what: 'normal', timeoutMs: PATIENCE_MS });
    await again();
    await waitFor(() => active(alice), { what: 'the channel to be active again', timeoutMs: PATIENCE_MS });
    expect(node.state.channels[0]?.tag).toBe('normal');
    expect(node.disconnects).toEqual([]);
    expect(node.notes.map(({ kind }) => kind)).not.toContain('fault');

    await alice.forceClose(node.id);
    await waitFor(() => node.state.channels[0]?.tag === 'failed', { what: "the peer's error" });
    expect(node.state.channels[0]).toMatchObject({ code: 'peer-error', doNotBroadcast: false });
    expect(node.notes.at(-1)).toMatchObject({ kind: 'channel-failed', amountSat: 200_000n });
  });

  it('the user is asked, and says no: LDK hears the reason', async () => {
    const { alice, node } = await start({ onOpen: 'ask' });
    const opening = alice.openChannel(node.id, 200_000n);
    await waitFor(() => node.state.channels.length === 1, { what: 'the prompt', timeoutMs: PATIENCE_MS });
    const asked = node.notes.find(({ kind }) => kind === 'open-asked');
    node.step({ tag: 'answer', channelId: asked?.channelId ?? new Uint8Array(0), approve: false });
    const refused = await opening;
    expect(refused).toMatchObject({ ok: false, error: expect.stringContaining('the owner of this node declined the channel') });
    expect(node.state.channels).toEqual([]);
  });
});
