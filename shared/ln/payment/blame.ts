/**
 * Who failed a part, what that teaches, and whether it is worth another try. BOLT 4 § Receiving Failure Codes.
 *
 * A failure is as true as its author, who may say anything of the channels around it: whatever it says shuts at most what it could have
 * shut by itself. Codes that only the payee can mean shut the node that said them.
 */
import { flags } from '../onion/codes.ts';
import { type AnyFailure, codeOf, failureOfMalformed } from '../onion/failure.ts';
import { readFailure } from '../onion/failure-packet.ts';
import { type EdgeName, edgeUnder } from '../route/liquidity.ts';
import type { Lesson, PartEnd } from './command.ts';
import { hintedPolicy } from './hint.ts';
import type { Part, PartFailure, PaymentFailure } from './payment.ts';

export type Verdict = {
  readonly failure: PartFailure;
  readonly lessons: readonly Lesson[];
  /** The payee's word: there is no use in another part. */
  readonly stop?: PaymentFailure;
  /** The payee gave the part back because others did not come. */
  readonly gather?: true;
  /** The payee may be able to in a while. */
  readonly wait?: true;
};

/** The inner channels of a route that nobody answered for: without our own and, where there is a choice, without the payee's. */
export function suspects({ htlcs }: Part): readonly EdgeName[] {
  const edges = htlcs.flatMap((_, i) => edgeUnder(htlcs, i) ?? []);
  return edges.length > 1 ? edges.slice(0, -1) : edges;
}

/** What went through on the way to that hop. */
export const carried = (tag: 'passed' | 'settled', { htlcs }: Part, hop: number): readonly Lesson[] =>
  htlcs.slice(0, hop + 1).flatMap(({ amountMsat }, i) => {
    const edge = edgeUnder(htlcs, i);
    return edge === undefined ? [] : [{ tag, edge, amountMsat }];
  });

export function judge(part: Part, end: PartEnd | undefined, earlier: readonly Part[]): Verdict {
  if (end === undefined) return { failure: { code: 'not-sent' }, lessons: [] };
  if (end.kind === 'fail-malformed') {
    // Our peer itself could not read the onion, or says so: nothing was learned of anybody behind it.
    const { name } = failureOfMalformed(end.failureCode, end.sha256OfOnion);
    return { failure: { code: name, refused: true }, lessons: [] };
  }
  const { attribution: attributionData, reason } = end;
  const read = readFailure({ sharedSecrets: part.sharedSecrets, reason, ...(attributionData ? { attributionData } : {}) });
  if (!read.source) {
    const hop = read.suspect;
    return { failure: { code: 'unreadable', ...(hop === undefined ? {} : { hop }) }, lessons: [] };
  }
  const { hop, failure } = read.source;
  const said: PartFailure = { code: failure.name, hop };
  const before = carried('passed', part, hop);
  if (hop >= part.htlcs.length - 1) return { failure: said, ...ofPayee(part, hop, failure, before) };
  return { failure: said, lessons: [...before, ...ofHop(part, hop, failure, earlier)] };
}

/** The hop's own channels on this route: shut, both. */
const shutNode = ({ htlcs }: Part, hop: number): readonly Lesson[] =>
  [hop, hop + 1].flatMap((i) => {
    const edge = edgeUnder(htlcs, i);
    return edge === undefined ? [] : [{ tag: 'shut' as const, edge }];
  });

function ofHop(part: Part, hop: number, failure: AnyFailure, earlier: readonly Part[]): readonly Lesson[] {
  const { htlcs } = part;
  const next = htlcs[hop + 1];
  const edge = edgeUnder(htlcs, hop + 1);
  if (!next || edge === undefined) return [];
  const shut: readonly Lesson[] = [{ tag: 'shut', edge }];
  switch (failure.name) {
    case 'temporary_channel_failure':
      return [{ tag: 'stuck', edge, amountMsat: next.amountMsat }];
    case 'amount_below_minimum':
    case 'fee_insufficient':
    case 'incorrect_cltv_expiry':
    case 'expiry_too_soon': {
      // Told once, and paid as told: who says it again of the same channel wants something else than its fee.
      const again = earlier.some((one) => isOf(one, edge, failure.name));
      const policy = again ? undefined : hintedPolicy(failure.channelUpdate, edge);
      return policy === undefined ? shut : [{ tag: 'policy', edge, policy }];
    }
    case 'permanent_channel_failure':
    case 'required_channel_feature_missing':
    case 'unknown_next_peer':
    case 'channel_disabled':
    case 'expiry_too_far':
    case 'invalid_onion_version':
    case 'invalid_onion_hmac':
    case 'invalid_onion_key':
    case 'invalid_onion_blinding':
      return shut;
    case 'temporary_node_failure':
    case 'permanent_node_failure':
    case 'required_node_feature_missing':
    case 'invalid_onion_payload':
    case 'incorrect_or_unknown_payment_details':
    case 'final_incorrect_cltv_expiry':
    case 'final_incorrect_htlc_amount':
    case 'mpp_timeout':
      return shutNode(part, hop);
    case 'unreadable':
      return (codeOf(failure) & flags.NODE) !== 0 ? shutNode(part, hop) : shut;
  }
}

function isOf({ htlcs, failure }: Part, edge: EdgeName, name: string): boolean {
  if (failure?.code !== name || failure.hop === undefined) return false;
  return edgeUnder(htlcs, failure.hop + 1) === edge;
}

function ofPayee(part: Part, hop: number, failure: AnyFailure, before: readonly Lesson[]): Omit<Verdict, 'failure'> {
  switch (failure.name) {
    case 'incorrect_or_unknown_payment_details':
      return { lessons: before, stop: 'invoice-unknown' };
    case 'mpp_timeout':
      return { lessons: before, gather: true };
    case 'temporary_node_failure':
      return { lessons: before, wait: true };
    case 'final_incorrect_cltv_expiry':
    case 'final_incorrect_htlc_amount': {
      // The onion and the HTLC differ, and both were ours when they left: who stands before the payee changed it.
      const edge = edgeUnder(part.htlcs, hop);
      if (edge === undefined) return { lessons: [], stop: 'refused-by-payee' };
      return { lessons: [...before.slice(0, -1), { tag: 'shut', edge }] };
    }
    case 'expiry_too_soon':
    case 'temporary_channel_failure':
      return { lessons: before, wait: true };
    case 'unreadable':
      // BOLT 4: "if the PERM bit is set: SHOULD fail the payment"
      return (codeOf(failure) & flags.PERM) !== 0 ? { lessons: before, stop: 'refused-by-payee' } : { lessons: before, wait: true };
    case 'permanent_node_failure':
    case 'required_node_feature_missing':
    case 'invalid_onion_payload':
    case 'invalid_onion_version':
    case 'invalid_onion_hmac':
    case 'invalid_onion_key':
    case 'invalid_onion_blinding':
    case 'permanent_channel_failure':
    case 'required_channel_feature_missing':
    case 'unknown_next_peer':
    case 'amount_below_minimum':
    case 'fee_insufficient':
    case 'incorrect_cltv_expiry':
    case 'channel_disabled':
    case 'expiry_too_far':
      return { lessons: before, stop: 'refused-by-payee' };
  }
}
