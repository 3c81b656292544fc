/** Block headers by height, kept for the next who asks: a new app asks for thousands. What is handed out is linked. */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { Header } from './block.ts';
import type { BitcoinNode } from './node.ts';
import type { RpcFault } from './rpc.ts';

/** About 10 MB. */
const maxKept = 20_000;

export type HeaderShelf = {
  /** Linked headers `from` … `to`, both included; the caller knows that the tip is not below `to`. */
  readonly range: (from: number, to: number) => Promise<Result<readonly Header[], RpcFault>>;
  readonly put: (height: number, header: Header) => void;
  readonly clear: () => void;
};

export function createHeaderShelf(node: BitcoinNode): HeaderShelf {
  const kept = new Map<number, Header>();

  const put = (height: number, header: Header): void => {
    kept.delete(height);
    kept.set(height, header);
    for (const oldest of kept.keys()) {
      if (kept.size <= maxKept) break;
      kept.delete(oldest);
    }
  };

  const collect = async (from: number, to: number): Promise<Result<readonly Header[], RpcFault>> => {
    const heights = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const missing = heights.filter((height) => !kept.has(height));
    const fetched = missing.length === 0 ? ok([]) : await node.headersAt(missing);
    if (!fetched.ok) return fetched;
    const fresh = new Map(missing.map((height, i) => [height, fetched.value[i]]));
    const headers = heights.flatMap((height) => fresh.get(height) ?? kept.get(height) ?? []);
    // A round of the follower may have made room in between.
    return headers.length === heights.length ? ok(headers) : node.headersAt(heights);
  };

  const linked = (headers: readonly Header[]): boolean => headers.every((header, i) => i === 0 || header.prev === headers[i - 1]?.hash);

  return {
    put,
    clear: () => kept.clear(),
    range: async (from, to) => {
      for (let attempt = 0; attempt < 2; attempt++) {
        const headers = await collect(from, to);
        if (!headers.ok) return headers;
        if (linked(headers.value)) {
          headers.value.forEach((header, i) => {
            put(from + i, header);
          });
          return headers;
        }
        // A re-org that the follower has not seen yet: what is kept may be of the old branch.
        kept.clear();
      }
      return err({ tag: 'unreachable', message: 'the chain moved while it was read' });
    },
  };
}
