/**
 * Follows the node's best chain block by block and tells of each block that joins or leaves it, in order. What it has told is
 * kept (`trail`), so that a restart goes on where it stopped and a re-org is told in full.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { Store } from '../ports.ts';
import type { Block, Header } from './block.ts';
import type { BitcoinNode, NodeTip } from './node.ts';
import type { RpcFault } from './rpc.ts';

export type FollowerEvents = {
  /** Are transactions of new blocks of interest? If not, only headers are fetched. */
  readonly wantsBlocks: () => boolean;
  readonly joined: (height: number, header: Header, block: Block | undefined) => void;
  readonly left: (height: number, hash: string) => void;
  /** It begins at this height: at the first start, or because too many blocks were missed to read them all. */
  readonly beginsAt: (height: number) => void;
};
export type Follower = {
  /** Goes to the node's tip. Not to be called again before it has settled. */
  readonly advance: () => Promise<Result<NodeTip, RpcFault>>;
  /** The hash at a height of the trail, if it reaches there. */
  readonly hashAt: (height: number) => string | undefined;
};

const step = v.object({ height: v.number(), hash: v.string() });
type Step = v.InferOutput<typeof step>;

/** A re-org deeper than this is not told block by block. */
const trailLength = 288;
/** After a longer absence (two weeks) watches look up what they missed instead (backfill.ts). */
const maxCatchUp = 2016;

export function createFollower({ db }: Store, node: BitcoinNode, events: FollowerEvents): Follower {
  const save = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('chain-trail', CAST(? AS BLOB))");
  const saved = db.prepare("SELECT CAST(value AS TEXT) AS json FROM meta WHERE key = 'chain-trail'").get();
  let trail: Step[] = saved === undefined ? [] : v.parse(v.array(step), JSON.parse(String(saved.json)));

  const remember = (): void => {
    trail = trail.slice(-trailLength);
    save.run(JSON.stringify(trail));
  };

  /** Drops what is no longer in the node's chain. */
  const retreat = async (tip: NodeTip): Promise<Result<undefined, RpcFault>> => {
    for (let last = trail.at(-1); last !== undefined; last = trail.at(-1)) {
      if (last.height <= tip.height) {
        const there = await node.hashAt(last.height);
        if (!there.ok) return there;
        if (there.value === last.hash) break;
      }
      trail.pop();
      events.left(last.height, last.hash);
    }
    return ok(undefined);
  };

  const join = async (height: number): Promise<Result<'joined' | 'moved', RpcFault>> => {
    const hash = await node.hashAt(height);
    if (!hash.ok) return hash;
    let block: Block | undefined;
    let header: Header;
    if (events.wantsBlocks()) {
      const fetched = await node.block(hash.value);
      if (!fetched.ok) return fetched;
      block = fetched.value;
      header = block.header;
    } else {
      const fetched = await node.header(hash.value);
      if (!fetched.ok) return fetched;
      header = fetched.value;
    }
    const last = trail.at(-1);
    if (last !== undefined && header.prev !== last.hash) return ok('moved');
    trail.push({ height, hash: header.hash });
    events.joined(height, header, block);
    return ok('joined');
  };

  const advance = async (): Promise<Result<NodeTip, RpcFault>> => {
    const tip = await node.tip();
    if (!tip.ok) return tip;
    const before = trail.at(-1);
    if (before?.hash === tip.value.hash) return tip;
    try {
      const retreated = await retreat(tip.value);
      if (!retreated.ok) return retreated;
      const from = trail.at(-1)?.height;
      if (from === undefined || tip.value.height - from > maxCatchUp) {
        trail = [];
        // Nothing to go on from: the tip is the beginning, and what watches missed is for them to look up.
        events.beginsAt(tip.value.height);
        const first = await join(tip.value.height);
        return first.ok ? tip : first;
      }
      for (let height = from + 1; height <= tip.value.height; height++) {
        const joined = await join(height);
        if (!joined.ok) return joined;
        if (joined.value === 'moved') return err({ tag: 'unreachable', message: 'the chain moved while it was read' });
      }
      return tip;
    } finally {
      remember();
    }
  };

  return { advance, hashAt: (height) => trail[height - (trail[0]?.height ?? 0)]?.hash };
}
