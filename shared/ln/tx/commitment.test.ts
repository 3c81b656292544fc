/** Laws of the builder with HTLCs and without, its refusals, and what spends the funding output. Other spends: claim.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sign } from '../keys/secp.ts';
import { build, htlc, kinds, mirrored, secret, secrets, template, withHtlcs } from '../testing/commitment.ts';
import { idAndWeight, spends } from '../testing/interpreter.ts';
import {
  buildCommitment,
  type CommitmentTemplate,
  type CommitmentTx,
  checkBalances,
  commitmentKeys,
  signedCommitment,
} from './commitment.ts';
import { fundingScriptPubKey } from './scripts.ts';
import { compareOutputs, serializeTransaction, type Transaction } from './transaction.ts';
import { anchorsSat, commitmentFeeSat } from './weight.ts';

const balances: fc.Arbitrary<CommitmentTemplate> = fc
  .record({
    kind: fc.constantFrom(...kinds),
    number: fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }),
    fundingAmountSat: fc.oneof(fc.bigInt({ min: 1n, max: 5000n }), fc.bigInt({ min: 1n, max: 10_000_000n })),
    share: fc.oneof(fc.constantFrom(0, 1000), fc.integer({ min: 0, max: 1000 })),
    holderIsOpener: fc.boolean(),
    feeratePerKw: fc.oneof(fc.integer({ min: 253, max: 5000 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    dustLimitSat: fc.oneof(fc.constant(354n), fc.bigInt({ min: 0n, max: 3000n })),
    toSelfDelay: fc.integer({ min: 0, max: 0xffff }),
  })
  .map(({ share, ...rest }) => {
    const toHolderMsat = rest.fundingAmountSat * BigInt(share) + (rest.fundingAmountSat % 7n);
    const capped = toHolderMsat > rest.fundingAmountSat * 1000n ? rest.fundingAmountSat * 1000n : toHolderMsat;
    return { ...template, ...rest, toHolderMsat: capped, toCounterpartyMsat: rest.fundingAmountSat * 1000n - capped };
  });

/** Each HTLC is a part of what its side has left: few ids and expiries, so that outputs tie. */
const templates: fc.Arbitrary<CommitmentTemplate> = fc
  .tuple(
    balances,
    fc.array(fc.record({ offered: fc.boolean(), id: fc.nat(2), part: fc.nat(400), expiry: fc.integer({ min: 0, max: 3 }) }), {
      maxLength: 8,
    }),
  )
  .map(([of, parts]) =>
    parts.reduce((before, { offered, id, part, expiry }) => {
      const left = offered ? before.toHolderMsat : before.toCounterpartyMsat;
      const one = htlc(BigInt(id), offered, (left * BigInt(part)) / 1000n, expiry);
      return { ...withHtlcs(before, [one]), htlcs: [...before.htlcs, one] };
    }, of),
  );

describe('laws', () => {
  it('outputs, fee and trimmed amounts are the funding; dust is trimmed and only dust', () => {
    fc.assert(
      fc.property(templates, (of) => {
        const built = buildCommitment(of);
        const anchors = of.kind === 'anchors_zero_fee_htlc_tx';
        const secondStageSat = (weight: bigint) => (anchors ? 0n : (BigInt(of.feeratePerKw) * weight) / 1000n);
        const htlcs = of.htlcs.filter(
          ({ offered, amountMsat }) => amountMsat / 1000n >= of.dustLimitSat + secondStageSat(offered ? 663n : 703n),
        );
        const cost = commitmentFeeSat(of.kind, of.feeratePerKw, htlcs.length) + anchorsSat(of.kind);
        const afterFee = (sat: bigint, pays: boolean) => (pays ? sat - cost : sat);
        const expected = {
          'to-local': afterFee(of.toHolderMsat / 1000n, of.holderIsOpener),
          'to-remote': afterFee(of.toCounterpartyMsat / 1000n, !of.holderIsOpener),
        };
        const kept = (role: keyof typeof expected) => expected[role] >= of.dustLimitSat;
        if (!built.ok) {
          // An anchor or an HTLC whose fee the opener cannot pay would make the outputs exceed the funding.
          const count = Number(kept('to-local')) + Number(kept('to-remote')) + htlcs.length;
          expect(built.error.code).toBe(count === 0 ? 'no-outputs' : 'outputs-exceed-funding');
          if (count > 0) expect(checkBalances(of, 0n)).toMatchObject({ error: { code: 'opener-cannot-pay-fee' } });
          return;
        }
        const { outputs, feeSat } = built.value;
        const amounts = Object.fromEntries(outputs.map(({ role, amountSat }) => [role, amountSat]));
        for (const role of ['to-local', 'to-remote'] as const) {
          expect(amounts[role]).toBe(kept(role) ? expected[role] : undefined);
          expect(amounts[`${role}-anchor`]).toBe(anchors && (kept(role) || htlcs.length > 0) ? 330n : undefined);
        }
        const made = outputs.flatMap((output) => ('htlc' in output ? [output] : []));
        expect(new Set(made.map((output) => output.htlc))).toEqual(new Set(htlcs));
        for (const { role, amountSat, htlc } of made)
          expect([role, amountSat]).toEqual([htlc.offered ? 'offered-htlc' : 'received-htlc', htlc.amountMsat / 1000n]);
        expect(made.length).toBe(htlcs.length);
        expect(outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n) + feeSat).toBe(of.fundingAmountSat);
        expect(feeSat).toBeGreaterThanOrEqual(0n);
        expect([...outputs].sort(compareOutputs)).toEqual(outputs);
      }),
      { numRuns: 80 },
    );
  });

  it('of outputs that are the same, the one that expires first comes first', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([5, 3, 900, 70_000, 1, 44], { minLength: 2 }), (expiries) => {
        const htlcs = expiries.map((expiry, i) => ({ ...htlc(1n, true, 5_000_000n + BigInt(i), expiry), id: BigInt(i) }));
        const built = build(withHtlcs(template, htlcs));
        const order = built.outputs.flatMap((output) => ('htlc' in output ? [output.htlc.cltvExpiry] : []));
        expect(order).toEqual([...expiries].sort((a, b) => a - b));
      }),
      { numRuns: 10 },
    );
  });

  it('of HTLCs that differ in nothing but their id, the lower id comes first', () => {
    const twins = [4n, 2n, 9n].map((id) => ({ ...htlc(1n, true, 5_000_000n, 500), id }));
    const built = build(withHtlcs(template, twins));
    expect(built.outputs.flatMap((output) => ('htlc' in output ? [output.htlc.id] : []))).toEqual([2n, 4n, 9n]);
  });

  it('both sides build the same transaction, in whatever order they hold its HTLCs', () => {
    fc.assert(
      fc.property(
        templates.chain((of) =>
          fc.record({ of: fc.constant(of), htlcs: fc.shuffledSubarray([...of.htlcs], { minLength: of.htlcs.length }) }),
        ),
        ({ of, htlcs }) => {
          expect(buildCommitment({ ...of, htlcs })).toEqual(buildCommitment(of, commitmentKeys(of)));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('with anchors both commitments of a state trim the same HTLCs and cost the opener the same', () => {
    const anchored = templates.map((of) => ({ ...of, kind: 'anchors_zero_fee_htlc_tx' }) as const);
    fc.assert(
      fc.property(anchored, (of) => {
        const [ours, theirs] = [buildCommitment(of), buildCommitment(mirrored(of))];
        expect(ours.ok).toBe(theirs.ok);
        if (!ours.ok || !theirs.ok) return;
        const amounts = ({ outputs, feeSat }: CommitmentTx) => [feeSat, ...outputs.map(({ amountSat }) => amountSat)];
        expect(amounts(ours.value)).toEqual(amounts(theirs.value));
        expect(ours.value.sighash).not.toEqual(theirs.value.sighash);
      }),
      { numRuns: 30 },
    );
  });

  it('the commitment number comes back out of locktime and sequence', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }), (number) => {
        const fields = ({ lockTime, inputs }: Transaction) => {
          const sequence = inputs[0]?.sequence ?? 0;
          expect([lockTime >>> 24, sequence >>> 24]).toEqual([0x20, 0x80]);
          return (BigInt(sequence & 0xff_ffff) << 24n) | BigInt(lockTime & 0xff_ffff);
        };
        const factor = fields(build({ ...template, number: 0n }).transaction);
        expect(fields(build({ ...template, number }).transaction) ^ factor).toBe(number);
      }),
      { numRuns: 20 },
    );
  });

  it('the signed transaction stays within the weight its fee was computed for', () => {
    for (const kind of kinds)
      for (const count of [0, 1, 2, 100]) {
        const htlcs = Array.from({ length: count }, (_, i) => ({ ...htlc(1n, i % 2 === 0, 100_000_000n, 500 + i), id: BigInt(i) }));
        const rich = { ...template, fundingAmountSat: 20_000_000n, toHolderMsat: 10_000_000_000n, toCounterpartyMsat: 10_000_000_000n };
        const commitment = build(withHtlcs({ ...rich, kind }, htlcs));
        const feeWeight = Number(commitmentFeeSat(kind, 1000, count));
        const longest = [new Uint8Array(0), new Uint8Array(73), new Uint8Array(73), commitment.fundingWitnessScript];
        const inputs = commitment.transaction.inputs.map((input) => ({ ...input, witness: longest }));
        const { weight } = idAndWeight(serializeTransaction({ ...commitment.transaction, inputs }));
        // BOLT 3 counts the outputs of an anchor commitment with 3 bytes where 1 is enough.
        expect(weight).toBe(kind === 'static_remotekey' ? feeWeight : feeWeight - 8);
      }
  });
});

it('BOLT 3 § Fees, the example: two untrimmed HTLCs at 5000 sat/kw cost 5340 sat', () => {
  expect(commitmentFeeSat('static_remotekey', 5000, 2)).toBe(5340n);
  expect(commitmentFeeSat('anchors_zero_fee_htlc_tx', 1000, 1)).toBe(1124n + 172n);
  expect(commitmentFeeSat('static_remotekey', 253, 0)).toBe(183n);
});

describe('refused', () => {
  const codeOf = (change: Partial<CommitmentTemplate>) => {
    const built = buildCommitment({ ...template, ...change });
    return built.ok ? 'built' : built.error.code;
  };
  const notPoint = new Uint8Array(33).fill(0xff);
  const { holder, counterparty } = template;

  it.each<[string, string, Partial<CommitmentTemplate>]>([
    ['a negative number', 'number-out-of-range', { number: -1n }],
    ['a number beyond 48 bits', 'number-out-of-range', { number: 2n ** 48n }],
    ['a txid of 31 bytes', 'outpoint-invalid', { fundingOutpoint: { txid: new Uint8Array(31), vout: 0 } }],
    ['a vout beyond 32 bits', 'outpoint-invalid', { fundingOutpoint: { txid: new Uint8Array(32), vout: 2 ** 32 } }],
    ['no funding', 'amount-out-of-range', { fundingAmountSat: 0n, toHolderMsat: 0n, toCounterpartyMsat: 0n }],
    ['more than all bitcoin', 'amount-out-of-range', { fundingAmountSat: 2_100_000_000_000_001n }],
    ['a negative balance of the holder', 'amount-out-of-range', { toHolderMsat: -1n }],
    ['a negative balance of the counterparty', 'amount-out-of-range', { toCounterpartyMsat: -1n }],
    ['a negative dust limit', 'amount-out-of-range', { dustLimitSat: -1n }],
    ['balances above the funding', 'amount-out-of-range', { toHolderMsat: template.toHolderMsat + 1n }],
    ['an HTLC that no balance was reduced by', 'amount-out-of-range', { htlcs: [htlc(0n, true, 1n, 500)] }],
    ['a negative HTLC', 'htlc-invalid', { htlcs: [htlc(0n, true, -1n, 500)] }],
    ['an HTLC that expires at a time', 'htlc-invalid', withHtlcs(template, [htlc(0n, true, 1n, 500_000_000)])],
    ['an HTLC that expires before time', 'htlc-invalid', withHtlcs(template, [htlc(0n, true, 1n, -1)])],
    ['a payment hash of 31 bytes', 'htlc-invalid', withHtlcs(template, [{ ...htlc(0n, true, 1n, 500), paymentHash: new Uint8Array(31) }])],
    ['an HTLC basepoint of the holder off the curve', 'point-invalid', { holder: { ...holder, htlcBasepoint: notPoint } }],
    [
      'an HTLC basepoint of the counterparty off the curve',
      'point-invalid',
      { counterparty: { ...counterparty, htlcBasepoint: notPoint } },
    ],
    ['a feerate beyond 32 bits', 'feerate-out-of-range', { feeratePerKw: 2 ** 32 }],
    ['a feerate that is no integer', 'feerate-out-of-range', { feeratePerKw: 0.5 }],
    ['a delay beyond 16 bits', 'delay-out-of-range', { toSelfDelay: 0x1_0000 }],
    ['a negative delay', 'delay-out-of-range', { toSelfDelay: -1 }],
    ['a per-commitment point off the curve', 'point-invalid', { perCommitmentPoint: notPoint }],
    ['a revocation basepoint off the curve', 'point-invalid', { counterparty: { ...counterparty, revocationBasepoint: notPoint } }],
    ['a delayed basepoint off the curve', 'point-invalid', { holder: { ...holder, delayedPaymentBasepoint: notPoint } }],
    ['a funding key of 32 bytes', 'point-invalid', { counterparty: { ...counterparty, fundingPubkey: new Uint8Array(32) } }],
    ['a funding key of ours of 34 bytes', 'point-invalid', { holder: { ...holder, fundingPubkey: new Uint8Array(34) } }],
    ['a payment basepoint of no bytes', 'point-invalid', { counterparty: { ...counterparty, paymentBasepoint: new Uint8Array(0) } }],
    ['an anchor that nobody pays', 'outputs-exceed-funding', { toHolderMsat: 200_000_000n, toCounterpartyMsat: 0n, feeratePerKw: 0 }],
    ['nothing left to pay', 'no-outputs', { dustLimitSat: 200_001n }],
  ])('%s', (_name, code, change) => {
    expect(codeOf({})).toBe('built');
    expect(codeOf(change)).toBe(code);
  });
});

describe('at its limit', () => {
  it('a balance at the dust limit is an output, a satoshi less is not', () => {
    const roles = (change: Partial<CommitmentTemplate>) =>
      build({ ...template, kind: 'static_remotekey', ...change }).outputs.map(({ role }) => role);
    const fee = commitmentFeeSat('static_remotekey', template.feeratePerKw, 0);
    const rest = (sat: bigint) => 200_000_000n - sat * 1000n;
    for (const [sat, both] of [
      [354n, true],
      [353n, false],
    ] as const) {
      expect(roles({ toHolderMsat: sat * 1000n, toCounterpartyMsat: rest(sat) }).includes('to-local')).toBe(both);
      const opener = sat + fee;
      expect(roles({ toHolderMsat: rest(opener), toCounterpartyMsat: opener * 1000n }).includes('to-remote')).toBe(both);
    }
  });

  it('the largest and smallest values of each field are built', () => {
    const plain = { ...template, kind: 'static_remotekey', feeratePerKw: 0 } as const;
    const max = 2_100_000_000_000_000n;
    expect(build({ ...plain, fundingAmountSat: max, toHolderMsat: max * 1000n, toCounterpartyMsat: 0n }).outputs).toHaveLength(1);
    expect(build({ ...template, fundingOutpoint: { txid: secret(1), vout: 0xffff_ffff } }).outputs).toHaveLength(4);
    const free = build({ ...plain, toHolderMsat: 50_000_000n, toCounterpartyMsat: 150_000_000n });
    expect(free.feeSat).toBe(0n);
  });
});

describe('checkBalances', () => {
  // static_remotekey at 1000 sat/kw costs 724 sat, anchors 1124 + 660 sat.
  const cases = [
    ['static_remotekey', 724n],
    ['anchors_zero_fee_htlc_tx', 1784n],
  ] as const;

  it.each(cases)('%s: the opener must afford %d sat, on either side', (kind, cost) => {
    for (const holderIsOpener of [true, false]) {
      const balances = (openerSat: bigint) => {
        const [opener, other] = [openerSat * 1000n, (200_000n - openerSat) * 1000n];
        return holderIsOpener ? { toHolderMsat: opener, toCounterpartyMsat: other } : { toHolderMsat: other, toCounterpartyMsat: opener };
      };
      const check = (openerSat: bigint) =>
        checkBalances({ ...template, kind, feeratePerKw: 1000, holderIsOpener, ...balances(openerSat) }, 0n);
      expect(check(cost)).toEqual({ ok: true, value: undefined });
      expect(check(cost - 3n)).toEqual({ ok: false, error: { code: 'opener-cannot-pay-fee', shortSat: 3n } });
    }
  });

  it('one side must be above the reserve, after the fee', () => {
    const of = { ...template, kind: 'static_remotekey', feeratePerKw: 1000, holderIsOpener: true, toHolderMsat: 10_724_000n } as const;
    expect(checkBalances({ ...of, toCounterpartyMsat: 10_000_999n }, 9_999n).ok).toBe(true);
    expect(checkBalances({ ...of, toCounterpartyMsat: 10_001_000n }, 10_000n).ok).toBe(true);
    expect(checkBalances({ ...of, toHolderMsat: 10_725_000n, toCounterpartyMsat: 0n }, 10_000n).ok).toBe(true);
    expect(checkBalances({ ...of, toCounterpartyMsat: 10_000_999n }, 10_000n)).toEqual({
      ok: false,
      error: { code: 'both-below-reserve', reserveSat: 10_000n },
    });
  });
});

describe('run by bcoin with the standard flags', () => {
  const both = (commitment: CommitmentTx) => ({
    holder: { pubkey: template.holder.fundingPubkey, signature: sign(commitment.sighash, secrets.holderFunding) },
    counterparty: { pubkey: template.counterparty.fundingPubkey, signature: sign(commitment.sighash, secrets.counterpartyFunding) },
  });
  const funding = {
    amountSat: template.fundingAmountSat,
    scriptPubKey: fundingScriptPubKey(template.holder.fundingPubkey, template.counterparty.fundingPubkey),
  };

  it.each(kinds)('%s: both signatures spend the funding output, one alone or a wrong one does not', (kind) => {
    const commitment = build({ ...template, kind });
    const { holder, counterparty } = both(commitment);
    expect(spends(signedCommitment(commitment, counterparty, holder), funding)).toBe(true);
    const wrong = { ...counterparty, signature: holder.signature };
    expect(spends(signedCommitment(commitment, wrong, holder), funding)).toBe(false);
    expect(spends(signedCommitment(commitment, counterparty, holder), { ...funding, amountSat: funding.amountSat + 1n })).toBe(false);
  });
});
