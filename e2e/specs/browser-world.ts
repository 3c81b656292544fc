/** The whole product for a browser: the app as it is built for users, served by the relay of the embedded world. */
import { mkdtempSync, rmSync } from 'node:fs';
import type https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { en } from '../../app/i18n/en.ts';
import { httpsPost } from '../../relay/wake/post.ts';
import { type Evaluates, press, sees, type } from '../lab/hands.ts';
import { waitFor } from '../lab/wait.ts';
import { startWorld, type World } from '../lab/world.ts';
import type { LdkPeer } from '../peers/ldk.ts';

export type BrowserWorld = World & {
  readonly alice: LdkPeer;
  readonly bob: LdkPeer;
  /** The built app, a copy of this world's own. */
  readonly appFolder: string;
};

/** `agent` leads to the push service of the browser; `pushHost` is its name where the relay does not know it. */
export async function startBrowserWorld({
  agent,
  pushHost = '',
}: {
  readonly agent: https.Agent;
  readonly pushHost?: string;
}): Promise<BrowserWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'beckon-browser-'));
  const appFolder = join(folder, 'app');
  await build({
    configFile: join(import.meta.dirname, '../../vite.config.ts'),
    logLevel: 'error',
    build: { outDir: appFolder, emptyOutDir: true },
  });
  const world = await startWorld({
    dataDir: join(folder, 'world'),
    env: { PORT: '0', BECKON_APP: appFolder, BECKON_CHAIN_POLL_MS: '100', BECKON_PUSH_HOSTS: pushHost },
    deps: { post: httpsPost(agent, 5_000) },
  });
  const [alice, bob] = world.peers;
  if (alice === undefined || bob === undefined) throw new Error('Alice and Bob are not there');
  return {
    ...world,
    alice,
    bob,
    appFolder,
    async stop() {
      await world.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** From the first page to the home page, as a person taps through it. The words are put off. */
export async function firstStart(page: Evaluates): Promise<void> {
  await press(page, en.start.make);
  await press(page, en.words.later);
  await press(page, en.notify.allow);
  await sees(page, '[data-notify="done"]', '', 30_000);
  await press(page, en.do.done);
  await sees(page, 'h2', en.lab.title);
}

/** Types the peer's address and gives it its name. */
export async function connectTo(page: Evaluates, peer: LdkPeer): Promise<void> {
  await press(page, en.home.connect);
  await type(page, en.peers.address, `${peer.id}@${peer.host}:${peer.port}`);
  await press(page, en.peers.connect);
  await sees(page, 'h1', peer.id.slice(0, 6), 20_000);
  await type(page, en.peers.name, peer.alias);
  await press(page, en.do.save);
  await sees(page, 'h1', peer.alias);
}

/** Mines until the peer calls as many channels with this node active; the blocks are the only help it gets. */
export async function mineUntilActive(world: BrowserWorld, peer: LdkPeer, nodeId: string, count: number): Promise<void> {
  let mined = 0;
  await waitFor(
    async () => {
      if ((await activeChannels(peer, nodeId)) >= count) return true;
      if (mined < 6) {
        mined += 1;
        await world.chain.mine(1);
      }
      return undefined;
    },
    { what: `${peer.alias} to have ${count} active channels with us`, timeoutMs: 20_000 },
  );
}

export async function activeChannels(peer: LdkPeer, nodeId: string): Promise<number> {
  return (await peer.channels()).filter((channel) => channel.peer === nodeId && channel.active).length;
}
