/** The closing transactions: who pays, what is left out, and that both signatures spend the funding output. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../lib/bytes.ts';
import { sign } from '../keys/secp.ts';
import { secrets, template } from '../testing/commitment.ts';
import { idAndWeight, spends } from '../testing/interpreter.ts';
import {
  type buildClosing,
  type ClosingTx,
  type ClosingVariant,
  closeeVariant,
  closerVariants,
  closingWeight,
  type LegacyClosing,
  legacyClosing,
  type SimpleClosing,
  signedClosing,
  simpleClosing,
} from './closing.ts';
import { isDust } from './dust.ts';
import { fundingScriptPubKey } from './scripts.ts';
import { compareOutputs } from './transaction.ts';

const channel = {
  fundingOutpoint: template.fundingOutpoint,
  fundingAmountSat: 200_000n,
  localFundingPubkey: template.holder.fundingPubkey,
  remoteFundingPubkey: template.counterparty.fundingPubkey,
};
const ours = fromHex(`0014${'aa'.repeat(20)}`);
const theirs = fromHex(`5120${'bb'.repeat(32)}`);
const opReturn = fromHex(`6a06${'cc'.repeat(6)}`);
const funding = {
  amountSat: channel.fundingAmountSat,
  scriptPubKey: fundingScriptPubKey(channel.localFundingPubkey, channel.remoteFundingPubkey),
};

const legacy: LegacyClosing = {
  channel,
  local: { balanceMsat: 50_000_999n, scriptPubKey: ours },
  remote: { balanceMsat: 149_999_001n, scriptPubKey: theirs },
  localIsOpener: false,
  feeSat: 1000n,
  dustLimitSat: 354n,
};
const simple: SimpleClosing = {
  channel,
  closer: legacy.local,
  closee: legacy.remote,
  feeSat: 1000n,
  lockTime: 800_000,
  variant: 'closer_and_closee_outputs',
};

type Built = ReturnType<typeof buildClosing>;
const closingOf = (built: Built): ClosingTx => {
  if (!built.ok) throw new Error(built.error.code);
  return built.value;
};
const codeOf = (built: Built) => (built.ok ? 'built' : built.error.code);
const paid = (built: Built) => {
  const { outputs } = closingOf(built).transaction;
  const to = (script: Uint8Array) => outputs.find(({ scriptPubKey }) => scriptPubKey === script)?.amountSat;
  return { ours: to(ours), theirs: to(theirs), count: outputs.length };
};

describe('closing_signed', () => {
  it('the opener pays the fee, each output is rounded down', () => {
    expect(paid(legacyClosing(legacy))).toEqual({ ours: 50_000n, theirs: 148_999n, count: 2 });
    expect(paid(legacyClosing({ ...legacy, localIsOpener: true }))).toEqual({ ours: 49_000n, theirs: 149_999n, count: 2 });
    expect(closingOf(legacyClosing(legacy)).feeSat).toBe(1001n);
    const { version, lockTime, inputs } = closingOf(legacyClosing(legacy)).transaction;
    expect([version, lockTime, inputs[0]?.sequence]).toEqual([2, 0, 0xffff_ffff]);
  });

  it('an output at the dust limit of the signer is made, below it not; a side may leave out its own', () => {
    const poor = (sat: bigint) => ({ ...legacy, local: { ...legacy.local, balanceMsat: sat * 1000n } });
    expect(paid(legacyClosing(poor(354n)))).toMatchObject({ ours: 354n, count: 2 });
    expect(paid(legacyClosing(poor(353n)))).toMatchObject({ ours: undefined, count: 1 });
    expect(paid(legacyClosing({ ...legacy, omitted: 'local' }))).toEqual({ ours: undefined, theirs: 148_999n, count: 1 });
    expect(paid(legacyClosing({ ...legacy, omitted: 'remote' }))).toEqual({ ours: 50_000n, theirs: undefined, count: 1 });
  });

  it('is refused where nobody is paid or the opener cannot pay', () => {
    expect(codeOf(legacyClosing({ ...legacy, dustLimitSat: 200_000n }))).toBe('no-outputs');
    expect(paid(legacyClosing({ ...legacy, feeSat: 149_999n, dustLimitSat: 0n }))).toEqual({ ours: 50_000n, theirs: 0n, count: 2 });
    expect(codeOf(legacyClosing({ ...legacy, feeSat: 150_000n }))).toBe('fee-exceeds-balance');
    expect(codeOf(legacyClosing({ ...legacy, localIsOpener: true, feeSat: 50_001n }))).toBe('fee-exceeds-balance');
    expect(codeOf(legacyClosing({ ...legacy, local: { ...legacy.local, balanceMsat: 60_000_000n } }))).toBe('outputs-exceed-funding');
  });
});

describe('closing_complete', () => {
  it.each<[ClosingVariant, object]>([
    ['closer_output_only', { ours: 49_000n, theirs: undefined, count: 1 }],
    ['closee_output_only', { ours: undefined, theirs: 149_999n, count: 1 }],
    ['closer_and_closee_outputs', { ours: 49_000n, theirs: 149_999n, count: 2 }],
  ])('%s: the closer pays', (variant, expected) => {
    const built = simpleClosing({ ...simple, variant });
    expect(paid(built)).toEqual(expected);
    const { version, lockTime, inputs } = closingOf(built).transaction;
    expect([version, lockTime, inputs[0]?.sequence]).toEqual([2, 800_000, 0xffff_fffd]);
  });

  it('OP_RETURN is paid nothing, on either side', () => {
    const closer = simpleClosing({ ...simple, closer: { ...simple.closer, scriptPubKey: opReturn } });
    expect(closingOf(closer).transaction.outputs).toEqual([
      { amountSat: 0n, scriptPubKey: opReturn },
      { amountSat: 149_999n, scriptPubKey: theirs },
    ]);
    const closee = simpleClosing({ ...simple, closee: { ...simple.closee, scriptPubKey: opReturn } });
    expect(closingOf(closee).feeSat).toBe(151_000n);
  });

  it('the fee may be all that the closer has, and no more', () => {
    expect(codeOf(simpleClosing({ ...simple, feeSat: 50_000n }))).toBe('built');
    expect(codeOf(simpleClosing({ ...simple, feeSat: 50_001n }))).toBe('fee-exceeds-balance');
  });
});

describe('which signatures', () => {
  // P2WPKH is dust below 294 sat, a segwit program of another version below 354.
  const variants = (closerSat: bigint, closeeSat: bigint, closerScript = ours) =>
    closerVariants({
      closer: { balanceMsat: closerSat * 1000n, scriptPubKey: closerScript },
      closee: { balanceMsat: closeeSat * 1000n, scriptPubKey: theirs },
      feeSat: 100n,
    });

  it('the closer sends: the poorer one leaves out its dust, the richer one lets the other leave itself out', () => {
    expect(variants(394n, 9000n)).toEqual(['closer_and_closee_outputs']);
    expect(variants(393n, 9000n)).toEqual(['closee_output_only']);
    expect(variants(393n, 9000n, opReturn)).toEqual(['closer_and_closee_outputs']);
    expect(variants(9000n, 354n)).toEqual(['closer_output_only', 'closer_and_closee_outputs']);
    expect(variants(9000n, 353n)).toEqual(['closer_output_only']);
    expect(variants(9000n, 9000n)).toEqual(['closer_output_only', 'closer_and_closee_outputs']);
  });

  it('the closee checks: without its own output only if that is dust', () => {
    const closee = (sat: bigint) => ({ balanceMsat: sat * 1000n, scriptPubKey: theirs });
    const all: readonly ClosingVariant[] = ['closer_output_only', 'closee_output_only', 'closer_and_closee_outputs'];
    expect(closeeVariant(closee(353n), all)).toBe('closer_output_only');
    expect(closeeVariant(closee(354n), all)).toBe('closer_and_closee_outputs');
    expect(closeeVariant(closee(354n), ['closer_output_only'])).toBe('closee_output_only');
  });

  it('what an honest closer sends is enough for the closee, and no output is dust', () => {
    const amounts = fc.record({ closerSat: fc.bigInt({ min: 460n, max: 2000n }), closeeSat: fc.bigInt({ min: 0n, max: 2000n }) });
    fc.assert(
      fc.property(amounts, ({ closerSat, closeeSat }) => {
        const closer = { balanceMsat: closerSat * 1000n, scriptPubKey: ours };
        const closee = { balanceMsat: closeeSat * 1000n, scriptPubKey: theirs };
        const offered = closerVariants({ closer, closee, feeSat: 100n });
        const variant = closeeVariant(closee, offered);
        expect(offered).toContain(variant);
        const closing = closingOf(simpleClosing({ ...simple, closer, closee, feeSat: 100n, variant }));
        expect(closing.transaction.outputs.filter(isDust)).toEqual([]);
      }),
    );
  });
});

it('outputs and fee are the funding, outputs are in order, both sides build the same', () => {
  const sides = fc.record({
    local: fc.bigInt({ min: 0n, max: 200_000_000n }),
    feeSat: fc.bigInt({ min: 0n, max: 5000n }),
    opens: fc.boolean(),
  });
  fc.assert(
    fc.property(sides, ({ local, feeSat, opens }) => {
      const side = (balanceMsat: bigint, scriptPubKey: Uint8Array) => ({ balanceMsat, scriptPubKey });
      const [a, b] = [side(local, ours), side(200_000_000n - local, theirs)];
      const built = legacyClosing({ ...legacy, local: a, remote: b, localIsOpener: opens, feeSat });
      const swapped = { ...channel, localFundingPubkey: channel.remoteFundingPubkey, remoteFundingPubkey: channel.localFundingPubkey };
      const mirror = legacyClosing({ ...legacy, channel: swapped, local: b, remote: a, localIsOpener: !opens, feeSat });
      expect(mirror).toEqual(built);
      if (!built.ok) return;
      const { outputs } = built.value.transaction;
      expect(outputs.reduce((sum, { amountSat }) => sum + amountSat, built.value.feeSat)).toBe(channel.fundingAmountSat);
      expect([...outputs].sort(compareOutputs)).toEqual(outputs);
    }),
  );
});

it('both signatures spend the funding output, and the weight is an upper bound within a few bytes', () => {
  for (const built of [legacyClosing(legacy), simpleClosing(simple), simpleClosing({ ...simple, variant: 'closer_output_only' })]) {
    const closing = closingOf(built);
    const local = { pubkey: channel.localFundingPubkey, signature: sign(closing.sighash, secrets.holderFunding) };
    const remote = { pubkey: channel.remoteFundingPubkey, signature: sign(closing.sighash, secrets.counterpartyFunding) };
    const raw = signedClosing(closing, local, remote);
    expect(spends(raw, funding)).toBe(true);
    expect(spends(signedClosing(closing, { ...local, signature: remote.signature }, remote), funding)).toBe(false);
    const { weight } = idAndWeight(raw);
    expect(closing.weight).toBe(closingWeight(closing.transaction.outputs.map(({ scriptPubKey }) => scriptPubKey)));
    expect(closing.weight - weight).toBeGreaterThanOrEqual(0);
    expect(closing.weight - weight).toBeLessThanOrEqual(4);
  }
});
