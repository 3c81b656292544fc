/** What a peer that we did not write must see. Each answers with one line of what was seen; it throws what was not. */
import { waitFor } from '../lab/wait.ts';
import type { Peer } from '../peers/peer.ts';
import type { ShownNotification } from '../push/chromium.ts';
import { activeCount, CAPACITY_SAT, untilActive } from './channels.ts';
import type { InteropPeer, InteropWorld } from './world.ts';

export type Scenario = {
  readonly name: string;
  readonly together?: true;
  /** Of what only one peer can do. */
  readonly only?: 'LND' | 'LDK';
  readonly run: (world: InteropWorld, peer: InteropPeer) => Promise<string>;
};

const HOLD_MS = Number(process.env.BECKON_HOLD_MS ?? 300_000);
const workerRuns = (world: InteropWorld): boolean => world.phone.browser.workers.active(world.phone.origin)?.runningStatus !== 'stopped';

/** The id of the newest record that a channel with this peer was reestablished; asked through a page that runs nothing of the app. */
async function newestReestablished(world: InteropWorld, peer: Peer): Promise<number> {
  const records = await world.phone.call('activity', { limit: 200, kind: 'channel-reestablished' });
  return records.find((record) => record.peerId === peer.id)?.id ?? 0;
}

async function metric(world: InteropWorld, name: string): Promise<number> {
  const text = await (await fetch(`${world.relay.url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

export const scenarios: readonly Scenario[] = [
  {
    name: '(a) opens to a phone with every page closed',
    async run(world, { peer }) {
      await world.phone.browser.workers.stopAll(world.phone.origin);
      const pushes = world.gcm.posts.length;
      const opened = await peer.openChannel(world.nodeId, CAPACITY_SAT);
      if (!opened.ok) throw new Error(opened.error);
      await untilActive(world, peer, 1);
      return `active, ${world.gcm.posts.length - pushes} pushes, funding ${opened.value.fundingTxid.slice(0, 12)}…`;
    },
  },
  {
    name: '(b) held with no page and no worker',
    together: true,
    async run(world, { peer }) {
      const { workers } = world.phone.browser;
      await workers.waitStopped(world.phone.origin, 60_000);
      const pings = await metric(world, 'beckon_pings_total');
      const until = Date.now() + HOLD_MS;
      await waitFor(
        async () => {
          if (workerRuns(world)) throw new Error('a worker runs');
          if ((await activeCount(world, peer)) < 1) throw new Error(`${peer.alias} lost the channel`);
          return Date.now() >= until;
        },
        { what: `${HOLD_MS} ms of holding`, timeoutMs: HOLD_MS + 5_000 },
      );
      return `${Math.round(HOLD_MS / 1000)} s, still active, ${(await metric(world, 'beckon_pings_total')) - pings} pings answered by the relay`;
    },
  },
  {
    name: '(c) TCP cut: woken, acts anew, reestablished',
    async run(world, { peer, wire }) {
      const told = await newestReestablished(world, peer);
      await world.phone.sleep();
      const active = await activeCount(world, peer);
      const pushes = world.gcm.posts.length;
      // No page and no worker: whatever answers the cut was woken by a push (a push on its way counts, one wake serves all that waits).
      const before = wire.taken();
      const began = Date.now();
      wire.cut();
      await waitFor(() => wire.taken() > before, { what: 'a new connection, made by a woken worker', timeoutMs: 90_000 });
      await waitFor(async () => (await activeCount(world, peer)) >= active, {
        what: 'the channel to be active again',
        timeoutMs: 60_000,
      });
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      await waitFor(async () => (await newestReestablished(world, peer)) > told, { what: 'channel_reestablish in the activity log' });
      return `active again after ${seconds} s, ${world.gcm.posts.length - pushes} pushes, channel_reestablish went both ways`;
    },
  },
  {
    name: '(d) relay killed and started again',
    together: true,
    async run(world, { peer }) {
      await killRelayOnce(world);
      await waitFor(async () => (await activeCount(world, peer)) >= 1, { what: 'the channel to be active again', timeoutMs: 90_000 });
      return 'kill -9, started again on the same data, active again';
    },
  },
  {
    name: '(e) prompt answered from the notification',
    async run(world, { peer }) {
      const active = await activeCount(world, peer);
      await world.phone.call('set-peer-policy', { peerId: peer.id, onOpen: 'ask', zeroConf: false });
      await world.phone.sleep();
      const opening = peer.openChannel(world.nodeId, CAPACITY_SAT);
      const tag = await promptTag(world);
      await world.phone.tap(tag, 'approve');
      const opened = await opening;
      if (!opened.ok) throw new Error(opened.error);
      await untilActive(world, peer, active + 1);
      return 'notification with Approve and Deny; approved there; active';
    },
  },
  {
    name: '(f) denied: the peer shows the reason',
    async run(world, { peer }) {
      await world.phone.call('set-peer-policy', { peerId: peer.id, onOpen: 'ask', zeroConf: false });
      await world.phone.sleep();
      const opening = peer.openChannel(world.nodeId, CAPACITY_SAT);
      await world.phone.tap(await promptTag(world), 'deny');
      const opened = await opening;
      if (opened.ok) throw new Error('the channel was opened all the same');
      const shown = `${opened.error} ${peer.lastError() ?? ''}`;
      if (!/den(y|ied)|declin|refus/i.test(shown)) throw new Error(`no reason in: ${shown}`);
      return opened.error.slice(0, 160);
    },
  },
];

/** The question, told from what later stands under the same tag (the answer, or that it came too late) by its buttons. */
async function promptTag(world: InteropWorld): Promise<string> {
  const asks = (shown: ShownNotification): boolean => shown.actions.map(({ action }) => action).join() === 'approve,deny';
  const prompt = await waitFor(
    async () => (await world.phone.notifications()).find((shown) => shown.tag.startsWith('prompt-') && asks(shown)),
    {
      what: 'the prompt with Approve and Deny',
      timeoutMs: 30_000,
    },
  );
  return prompt.tag;
}

let killed: Promise<void> | undefined;
/** Both peers' runs share the one death of the relay. */
function killRelayOnce(world: InteropWorld): Promise<void> {
  killed ??= (async () => {
    await world.phone.browser.workers.stopAll(world.phone.origin);
    await world.relay.kill();
    for (const { peer } of world.peers)
      await waitFor(async () => (await activeCount(world, peer)) === 0, { what: `${peer.alias} to see the link go`, timeoutMs: 30_000 });
    await world.relay.start();
  })();
  return killed;
}
