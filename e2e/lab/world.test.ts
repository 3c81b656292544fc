import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, describe, expect, it } from 'vitest';
import type { LabInfo } from './control.ts';
import { waitFor } from './wait.ts';
import { startWorld, type World } from './world.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(dataDir: string): Promise<World> {
  const world = await startWorld({ dataDir, env: { PORT: '0', BECKON_APP: join(dataDir, 'no-app') }, ticks: 'manual' });
  stops.push(world.stop);
  return world;
}
const info = async (world: World): Promise<LabInfo> => (await fetch(`${world.url}/lab/info`)).json() as Promise<LabInfo>;
const post = (world: World, path: string, body: unknown): Promise<Response> =>
  fetch(`${world.url}/lab/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

describe('the embedded world', () => {
  it('lets a page ask Alice for a channel, mine it, and is the same world at the next start', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'beckon-world-'));
    stops.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const world = await start(dataDir);
    const [alice, bob, carol] = world.peers;
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error('three peers');
    const before = await info(world);
    expect(before).toMatchObject({ network: 'regtest', height: world.chain.height(), opens: [] });
    expect(before.peers.map(({ alias, channels }) => [alias, channels.map(({ capacitySat, active }) => [capacitySat, active])])).toEqual([
      ['Alice', [[10_000_000, true]]],
      ['Bob', expect.arrayContaining([[10_000_000, true]])],
      ['Carol', [[10_000_000, true]]],
    ]);
    expect(before.peers[2]?.balanceSat).toBe(250_000_000);

    const wanted = { peer: 'alice', nodeId: carol.id, amountSat: 200_000 };
    const early = await post(world, 'open', wanted);
    expect([early.status, await early.json()]).toEqual([
      409,
      { error: { code: 'not-connected', message: expect.stringContaining('Alice') } },
    ]);
    await carol.connect(alice.id, alice.host, alice.port);
    const asked = await post(world, 'open', { ...wanted, amountSat: '200000', mine: 1 });
    expect([asked.status, await asked.json()]).toEqual([202, { open: 1 }]);
    await waitFor(async () => (await info(world)).peers[0]?.channels.find(({ peer }) => peer === carol.id)?.active, {
      what: 'the channel to be active',
    });
    const { opens, height } = await info(world);
    expect(opens).toEqual([
      { id: 1, peer: 'Alice', nodeId: carol.id, amountSat: 200_000, state: 'funded', fundingTxid: expect.any(String) },
    ]);
    expect(height).toBe(before.height + 1);
    expect(await (await post(world, 'mine', { blocks: 2 })).json()).toEqual({ height: height + 2 });

    const owned = await bob.balanceSat();
    const sent = await post(world, 'send', { address: await bob.address(), amountSat: '50000', mine: 1 });
    expect([sent.status, await sent.json()]).toEqual([200, { txid: expect.stringMatching(/^[0-9a-f]{64}$/), height: height + 3 }]);
    await waitFor(async () => (await bob.balanceSat()) === owned + 50_000n, { what: 'the coins' });

    await world.stop();
    const again = await start(dataDir);
    const after = await info(again);
    expect(after.height).toBe(height + 3);
    expect(after.peers.map(({ id, host, port }) => ({ id, host, port }))).toEqual(
      before.peers.map(({ id, host, port }) => ({ id, host, port })),
    );
    expect(after.peers[0]?.channels.find(({ peer }) => peer === carol.id)).toMatchObject({ capacitySat: 200_000, ready: true });
    // Nothing is opened twice.
    expect(after.peers.map(({ channels }) => channels.length)).toEqual([2, 2, 2]);
  });

  it('has one peer pay another along the line', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'beckon-world-'));
    stops.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const world = await start(dataDir);
    const { text } = v.parse(
      v.object({ text: v.string() }),
      await (await post(world, 'invoice', { peer: 'Carol', amountSat: 2_500 })).json(),
    );
    // What the peers know of each other's channels spreads by itself.
    const paid = await waitFor(
      async () => {
        const asked = await post(world, 'pay', { peer: 'Alice', text });
        expect(asked.status).toBe(202);
        const { payment } = v.parse(v.object({ payment: v.number() }), await asked.json());
        const ended = await waitFor(async () => (await info(world)).payments.find(({ id, state }) => id === payment && state !== 'asked'), {
          what: 'the payment to end',
        });
        return ended.state === 'paid' ? ended : undefined;
      },
      { what: 'Alice to pay Carol through Bob', timeoutMs: 20_000 },
    );
    expect(paid).toMatchObject({ peer: 'Alice', preimage: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const wrong = [await post(world, 'pay', { peer: 'Alice', text: 'x'.repeat(4_001) }), await post(world, 'invoice', { amountSat: 1 })];
    expect(wrong.map(({ status }) => status)).toEqual([400, 400]);
    expect((await post(world, 'pay', { peer: 'Mallory', text })).status).toBe(404);
  });

  it('is one at a time, tells what is wrong with a request, and takes none from a form of another page', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'beckon-world-'));
    stops.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const world = await start(dataDir);
    await expect(start(dataDir)).rejects.toThrow('is running on');
    const { height } = await info(world);
    const wrong = [
      await post(world, 'mine', { blocks: 0 }),
      await post(world, 'mine', { blocks: 501 }),
      await post(world, 'open', { peer: 'Alice', nodeId: 'nobody', amountSat: 200_000 }),
      await post(world, 'open', { peer: 'Alice', nodeId: world.peers[1]?.id, amountSat: '2e5' }),
      await post(world, 'send', { address: 'bcrt1qnobody', amountSat: 50_000 }),
      await post(world, 'send', { address: world.peers[1] && (await world.peers[1].address()), amountSat: 545 }),
      await post(world, 'nothing', {}),
      await fetch(`${world.url}/lab/mine`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }),
      await fetch(`${world.url}/lab/mine`, { method: 'POST', body: new URLSearchParams({ blocks: '1' }) }),
      await fetch(`${world.url}/lab/mine`, { method: 'POST', body: '{"blocks":1}' }),
    ];
    for (const response of wrong) {
      expect([response.status, await response.json()]).toEqual([400, { error: { code: 'bad-request', message: expect.any(String) } }]);
    }
    const stranger = await post(world, 'open', { peer: 'Mallory', nodeId: `02${'11'.repeat(32)}`, amountSat: 200_000 });
    expect(stranger.status).toBe(404);
    expect((await info(world)).height).toBe(height);
  });
});
