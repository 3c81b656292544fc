/** The peers of the embedded world in a line, by public channels with money on both sides: what one cannot pay directly goes through the next. */
import { announceDepth } from '../../shared/ln/channel/limits.ts';
import type { Peer } from '../peers/peer.ts';
import type { Chain } from './chain.ts';
import { waitFor } from './wait.ts';

const CAPACITY_SAT = 10_000_000n;
const PUSH_SAT = 5_000_000n;

/** Connects each to the next, and opens what is not there yet. Takes a few blocks of the chain the first time. */
export async function linePeers(chain: Chain, peers: readonly Peer[], settled: () => Promise<void>): Promise<void> {
  let opened = false;
  for (const [left, right] of pairs(peers)) {
    if (!(await left.connectedTo(right.id))) await left.connect(right.id, right.host, right.port);
    if ((await left.channels()).some(({ peer }) => peer === right.id)) continue;
    const outcome = await left.openChannel(right.id, CAPACITY_SAT, { public: true, pushSat: PUSH_SAT });
    if (!outcome.ok) throw new Error(`${left.alias} has no channel to ${right.alias}: ${outcome.error}`);
    opened = true;
  }
  if (opened) await chain.mine(announceDepth);
  await settled();
  for (const [left, right] of pairs(peers)) {
    const active = async (): Promise<boolean> => (await left.channels()).some(({ peer, active }) => active && peer === right.id);
    await waitFor(active, { what: `the channel of ${left.alias} and ${right.alias}`, timeoutMs: 30_000 });
  }
}

const pairs = (peers: readonly Peer[]): readonly (readonly [Peer, Peer])[] =>
  peers.flatMap((left, i) => {
    const right = peers[i + 1];
    return right === undefined ? [] : [[left, right] as const];
  });
