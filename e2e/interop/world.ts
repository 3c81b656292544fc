/** btcd, LND, LDK, the relay as a process, a push service, and one phone that sleeps. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import { startWire, type Wire } from '../lab/cuttable.ts';
import { type Phone, setUp, startPhone } from '../lab/phone.ts';
import { type RelayProcess, startRelayProcess } from '../lab/relay-process.ts';
import { waitFor } from '../lab/wait.ts';
import { type Btcd, startBtcd } from '../peers/btcd.ts';
import { peerBinaries } from '../peers/build.ts';
import { createLdkPeer } from '../peers/ldk.ts';
import { createLndPeer } from '../peers/lnd.ts';
import type { Peer } from '../peers/peer.ts';
import { makeCertificates } from '../push/certificates.ts';
import { type Gcm, startGcm } from '../push/gcm.ts';

export type InteropPeer = { readonly peer: Peer; readonly wire: Wire };
export type InteropWorld = {
  /** For files of the run. */
  readonly dir: string;
  readonly btcd: Btcd;
  readonly peers: readonly InteropPeer[];
  readonly relay: RelayProcess;
  readonly gcm: Gcm;
  readonly phone: Phone;
  readonly nodeId: string;
  /** What scenarios started besides; stopped before the rest. */
  readonly atEnd: (() => Promise<void>)[];
  stop(): Promise<void>;
};

const COINS_SAT = 50_000_000n;

export async function startInteropWorld(dir: string, tell: (line: string) => void): Promise<InteropWorld> {
  const binaries = await peerBinaries(tell);
  const btcd = await startBtcd({ bin: binaries.btcd, dir: join(dir, 'btcd') });
  const lnd = await createLndPeer({ alias: 'LND', bin: binaries.lnd, dir: join(dir, 'lnd'), btcd });
  const ldk = await createLdkPeer({ alias: 'LDK', source: btcd, dir: join(dir, 'ldk'), ticks: 'real' });
  await Promise.all([lnd.start(), ldk.start()]);
  for (const peer of [lnd, ldk]) for (let i = 0; i < 3; i += 1) await btcd.fund(await peer.address(), COINS_SAT);
  await btcd.mine(6);
  for (const peer of [lnd, ldk])
    await waitFor(async () => (await peer.balanceSat()) >= 3n * COINS_SAT, { what: `${peer.alias} to see its coins`, timeoutMs: 30_000 });

  const certificates = makeCertificates();
  const gcm = await startGcm(certificates);
  const relay = await startRelayProcess({
    dataDir: join(dir, 'relay'),
    chain: { url: `https://${btcd.rpcUser}:${btcd.rpcPassword}@${btcd.rpcHost}`, caFile: btcd.certFile },
    push: { port: gcm.pushPort, ca: certificates.ca },
    environment: { BECKON_GOSSIP: [lnd, ldk].map(({ id, host, port }) => `${id}@${host}:${port}`).join(' ') },
  });
  const phone = await startPhone(relay.url, { flags: gcm.flags });
  const nodeId = await setUp(phone, {
    entropy: randomBytes(16).toString('hex'),
    walletKey: Buffer.from(walletKeyFromSeed(new Uint8Array(randomBytes(64)), 1)).toString('hex'),
    network: 'regtest',
  });
  const peers: InteropPeer[] = [];
  for (const peer of [lnd, ldk]) {
    const wire = await startWire(peer);
    await phone.call('connect-peer', { address: `${peer.id}@127.0.0.1:${wire.port}` });
    await phone.call('rename-peer', { peerId: peer.id, alias: peer.alias });
    peers.push({ peer, wire });
  }
  tell(`node ${nodeId} is connected to LND and LDK; every page is closed now`);
  await phone.sleep();
  const atEnd: (() => Promise<void>)[] = [];
  return {
    dir,
    atEnd,
    btcd,
    peers,
    relay,
    gcm,
    phone,
    nodeId,
    async stop() {
      for (const end of atEnd) await end();
      await phone.stop();
      await relay.stop();
      await gcm.stop();
      for (const { wire } of peers) await wire.stop();
      await Promise.all([lnd.stop(), ldk.stop()]);
      await btcd.stop();
    },
  };
}
