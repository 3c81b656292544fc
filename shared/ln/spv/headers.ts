/**
 * A chain of block headers, checked as far as headers alone allow: links, proof of work, exact difficulty, times, most work.
 *
 * Callers must still: compare with a second source (a relay that shows an old or a minority chain passes all of this), raise an
 * alarm when the tip's time is far in the past, and treat signet as unproven (see networks.ts).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, reversed, toHex } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { ChainRules, ChainTip } from './networks.ts';

export type { ChainTip } from './networks.ts';

export const HEADER_BYTES = 80;
const PERIOD = 2016;
const PERIOD_SECONDS = 14 * 24 * 60 * 60;
const GAP_SECONDS = 20 * 60;
const MAX_AHEAD_SECONDS = 2 * 60 * 60;
/** How many headers below the tip can be replaced by a stronger branch. */
export const MAX_REORG = 288;

/** Hashes in wire order, times in Unix seconds. */
export type Header = {
  readonly height: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly prevHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  readonly time: number;
  readonly bits: number;
};

export type HeaderFault = 'does-not-link' | 'bad-bits' | 'bad-work' | 'time-too-old' | 'time-too-new';
export type HeaderError =
  | { readonly code: HeaderFault; readonly height: number }
  /** Not a whole number of headers. */
  | { readonly code: 'bad-length' }
  /** Starts above our tip + 1. */
  | { readonly code: 'gap'; readonly height: number }
  /** Starts at or below the lowest block that we may replace. */
  | { readonly code: 'too-deep'; readonly height: number };

/** `undefined` for a negative, zero or oversized compact target. */
export function targetOf(bits: number): bigint | undefined {
  const exponent = bits >>> 24;
  const mantissa = BigInt(bits & 0x7fffff);
  if ((bits & 0x800000) !== 0 || mantissa === 0n) return undefined;
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
  return target === 0n || target >> 256n !== 0n ? undefined : target;
}

/** Compact form, rounded down as consensus does. */
export function bitsOf(target: bigint): number {
  let size = Math.ceil(target.toString(16).length / 2);
  let mantissa = Number(size <= 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)));
  // The mantissa's top bit is a sign.
  if (mantissa & 0x800000) {
    mantissa >>= 8;
    size += 1;
  }
  return size * 0x1000000 + mantissa;
}

/** The difficulty of the next period from the last block of this one. Times in seconds. */
export function retarget(bits: number, firstTime: number, lastTime: number, limitBits: number): number {
  const [target, limit] = [targetOf(bits), targetOf(limitBits)];
  if (target === undefined || limit === undefined) throw new RangeError('retarget: expected valid bits');
  const span = Math.min(Math.max(lastTime - firstTime, PERIOD_SECONDS / 4), PERIOD_SECONDS * 4);
  const next = (target * BigInt(span)) / BigInt(PERIOD_SECONDS);
  return bitsOf(next < limit ? next : limit);
}

export function parseHeader(bytes: Uint8Array, height: number): Header {
  if (bytes.length !== HEADER_BYTES) throw new RangeError('parseHeader: expected 80 bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    height,
    bytes: bytes.slice(),
    hash: sha256(sha256(bytes)),
    prevHash: bytes.slice(4, 36),
    merkleRoot: bytes.slice(36, 68),
    time: view.getUint32(68, true),
    bits: view.getUint32(72, true),
  };
}

function expectedBits(rules: ChainRules, tip: ChainTip, time: number): number {
  if (!rules.retargets) return tip.bits;
  if ((tip.height + 1) % PERIOD === 0) return retarget(tip.bits, tip.periodFirstTime, tip.time, rules.limitBits);
  if (!rules.minDifficultyAfterGap) return tip.bits;
  return time > tip.time + GAP_SECONDS ? rules.limitBits : tip.realBits;
}

/** Whether the median of the last 11 times is known: not within ten blocks of a checkpoint, where the rule is left out. */
function medianTimePast(tip: ChainTip): number | undefined {
  if (tip.times.length < Math.min(11, tip.height + 1)) return undefined;
  return tip.times.toSorted((a, b) => a - b)[tip.times.length >> 1];
}

function child(rules: ChainRules, tip: ChainTip, header: Header, now: number): HeaderFault | ChainTip {
  if (!equal(header.prevHash, tip.hash)) return 'does-not-link';
  if (header.bits !== expectedBits(rules, tip, header.time)) return 'bad-bits';
  const target = targetOf(header.bits);
  if (target === undefined || BigInt(`0x${toHex(reversed(header.hash))}`) > target) return 'bad-work';
  const median = medianTimePast(tip);
  if (median !== undefined && header.time <= median) return 'time-too-old';
  if (header.time > now + MAX_AHEAD_SECONDS) return 'time-too-new';
  const opensPeriod = header.height % PERIOD === 0;
  return {
    height: header.height,
    hash: header.hash,
    work: tip.work + (1n << 256n) / (target + 1n),
    time: header.time,
    bits: header.bits,
    realBits: opensPeriod || header.bits !== rules.limitBits ? header.bits : tip.realBits,
    periodFirstTime: opensPeriod ? header.time : tip.periodFirstTime,
    times: [...tip.times, header.time].slice(-11),
  };
}

export type Extended = { readonly tip: ChainTip; readonly headers: readonly Header[] };

/** Checks concatenated 80-byte headers as the children of `tip`, in order; all or nothing. `nowMs`: our clock, Unix ms. */
export function extend(rules: ChainRules, tip: ChainTip, bytes: Uint8Array, nowMs: number): Result<Extended, HeaderError> {
  if (bytes.length % HEADER_BYTES !== 0) return err({ code: 'bad-length' });
  const headers: Header[] = [];
  let last = tip;
  for (let at = 0; at < bytes.length; at += HEADER_BYTES) {
    const header = parseHeader(bytes.subarray(at, at + HEADER_BYTES), last.height + 1);
    const next = child(rules, last, header, nowMs / 1000);
    if (typeof next === 'string') return err({ code: next, height: header.height });
    headers.push(header);
    last = next;
  }
  return ok({ tip: last, headers });
}

/**
 * One plain value to store: the best chain's end. `recent` is the concatenated headers from `base.height + 1` up to `tip`;
 * what lies below `base` is final for us.
 */
export type HeaderChain = { readonly base: ChainTip; readonly recent: Uint8Array; readonly tip: ChainTip };

export const startChain = (rules: ChainRules): HeaderChain => ({ base: rules.start, recent: new Uint8Array(0), tip: rules.start });

export type HeaderUpdate = {
  readonly chain: HeaderChain;
  /** Newly on the best chain, ascending from `forkHeight + 1`. Empty when nothing changed: known headers, or a weaker branch. */
  readonly headers: readonly Header[];
  /** The last block that old and new chain share. Stored headers above it are no longer in the chain when `headers` is not empty. */
  readonly forkHeight: number;
};

/**
 * Judges an answer of a header source: concatenated headers, the first at height `from`. They may overlap what we have, and may
 * leave it for another branch; the branch with more work wins, at equal work the one that we saw first. On `does-not-link` at
 * `from` itself the fork lies lower: ask again from `earlier(chain, from)`.
 */
export function checkHeaders(
  rules: ChainRules,
  chain: HeaderChain,
  from: number,
  bytes: Uint8Array,
  nowMs: number,
): Result<HeaderUpdate, HeaderError> {
  if (bytes.length % HEADER_BYTES !== 0) return err({ code: 'bad-length' });
  if (from <= chain.base.height) return err({ code: 'too-deep', height: from });
  if (from > chain.tip.height + 1) return err({ code: 'gap', height: from });

  const offset = (from - chain.base.height - 1) * HEADER_BYTES;
  let shared = 0;
  while (shared < bytes.length && equalAt(chain.recent, offset + shared, bytes, shared)) shared += HEADER_BYTES;
  const kept = chain.recent.subarray(0, offset + shared);
  const forkHeight = chain.base.height + kept.length / HEADER_BYTES;
  const unchanged: HeaderUpdate = { chain, headers: [], forkHeight };
  if (shared === bytes.length) return ok(unchanged);

  const fork = forkHeight === chain.tip.height ? ok({ tip: chain.tip, headers: [] }) : extend(rules, chain.base, kept, nowMs);
  if (!fork.ok) return fork;
  const branch = extend(rules, fork.value.tip, bytes.subarray(shared), nowMs);
  if (!branch.ok) return branch;
  if (branch.value.tip.work <= chain.tip.work) return ok(unchanged);

  const recent = concat(kept, bytes.subarray(shared));
  const final = Math.max(0, recent.length - MAX_REORG * HEADER_BYTES);
  const base = extend(rules, chain.base, recent.subarray(0, final), nowMs);
  if (!base.ok) return base;
  return ok({
    chain: { base: base.value.tip, recent: recent.slice(final), tip: branch.value.tip },
    headers: branch.value.headers,
    forkHeight,
  });
}

/** Where to ask next when `from` did not link: twice as far below the tip, at most to the lowest block that we may replace. */
export const earlier = (chain: HeaderChain, from: number): number =>
  Math.max(chain.base.height + 1, chain.tip.height + 1 - 2 * Math.max(1, chain.tip.height + 1 - from));

function equalAt(a: Uint8Array, atA: number, b: Uint8Array, atB: number): boolean {
  if (atA + HEADER_BYTES > a.length) return false;
  return equal(a.subarray(atA, atA + HEADER_BYTES), b.subarray(atB, atB + HEADER_BYTES));
}
