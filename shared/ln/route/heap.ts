/** The labels of a search and a binary heap of its nodes by cost, on arrays that are used again: a search allocates nothing by node. */

export type Scratch = {
  /** Infinite for a node that nothing was found for, less than any number for one whose label is final. */
  readonly cost: Float64Array;
  /** What must arrive at the node, so many blocks before the payee's expiry, over so many hops; and the edge that it then takes. */
  readonly amountMsat: Float64Array;
  readonly blocks: Float64Array;
  readonly hops: Uint8Array;
  readonly edge: Int32Array;
  readonly heap: Int32Array;
  /** The costs of the nodes in `heap`. */
  readonly keys: Float64Array;
  /** Where in the heap a node is that has a cost. */
  readonly place: Int32Array;
  length: number;
};

let kept: Scratch | undefined;

/** One search at a time, which is all that synchronous code can do; nothing of an earlier search is read. */
export function scratchFor(size: number): Scratch {
  if (kept === undefined || kept.cost.length < size) {
    kept = {
      cost: new Float64Array(size),
      amountMsat: new Float64Array(size),
      blocks: new Float64Array(size),
      hops: new Uint8Array(size),
      edge: new Int32Array(size),
      heap: new Int32Array(size),
      keys: new Float64Array(size),
      place: new Int32Array(size),
      length: 0,
    };
  }
  kept.cost.fill(Number.POSITIVE_INFINITY);
  kept.length = 0;
  return kept;
}

/** A node with a new cost, or with one that has fallen. */
export function raise(scratch: Scratch, node: number, cost: number, isNew: boolean): void {
  const { heap, keys, place } = scratch;
  let at = isNew ? scratch.length : (place[node] ?? 0);
  if (isNew) scratch.length += 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const key = keys[parent] ?? 0;
    if (key <= cost) break;
    const above = heap[parent] ?? 0;
    heap[at] = above;
    keys[at] = key;
    place[above] = at;
    at = parent;
  }
  heap[at] = node;
  keys[at] = cost;
  place[node] = at;
}

/** The node of the least cost; the heap must not be empty. */
export function take(scratch: Scratch): number {
  const { heap, keys, place } = scratch;
  const top = heap[0] ?? 0;
  scratch.length -= 1;
  const length = scratch.length;
  const last = heap[length] ?? 0;
  const own = keys[length] ?? 0;
  let at = 0;
  for (let child = 1; child < length; child = 2 * at + 1) {
    const right = child + 1;
    if (right < length && (keys[right] ?? 0) < (keys[child] ?? 0)) child = right;
    const key = keys[child] ?? 0;
    if (key >= own) break;
    const below = heap[child] ?? 0;
    heap[at] = below;
    keys[at] = key;
    place[below] = at;
    at = child;
  }
  heap[at] = last;
  keys[at] = own;
  place[last] = at;
  return top;
}
