/**
 * Which transaction spent the funding output. BOLT 5 § General Nomenclature.
 *
 * What we know by heart is told by its id, an older commitment by the number in its locktime and sequence. Anybody's bytes may be
 * asked about; that the transaction is in the chain, and so valid, callers have proved before they act on the answer.
 */
import { equal } from '../../lib/bytes.ts';
import { findSecret } from '../keys/shachain.ts';
import { type CommitmentTemplate, type CommitmentTx, obscuringFactor } from '../tx/commitment.ts';
import { type ParsedTransaction, parseTransaction } from '../tx/parse.ts';
import type { Outpoint } from '../tx/transaction.ts';
import { builtOnce } from './built.ts';
import type { ChannelFacts, CloseKind } from './types.ts';

export const sameOutpoint = (a: Outpoint, b: Outpoint): boolean => a.vout === b.vout && equal(a.txid, b.txid);

/** `number` is 0 for a mutual close. */
export type Classified =
  | { readonly kind: 'mutual' | 'future'; readonly number: bigint }
  | {
      readonly kind: 'local' | 'remote' | 'remote-next';
      readonly number: bigint;
      readonly template: CommitmentTemplate;
      readonly built: CommitmentTx;
    }
  | { readonly kind: 'revoked'; readonly number: bigint; readonly secret: Uint8Array };

export function classify(transaction: Uint8Array, facts: ChannelFacts): { readonly kind: CloseKind; readonly number: bigint } {
  const parsed = parseTransaction(transaction);
  if (!parsed.ok) return { kind: 'mutual', number: 0n };
  const { kind, number } = classifyParsed(parsed.value, facts);
  return { kind, number };
}

export function classifyParsed(transaction: ParsedTransaction, facts: ChannelFacts): Classified {
  const number = commitmentNumberOf(transaction, facts);
  if (number === undefined) return { kind: 'mutual', number: 0n };
  const known = [
    { kind: 'local', template: facts.local.template },
    { kind: 'remote', template: facts.remote },
    ...(facts.remoteNext ? [{ kind: 'remote-next', template: facts.remoteNext } as const] : []),
  ] as const;
  for (const { kind, template } of known) {
    if (template.number !== number) continue;
    const built = builtOnce(template);
    if (built.ok && equal(built.value.txid, transaction.txid)) return { kind, number, template, built: built.value };
  }
  const secret = number < facts.remote.number ? findSecret(facts.remoteSecrets, number) : undefined;
  return secret === undefined ? { kind: 'future', number } : { kind: 'revoked', number, secret };
}

/** Undefined if the transaction does not carry the marks of a commitment in the input that spends the funding output. */
function commitmentNumberOf({ inputs, lockTime }: ParsedTransaction, facts: ChannelFacts): bigint | undefined {
  const input = inputs.find(({ outpoint }) => sameOutpoint(outpoint, facts.fundingOutpoint));
  // BOLT 3: "upper 8 bits are 0x20" and "upper 8 bits are 0x80"
  if (input === undefined || lockTime >>> 24 !== 0x20 || input.sequence >>> 24 !== 0x80) return undefined;
  const obscured = (BigInt(input.sequence & 0xff_ffff) << 24n) | BigInt(lockTime & 0xff_ffff);
  return obscured ^ obscuringFactor(facts.remote);
}
