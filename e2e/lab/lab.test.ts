import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';
import { type Chain, startChain } from './chain.ts';
import { waitFor } from './wait.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'beckon-lab-'));
  stops.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function peerOn(chain: Chain, alias: string, dir: string): Promise<LdkPeer> {
  const peer = await createLdkPeer({ alias, source: chain, dir: join(dir, alias) });
  await peer.start();
  stops.push(() => peer.stop());
  return peer;
}

const active = async (peer: LdkPeer, other: LdkPeer): Promise<boolean> =>
  (await peer.channels()).some((channel) => channel.peer === other.id && channel.active);

describe('two LDK peers on the lab chain', () => {
  it('open a channel over loopback, and have it active again after both were restarted from their files', async () => {
    const dir = folder();
    const chain = await startChain();
    stops.push(() => chain.stop());
    const alice = await peerOn(chain, 'alice', dir);
    const bob = await peerOn(chain, 'bob', dir);
    await chain.fund(await alice.address(), 10_000_000n);
    await chain.mine();
    await alice.settled();
    expect(await alice.balanceSat()).toBe(10_000_000n);

    await alice.connect(bob.id, bob.host, bob.port);
    const opened = await alice.openChannel(bob.id, 200_000n, { pushSat: 50_000n });
    if (!opened.ok) throw new Error(opened.error);
    expect(await chain.rpc('getrawmempool', [])).toEqual([opened.value.fundingTxid]);
    expect(await active(alice, bob)).toBe(false);
    await chain.mine();
    await waitFor(async () => (await active(alice, bob)) && (await active(bob, alice)), { what: 'the channel to be active on both ends' });
    const [channel] = await bob.channels();
    expect(channel).toMatchObject({ peer: alice.id, capacitySat: 200_000n, ready: true, public: false, anchors: true });
    expect(channel?.fundingOutpoint?.split(':')[0]).toBe(opened.value.fundingTxid);

    const { port } = bob;
    await alice.stop();
    await bob.stop();
    await chain.mine(2);
    const again = { alice: await peerOn(chain, 'alice', dir), bob: await peerOn(chain, 'bob', dir) };
    expect([again.alice.id, again.bob.id, again.bob.port]).toEqual([alice.id, bob.id, port]);
    expect(await active(again.alice, again.bob)).toBe(false);
    await again.alice.connect(again.bob.id, again.bob.host, again.bob.port);
    await waitFor(async () => (await active(again.alice, again.bob)) && (await active(again.bob, again.alice)), {
      what: 'the channel to be active again',
    });
    expect(await again.alice.balanceSat()).toBeGreaterThan(9_790_000n);
  });

  it('follow a re-org that unconfirms the funding, and sweep their money after a force-close', async () => {
    const dir = folder();
    const chain = await startChain();
    stops.push(() => chain.stop());
    const alice = await peerOn(chain, 'alice', dir);
    const bob = await peerOn(chain, 'bob', dir);
    await chain.fund(await alice.address(), 10_000_000n);
    await chain.fund(await bob.address(), 1_000_000n);
    await chain.mine();
    await alice.settled();
    await alice.connect(bob.id, bob.host, bob.port);
    expect(await alice.openChannel(bob.id, 500_000n, { pushSat: 100_000n })).toMatchObject({ ok: true });
    await chain.mine(3);
    await waitFor(async () => (await active(alice, bob)) && (await active(bob, alice)), { what: 'the channel to be active' });
    await chain.reorg(2);
    await alice.settled();
    await chain.mine(6);
    await alice.settled();
    await bob.settled();
    expect([await active(alice, bob), await active(bob, alice)]).toEqual([true, true]);

    await alice.forceClose(bob.id);
    await alice.settled();
    // The commitment and the child that pays for it from the anchor.
    expect(await chain.rpc('getrawmempool', [])).toHaveLength(2);
    await waitFor(
      async () => {
        await chain.mine();
        await alice.settled();
        await bob.settled();
        return (await alice.balanceSat()) > 9_880_000n && (await bob.balanceSat()) > 1_090_000n;
      },
      { what: 'both to have their money back on chain' },
    );
    expect(await alice.channels()).toEqual([]);
  });

  it('say why a channel is not opened', async () => {
    const dir = folder();
    const chain = await startChain();
    stops.push(() => chain.stop());
    const alice = await peerOn(chain, 'alice', dir);
    const bob = await peerOn(chain, 'bob', dir);
    expect(await alice.openChannel(bob.id, 200_000n)).toMatchObject({ ok: false });
    await alice.connect(bob.id, bob.host, bob.port);
    expect(await alice.openChannel(bob.id, 200_000n)).toEqual({ ok: false, error: 'the wallet has only 0 sat that can be spent now' });
    expect(alice.lastError()).toContain('0 sat');
  });
});
