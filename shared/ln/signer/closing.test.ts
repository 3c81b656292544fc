/** Mutual closes: each refusal beside the same close made right. */
import { describe, expect, it } from 'vitest';
import { verify } from '../keys/secp.ts';
import { legacyClosing, simpleClosing } from '../tx/closing.ts';
import { p2wpkh } from '../tx/scripts.ts';
import type { Transaction, TxOutput } from '../tx/transaction.ts';
import type { Closing, SignerGuard } from './signer.ts';
import { codeOf, guardAt, guardOf, htlc, mirrored, ours, outpoint, peerSigns, sign, theirs, them, us, wallet } from './testing.ts';

const ourScript = wallet.scriptPubKey(0);
const theirScript = p2wpkh(them.basepoints.paymentBasepoint);
const pinned = (guard: SignerGuard, script = ourScript): SignerGuard => guardOf(us.pinCloseScript(script, guard));
const channel = {
  fundingOutpoint: outpoint,
  fundingAmountSat: 200_000n,
  localFundingPubkey: us.basepoints.fundingPubkey,
  remoteFundingPubkey: them.basepoints.fundingPubkey,
};
const toUs = (amountSat: bigint): TxOutput => ({ amountSat, scriptPubKey: ourScript });
const toThem = (amountSat: bigint): TxOutput => ({ amountSat, scriptPubKey: theirScript });
/** We have 120,000 sat and bear up to 500 of the fee. */
const closing = (outputs: readonly TxOutput[], change: Partial<Closing> = {}, tx: Partial<Transaction> = {}): Closing => ({
  fundingOutpoint: outpoint,
  fundingAmountSat: 200_000n,
  remoteFundingPubkey: them.basepoints.fundingPubkey,
  transaction: { version: 2, lockTime: 0, inputs: [{ outpoint, sequence: 0xffff_fffd, witness: [] }], outputs, ...tx },
  toUsMsat: 120_000_000n,
  maxFeeSat: 500n,
  ...change,
});
const right = [toThem(80_000n), toUs(119_500n)];
const guard = pinned(guardAt(1n));
const close = (request: Closing, before = guard) => codeOf(us.signClosing(request, before));

describe('pinCloseScript', () => {
  it('takes one script for ever, and the same again', () => {
    const again = us.pinCloseScript(ourScript, guard);
    expect(guardOf(again)).toEqual({ ...guardAt(1n), closeScript: ourScript });
    expect(codeOf(us.pinCloseScript(wallet.scriptPubKey(1), guard))).toBe('destination-unknown');
  });
});

describe('signClosing', () => {
  it('signs a close of either protocol as both sides build it', () => {
    const sides = {
      local: { balanceMsat: 120_000_999n, scriptPubKey: ourScript },
      remote: { balanceMsat: 79_999_001n, scriptPubKey: theirScript },
    };
    const legacy = legacyClosing({ channel, ...sides, localIsOpener: true, feeSat: 500n, dustLimitSat: 354n });
    const variant = 'closer_and_closee_outputs';
    const simple = simpleClosing({ channel, closer: sides.local, closee: sides.remote, feeSat: 500n, lockTime: 800_000, variant });
    for (const built of [legacy, simple]) {
      if (!built.ok) throw new Error(built.error.detail);
      const odd = { ...theirs(2n), toCounterpartyMsat: 120_000_999n, toHolderMsat: 79_999_001n };
      const before = guardOf(sign(odd, guard));
      const signed = us.signClosing(closing([], { transaction: built.value.transaction, toUsMsat: 120_000_999n }), before);
      if (!signed.ok) throw new Error(signed.error.detail);
      expect(verify(signed.value, built.value.sighash, us.basepoints.fundingPubkey)).toBe(true);
    }
  });

  it('refuses another script than the one that was fixed, and any while none was', () => {
    expect(close(closing(right))).toBe('ok');
    const elsewhere = [toThem(80_000n), { amountSat: 119_500n, scriptPubKey: wallet.scriptPubKey(1) }];
    expect(close(closing(elsewhere))).toBe('destination-unknown');
    expect(close(closing(right), guardAt(1n))).toBe('destination-unknown');
  });

  it('refuses to bear more of the fee than was agreed', () => {
    expect(close(closing([toThem(80_000n), toUs(119_499n)]))).toBe('fee-out-of-range');
    expect(close(closing([toThem(80_000n), toUs(119_499n)], { maxFeeSat: 501n }))).toBe('ok');
    // Two outputs to one script are one for each side: the sum is not ours.
    expect(close(closing([toUs(80_000n), toUs(119_499n)]))).toBe('fee-out-of-range');
    for (const outputs of [
      [toUs(80_000n), toUs(119_500n)],
      [toUs(119_500n), toUs(80_000n)],
    ])
      expect(close(closing(outputs))).toBe('ok');
  });

  it('refuses a close without our output unless what is left of it is dust', () => {
    const poor = (usSat: bigint): SignerGuard => pinned({ ...guardOf(sign(theirs(0n, usSat), { releasedBelow: 0n, revokedBelow: 0n })) });
    const alone = (usSat: bigint) => closing([toThem(199_000n)], { toUsMsat: usSat * 1000n, maxFeeSat: 500n });
    expect(close(alone(1_045n), poor(1_045n))).toBe('ok');
    expect(close(alone(1_046n), poor(1_046n))).toBe('destination-unknown');
    expect(close(closing([toThem(80_000n)]))).toBe('destination-unknown');
    expect(close(closing([toUs(119_500n)]))).toBe('ok');
  });

  it('refuses another balance than the newest commitment’s', () => {
    expect(close(closing(right, { toUsMsat: 119_999_999n }))).toBe('balance-falls');
    expect(close(closing(right, { toUsMsat: 120_000_001n }))).toBe('balance-falls');
    const { holding: _, ...without } = guard;
    expect(close(closing(right), without)).toBe('spend-invalid');
  });

  it('refuses while an HTLC of either side is pending', () => {
    const mine = pinned(guardAt(1n, [htlc(true, 0n, 1n)]));
    expect(close(closing(right, { toUsMsat: 119_999_000n }), mine)).toBe('htlcs-pending');
    const theirOwn = pinned(guardAt(1n, [mirrored(htlc(true, 0n, 1n))]));
    expect(close(closing(right), theirOwn)).toBe('htlcs-pending');
  });

  it('refuses after our commitment was signed for the chain', () => {
    const { signature } = peerSigns(ours(1n));
    const published = guardOf(us.signLocalCommitment(ours(1n), signature, guard));
    expect(close(closing(right), published)).toBe('channel-published');
  });

  it('refuses another funding output', () => {
    const other = { ...outpoint, vout: 1 };
    const moved = { txid: outpoint.txid.with(0, 1), vout: 0 };
    const spending = (spent: typeof outpoint) => ({ inputs: [{ outpoint: spent, sequence: 0, witness: [] }] });
    for (const spent of [other, moved]) {
      expect(close(closing(right, { fundingOutpoint: spent }, spending(spent)))).toBe('funding-changed');
      expect(close(closing(right, {}, spending(spent)))).toBe('spend-invalid');
    }
    const { fundingTxid: _, ...without } = guard;
    expect(close(closing(right), without)).toBe('funding-changed');
  });

  it('refuses what is no close: more inputs, no or three outputs, another version, more than there is', () => {
    const input = { outpoint, sequence: 0, witness: [] };
    expect(close(closing(right, {}, { inputs: [input, input] }))).toBe('spend-invalid');
    expect(close(closing(right, {}, { inputs: [] }))).toBe('spend-invalid');
    expect(close(closing([...right, toThem(1n)]))).toBe('spend-invalid');
    expect(close(closing([], { toUsMsat: 120_000_000n, maxFeeSat: 120_000n }))).toBe('spend-invalid');
    expect(close(closing(right, {}, { version: 3 }))).toBe('spend-invalid');
    expect(close(closing([toThem(80_001n), toUs(120_000n)]))).toBe('spend-invalid');
    expect(close(closing([toThem(80_000n), toUs(120_000n)]))).toBe('ok');
    expect(close(closing([toThem(0n), toUs(120_000n)]))).toBe('ok');
    expect(close(closing([toThem(-1n), toUs(120_000n)]))).toBe('spend-invalid');
  });
});
