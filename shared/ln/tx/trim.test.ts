/** Trimming at its boundary, as numbers; and dust limits by script. BOLT 3 § Trimmed Outputs, § Fees and § Dust Limits. */
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../lib/bytes.ts';
import { build, htlc, template, withHtlcs } from '../testing/commitment.ts';
import { balancesAfterFee } from './commitment.ts';
import { dustLimitOf } from './dust.ts';
import { dustExposureMsat, htlcSuccessFeeSat, htlcTimeoutFeeSat, isTrimmed, type TrimRules, untrimmed } from './trim.ts';
import { commitmentFeeSat } from './weight.ts';

const at = (offered: boolean, amountMsat: bigint) => ({ offered, amountMsat });

describe('an HTLC', () => {
  // BOLT 3 § Fee Calculation, Example: 5000 sat/kw, a dust limit of 546 sat.
  const example: TrimRules = { kind: 'static_remotekey', dustLimitSat: 546n, feeratePerKw: 5000 };

  it('pays for its second stage without anchors: 3315 and 3515 sat in the example of BOLT 3', () => {
    expect(htlcTimeoutFeeSat('static_remotekey', 5000)).toBe(3315n);
    expect(htlcSuccessFeeSat('static_remotekey', 5000)).toBe(3515n);
    expect(htlcTimeoutFeeSat('anchors_zero_fee_htlc_tx', 5000)).toBe(0n);
    expect(htlcSuccessFeeSat('anchors_zero_fee_htlc_tx', 5000)).toBe(0n);
    // Rounded down.
    expect([htlcTimeoutFeeSat('static_remotekey', 253), htlcSuccessFeeSat('static_remotekey', 253)]).toEqual([167n, 177n]);
  });

  it.each<[string, TrimRules, boolean, bigint]>([
    ['offered', example, true, 546n + 3315n],
    ['received', example, false, 546n + 3515n],
    ['offered with anchors', { ...example, kind: 'anchors_zero_fee_htlc_tx' }, true, 546n],
    ['received with anchors', { ...example, kind: 'anchors_zero_fee_htlc_tx' }, false, 546n],
  ])('%s: trimmed a satoshi below the limit, kept at it and above', (_name, rules, offered, limitSat) => {
    expect(isTrimmed(rules, at(offered, limitSat * 1000n - 1000n))).toBe(true);
    expect(isTrimmed(rules, at(offered, limitSat * 1000n - 1n))).toBe(true);
    expect(isTrimmed(rules, at(offered, limitSat * 1000n))).toBe(false);
    expect(isTrimmed(rules, at(offered, limitSat * 1000n + 1000n))).toBe(false);
    const of = withHtlcs({ ...template, ...rules }, [
      htlc(1n, offered, limitSat * 1000n - 1n, 500),
      htlc(2n, offered, limitSat * 1000n, 500),
    ]);
    expect(build(of).outputs.flatMap((output) => ('htlc' in output ? [output.htlc.id] : []))).toEqual([2n]);
  });

  it('the example of BOLT 3 whole: two of four are outputs, the base fee is 5340 sat, the actual one 7140', () => {
    const htlcs = [
      htlc(1n, true, 5_000_000n, 500),
      htlc(2n, true, 1_000_000n, 500),
      htlc(3n, false, 7_000_000n, 500),
      htlc(4n, false, 800_000n, 500),
    ];
    const of = withHtlcs({ ...template, ...example, toHolderMsat: 50_000_000n, toCounterpartyMsat: 150_000_000n }, htlcs);
    expect(untrimmed(of).map(({ id }) => id)).toEqual([1n, 3n]);
    expect(commitmentFeeSat('static_remotekey', 5000, 2)).toBe(5340n);
    expect(build(of).feeSat).toBe(7140n);
    expect(dustExposureMsat(example, htlcs)).toBe(1_800_000n);
    expect(balancesAfterFee(of)).toEqual({ toHolderSat: 44_000n, toCounterpartySat: 142_200n - 5340n });
  });

  it('the opener owes for every HTLC that is an output, below zero if it must', () => {
    const of = { ...template, kind: 'static_remotekey', feeratePerKw: 1000, holderIsOpener: true } as const;
    const htlcs = [htlc(1n, false, 20_000_000n, 500), htlc(2n, false, 20_000_000n, 500)];
    expect(balancesAfterFee({ ...withHtlcs(of, htlcs), toHolderMsat: 1_000_999n })).toMatchObject({ toHolderSat: 1000n - 724n - 344n });
  });

  it('is at stake as dust at the feerate that is asked about', () => {
    const offered = [at(true, 2_000_000n), at(false, 2_000_000n)];
    const exposure = (feeratePerKw: number) => dustExposureMsat({ ...example, feeratePerKw }, offered);
    expect([exposure(0), exposure(2100), exposure(3000)]).toEqual([0n, 2_000_000n, 4_000_000n]);
  });
});

describe('the dust limit of a script', () => {
  const bytes = (count: number) => '11'.repeat(count);
  it.each<[string, bigint, string]>([
    ['P2PKH', 546n, `76a914${bytes(20)}88ac`],
    ['P2SH', 540n, `a914${bytes(20)}87`],
    ['P2WPKH', 294n, `0014${bytes(20)}`],
    ['P2WSH', 330n, `0020${bytes(32)}`],
    ['P2A', 240n, '51024e73'],
    ['taproot, as an unknown segwit version', 354n, `5120${bytes(32)}`],
    ['the longest segwit program', 354n, `6028${bytes(40)}`],
    ['another program as short as P2A', 354n, '51024e74'],
    ['OP_RETURN', 0n, `6a06${bytes(6)}`],
    ['OP_RETURN alone', 0n, '6a'],
    ['no segwit: the push ends too early', 3n * (9n + 35n + 148n), `5120${bytes(33)}`],
    ['no segwit: the program is too long', 3n * (9n + 43n + 148n), `6029${bytes(41)}`],
    ['no script', 3n * (9n + 148n), ''],
  ])('%s: %d sat', (_name, limitSat, script) => {
    expect(dustLimitOf(fromHex(script))).toBe(limitSat);
  });
});
