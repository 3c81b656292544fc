/** A public channel with the sleeping phone: what the rest of the network hears of it. */
import { announceDepth } from '../../shared/ln/channel/limits.ts';
import { waitFor } from '../lab/wait.ts';
import { activeCount, CAPACITY_SAT, PUSH_SAT, untilActive } from './channels.ts';
import { farLnd } from './far.ts';
import type { Scenario } from './scenarios.ts';

export const announceScenarios: readonly Scenario[] = [
  {
    name: '(w) a public channel is announced',
    async run(world, { peer }) {
      const far = await farLnd(world);
      await world.phone.call('set-peer-policy', { peerId: peer.id, onOpen: 'sign', zeroConf: false });
      const known = await publicChannels();
      const active = await activeCount(world, peer);
      const opened = await peer.openChannel(world.nodeId, CAPACITY_SAT, { public: true, pushSat: PUSH_SAT });
      if (!opened.ok) throw new Error(opened.error);
      await untilActive(world, peer, active + 1);
      const [scid] = (await publicChannels()).filter((one) => !known.includes(one));
      if (scid === undefined) throw new Error('the phone has no new public channel');
      // Every page is closed, and nothing but the height asks for the phone.
      await world.phone.sleep();
      const pushes = world.gcm.posts.length;
      await world.btcd.mine(announceDepth);
      // LND has our policy at once, and was not seen to pass it on in minutes; LDK cannot be asked, and passes on what it hears.
      const witness = peer.edge ? peer : far;
      const edge = await waitFor(
        async () => {
          const [heard, seen] = [await far.edge(numberOf(scid)), await witness.edge?.(numberOf(scid))];
          return heard && seen?.policies.length === 2 ? seen : undefined;
        },
        { what: `${far.alias} to know ${scid}, and ${witness.alias} both policies`, timeoutMs: 60_000, stepMs: 500 },
      );
      const ours = edge.policies.find(({ nodeId }) => nodeId === world.nodeId);
      const theirs = edge.policies.find(({ nodeId }) => nodeId === peer.id);
      if (ours?.disabled !== true || theirs?.disabled !== false) throw new Error(`not so: ${JSON.stringify(edge.policies)}`);
      const woken = world.gcm.posts.length - pushes;
      return `${scid} in the graph of ${far.alias}; for ${witness.alias} our direction is disabled, theirs open; ${woken} pushes to the sleeping phone`;

      async function publicChannels(): Promise<readonly string[]> {
        const all = await world.phone.channels();
        return all.flatMap(({ peerId, isPublic, shortChannelId }) =>
          peerId === peer.id && isPublic && shortChannelId !== undefined ? [shortChannelId] : [],
        );
      }
    },
  },
];

/** `block x transaction x output` as one number. */
function numberOf(shortChannelId: string): bigint {
  const [block = 0n, transaction = 0n, output = 0n] = shortChannelId.split('x').map(BigInt);
  return (block << 40n) | (transaction << 16n) | output;
}
