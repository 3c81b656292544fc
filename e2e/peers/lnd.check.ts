/**
 * LND and LDK open a channel to each other on btcd, and have it active again after LND was killed: the adapters' own check.
 * Run by hand: `node e2e/peers/lnd.check.ts`. Not part of `npm test`: LND has to be built first.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../lab/wait.ts';
import { startBtcd } from './btcd.ts';
import { peerBinaries } from './build.ts';
import { createLdkPeer } from './ldk.ts';
import { createLndPeer } from './lnd.ts';
import type { Peer } from './peer.ts';

const bins = await peerBinaries(console.log);
const dir = mkdtempSync(join(tmpdir(), 'beckon-lnd-'));
const began = Date.now();
const step = (what: string): void => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);

const btcd = await startBtcd({ bin: bins.btcd, dir: join(dir, 'btcd') });
step(`btcd is up, ${(await btcd.tip()).height} blocks`);
const lnd = await createLndPeer({ alias: 'lnd', bin: bins.lnd, dir: join(dir, 'lnd'), btcd });
const ldk = await createLdkPeer({ alias: 'ldk', source: btcd, dir: join(dir, 'ldk') });
const activeOnBoth = (count: number): Promise<boolean> =>
  waitFor(
    async () => {
      const seen = async (peer: Peer): Promise<boolean> => (await peer.channels()).filter((channel) => channel.active).length === count;
      return (await seen(lnd)) && (await seen(ldk));
    },
    { what: `${count} channels to be active on both sides`, timeoutMs: 30_000 },
  );

try {
  await lnd.start();
  step('LND is synced');
  await ldk.start();
  step('LDK is up');
  await btcd.fund(await lnd.address(), 50_000_000n);
  await btcd.fund(await ldk.address(), 50_000_000n);
  await btcd.mine(6);
  await ldk.settled();
  await waitFor(async () => (await lnd.balanceSat()) > 0n, { what: 'LND to see its coins' });

  await lnd.connect(ldk.id, ldk.host, ldk.port);
  const first = await lnd.openChannel(ldk.id, 300_000n);
  assert.ok(first.ok, JSON.stringify(first));
  await btcd.mine(3);
  await activeOnBoth(1);
  step('a channel that LND opened is active');

  const second = await ldk.openChannel(lnd.id, 400_000n);
  assert.ok(second.ok, JSON.stringify(second));
  await btcd.mine(6);
  await activeOnBoth(2);
  step('a channel that LDK opened is active');
  const channels = await lnd.channels();
  assert.ok(channels.every((channel) => channel.anchors && channel.peer === ldk.id && !channel.public));
  assert.deepEqual(
    new Set(channels.map((channel) => channel.channelId)),
    new Set((await ldk.channels()).map((channel) => channel.channelId)),
  );

  const refused = await lnd.openChannel(ldk.id, 1_000n);
  assert.ok(!refused.ok);
  step(`a channel too small is refused: ${refused.error}`);

  await lnd.kill();
  await waitFor(async () => !(await ldk.connectedTo(lnd.id)), { what: 'LDK to notice' });
  await lnd.start();
  if (!(await lnd.connectedTo(ldk.id))) await ldk.connect(lnd.id, lnd.host, lnd.port);
  await activeOnBoth(2);
  step('both are active again after LND was killed');
} catch (error) {
  console.error(lnd.tail());
  throw error;
} finally {
  await ldk.stop();
  await lnd.stop();
  await btcd.stop();
  rmSync(dir, { recursive: true, force: true });
}
