/** The guard: for each refusal a request that is right but for that one thing, beside the same request made right. */
import { describe, expect, it } from 'vitest';
import { pointFromSecret, verify } from '../keys/secp.ts';
import { buildCommitment } from '../tx/commitment.ts';
import { htlcTransactions } from '../tx/htlc.ts';
import { freshGuard, type SignerGuard } from './signer.ts';
import {
  accept,
  codeOf,
  guardAt,
  guardOf,
  htlc,
  mirrored,
  ours,
  outpoint,
  peerSigns,
  revoke,
  sign,
  theirSecret,
  theirs,
  them,
  us,
} from './testing.ts';

describe('signRemoteCommitment', () => {
  it('signs 0, 1, 2 … and the peer finds each signature good', () => {
    let guard = freshGuard;
    for (const number of [0n, 1n, 2n]) {
      const signed = sign(theirs(number), guard);
      const built = buildCommitment(theirs(number));
      if (!signed.ok || !built.ok) throw new Error('not signed');
      expect(verify(signed.value.signature, built.value.sighash, us.basepoints.fundingPubkey)).toBe(true);
      guard = guardOf(number > 0n ? revoke(number - 1n, signed.value.guard) : signed);
    }
    expect(guard).toMatchObject({ remoteNumber: 2n, fundingTxid: outpoint.txid, fundingVout: 0, releasedBelow: 0n, revokedBelow: 2n });
  });

  it.each(['static_remotekey', 'anchors_zero_fee_htlc_tx'] as const)('signs the HTLC transactions of %s in their order', (kind) => {
    const htlcs = [htlc(true, 0n, 20_000n), htlc(false, 0n), htlc(false, 1n), htlc(true, 1n, 100n)];
    const template = { ...theirs(1n, 120_000n, htlcs), kind };
    const signed = sign(template, guardAt(0n));
    const built = buildCommitment(template);
    if (!signed.ok || !built.ok) throw new Error('not signed');
    const htlcTxs = htlcTransactions(template, built.value);
    expect(signed.value.htlcSignatures).toHaveLength(3);
    for (const [i, { remoteSighash }] of htlcTxs.entries())
      expect(verify(signed.value.htlcSignatures[i] ?? new Uint8Array(0), remoteSighash, built.value.keys.counterpartyHtlcPubkey)).toBe(
        true,
      );
  });

  it('the same commitment again gives the same bytes: a resend after a crash', () => {
    const first = sign(theirs(0n), freshGuard);
    expect(sign(theirs(0n), guardOf(first))).toEqual(first);
    const withHtlcs = theirs(1n, 120_000n, [htlc(true, 0n), htlc(false, 0n)]);
    const second = sign(withHtlcs, guardAt(0n));
    expect(sign(withHtlcs, guardOf(second))).toEqual(second);
  });

  it('does not change the guard it was given', () => {
    const guard = Object.freeze({ ...freshGuard });
    expect(codeOf(sign(theirs(0n), guard))).toBe('ok');
  });

  it('refuses another commitment of the same number', () => {
    const guard = guardAt(1n);
    expect(codeOf(sign(theirs(1n), guard))).toBe('ok');
    expect(codeOf(sign(theirs(1n, 120_001n), guard))).toBe('commitment-differs');
    expect(codeOf(sign({ ...theirs(1n), perCommitmentPoint: them.perCommitmentPoint(5n) }, guard))).toBe('commitment-differs');
  });

  it('refuses other HTLC transactions for the same commitment', () => {
    // What the peer has goes into the fee, so no output but the HTLC's knows of the delay.
    const template = theirs(1n, 198_044n, [htlc(false, 0n)]);
    const shorter = { ...template, toSelfDelay: 6 };
    const guard = guardOf(sign(template, guardOf(sign(theirs(0n, 198_044n), freshGuard))));
    const sighashes = [template, shorter].map((one) => buildCommitment(one)).map((built) => built.ok && built.value.sighash);
    expect(sighashes[0]).toEqual(sighashes[1]);
    expect(codeOf(sign(template, guard))).toBe('ok');
    expect(codeOf(sign(shorter, guard))).toBe('commitment-differs');
  });

  it('refuses a number beyond the next', () => {
    const after0 = { ...guardOf(sign(theirs(0n), freshGuard)), revokedBelow: 1n };
    expect(codeOf(sign(theirs(1n), after0))).toBe('ok');
    expect(codeOf(sign(theirs(2n), after0))).toBe('commitment-gap');
    expect(codeOf(sign(theirs(1n), freshGuard))).toBe('commitment-gap');
  });

  it('refuses an older number, even with the contents it once signed', () => {
    const guard = { ...guardAt(2n), revokedBelow: 0n };
    expect(codeOf(sign(theirs(2n), { ...guard, revokedBelow: 1n }))).toBe('ok');
    for (const number of [0n, 1n]) expect(codeOf(sign(theirs(number), guard))).toBe('commitment-revoked');
  });

  it('refuses a commitment that was revoked, whatever the guard says of the newest', () => {
    const guard = guardAt(1n);
    expect(codeOf(sign(theirs(1n), guard))).toBe('ok');
    expect(codeOf(sign(theirs(1n), { ...guard, revokedBelow: 2n }))).toBe('commitment-revoked');
  });

  it('refuses a third commitment beside two that are not revoked', () => {
    const two = guardOf(sign(theirs(1n), guardOf(sign(theirs(0n), freshGuard))));
    expect(codeOf(sign(theirs(2n), two))).toBe('not-revoked-yet');
    expect(codeOf(sign(theirs(2n), guardOf(revoke(0n, two))))).toBe('ok');
  });

  it('refuses another funding output, by txid or by index', () => {
    const guard = guardAt(0n);
    const txid = outpoint.txid.with(31, 0xab);
    for (const number of [0n, 1n]) {
      expect(codeOf(sign(theirs(number), guard))).toBe('ok');
      expect(codeOf(sign({ ...theirs(number), fundingOutpoint: { ...outpoint, txid } }, guard))).toBe('funding-changed');
      expect(codeOf(sign({ ...theirs(number), fundingOutpoint: { ...outpoint, vout: 1 } }, guard))).toBe('funding-changed');
    }
  });

  it.each(['fundingPubkey', 'revocationBasepoint', 'paymentBasepoint', 'delayedPaymentBasepoint', 'htlcBasepoint'] as const)(
    'refuses a template whose counterparty has another %s than ours',
    (name) => {
      const counterparty = { ...us.basepoints, [name]: them.basepoints[name] };
      expect(codeOf(sign({ ...theirs(0n), counterparty }, freshGuard))).toBe('template-invalid');
    },
  );

  it('refuses to sign our own commitment in place of theirs', () => {
    expect(codeOf(sign(ours(0n), freshGuard))).toBe('template-invalid');
  });

  it('refuses balances that do not add up to the funding, and what cannot be built', () => {
    const template = theirs(0n);
    expect(codeOf(sign({ ...template, toCounterpartyMsat: template.toCounterpartyMsat - 1n }, freshGuard))).toBe('template-invalid');
    expect(codeOf(sign({ ...template, perCommitmentPoint: new Uint8Array(33) }, freshGuard))).toBe('template-invalid');
    expect(codeOf(sign({ ...template, toSelfDelay: 0x1_0000 }, freshGuard))).toBe('template-invalid');
    expect(codeOf(sign({ ...template, holderIsOpener: false, feeratePerKw: 0.5 }, freshGuard))).toBe('template-invalid');
    const flight = theirs(1n, 120_000n, [htlc(true, 0n)]);
    expect(codeOf(sign(flight, guardAt(0n)))).toBe('ok');
    expect(codeOf(sign({ ...flight, htlcs: [htlc(true, 0n, 9_999n)] }, guardAt(0n)))).toBe('template-invalid');
  });

  it('refuses HTLCs in the first commitment', () => {
    const htlcs = [htlc(true, 0n)];
    expect(codeOf(sign(theirs(0n, 120_000n, htlcs), freshGuard))).toBe('template-invalid');
    expect(codeOf(sign(theirs(1n, 120_000n, htlcs), guardAt(0n)))).toBe('ok');
  });

  it('refuses more than 483 HTLCs in one direction', () => {
    const many = (count: number, offered: boolean) =>
      Array.from({ length: count }, (_, i) => htlc(offered, BigInt(i) % 200n, 1n, { id: BigInt(i) }));
    expect(codeOf(sign(theirs(1n, 120_000n, [...many(483, true), ...many(483, false)]), guardAt(0n)))).toBe('ok');
    for (const offered of [true, false])
      expect(codeOf(sign(theirs(1n, 120_000n, many(484, offered)), guardAt(0n)))).toBe('template-invalid');
  });

  it('refuses two HTLCs of one id in one direction', () => {
    expect(codeOf(sign(theirs(1n, 120_000n, [htlc(true, 0n), htlc(false, 0n)]), guardAt(0n)))).toBe('ok');
    for (const offered of [true, false])
      expect(codeOf(sign(theirs(1n, 120_000n, [htlc(offered, 0n), htlc(offered, 0n)]), guardAt(0n)))).toBe('template-invalid');
  });

  it('refuses a fee beyond half of the channel, or a feerate that no block asks for, where we pay it', () => {
    // 1124 weight units: 88,968 per kw is the last feerate of 100,000 sat.
    const weOpened = { ...theirs(0n, 190_000n), holderIsOpener: false };
    expect(codeOf(sign({ ...weOpened, feeratePerKw: 88_968 }, freshGuard))).toBe('ok');
    expect(codeOf(sign({ ...weOpened, feeratePerKw: 88_969 }, freshGuard))).toBe('fee-out-of-range');
    expect(codeOf(sign({ ...theirs(0n), feeratePerKw: 88_969 }, freshGuard))).toBe('ok');
    const large = { ...weOpened, fundingAmountSat: 10_000_000n, toCounterpartyMsat: 9_990_000_000n };
    expect(codeOf(sign({ ...large, feeratePerKw: 250_000 }, freshGuard))).toBe('ok');
    expect(codeOf(sign({ ...large, feeratePerKw: 250_001 }, freshGuard))).toBe('fee-out-of-range');
  });
});

describe('acceptRevocation', () => {
  const signed1 = guardOf(sign(theirs(1n), guardOf(sign(theirs(0n), freshGuard))));

  it('takes the secrets in their order', () => {
    expect(guardOf(revoke(0n, signed1))).toEqual({ ...signed1, revokedBelow: 1n });
  });

  it('refuses a secret of another point, and what is no secret', () => {
    for (const secret of [theirSecret(1n), new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(0)])
      expect(codeOf(us.acceptRevocation(0n, secret, them.perCommitmentPoint(0n), signed1))).toBe('secret-wrong');
  });

  it('refuses a secret out of order', () => {
    const signed2 = { ...signed1, remoteNumber: 2n };
    expect(codeOf(revoke(0n, signed2))).toBe('ok');
    expect(codeOf(revoke(1n, signed2))).toBe('secret-wrong');
    expect(codeOf(revoke(0n, guardOf(revoke(0n, signed2))))).toBe('secret-wrong');
  });

  it('refuses the secret of the newest commitment: the peer would have none left', () => {
    expect(codeOf(revoke(1n, guardOf(revoke(0n, signed1))))).toBe('secret-wrong');
    expect(codeOf(revoke(0n, freshGuard))).toBe('secret-wrong');
  });
});

describe('acceptLocalCommitment', () => {
  it('accepts 0, 1, 2 … with the peer’s signature and pins the funding', () => {
    expect(guardAt(2n)).toMatchObject({ localNumber: 2n, releasedBelow: 2n, fundingTxid: outpoint.txid, fundingVout: 0 });
    expect(guardOf(accept(ours(0n), freshGuard))).toMatchObject({ fundingTxid: outpoint.txid, fundingVout: 0 });
  });

  it('accepts the newest again: the peer may send it again after a reconnect', () => {
    const guard = guardAt(1n);
    expect(guardOf(accept(ours(1n), guard))).toEqual(guard);
  });

  it('refuses a signature for anything else', () => {
    const template = ours(0n);
    const signature = (bytes: Uint8Array) => ({ signature: bytes, htlcSignatures: [] });
    expect(codeOf(accept(template, freshGuard, peerSigns(ours(0n, 80_001n))))).toBe('signature-invalid');
    expect(codeOf(accept(template, freshGuard, signature(new Uint8Array(64))))).toBe('signature-invalid');
    expect(codeOf(accept(template, freshGuard, signature(new Uint8Array(0))))).toBe('signature-invalid');
    expect(codeOf(accept(template, freshGuard))).toBe('ok');
  });

  it('refuses an HTLC signature that is wrong, missing or one too many, and says which', () => {
    const template = ours(1n, 120_000n, [htlc(true, 0n), htlc(false, 0n), htlc(true, 1n)]);
    const { signature, htlcSignatures } = peerSigns(template);
    const [a = signature, b = signature, c = signature] = htlcSignatures;
    const indexOf = (signatures: readonly Uint8Array[]): unknown => {
      const result = accept(template, guardAt(0n), { signature, htlcSignatures: signatures });
      return result.ok ? 'ok' : 'index' in result.error ? result.error.index : result.error.code;
    };
    expect(indexOf([a, b, c])).toBe('ok');
    expect(indexOf([b, a, c])).toBe(0);
    expect(indexOf([a, b, b])).toBe(2);
    expect(indexOf([a, b])).toBe(2);
    expect(indexOf([a, b, c, c])).toBe(3);
    expect(indexOf([])).toBe(0);
  });

  it('refuses another commitment of the newest number', () => {
    const guard = guardAt(1n);
    expect(codeOf(accept(ours(1n, 80_001n), guard))).toBe('commitment-differs');
  });

  it('refuses a number beyond the next', () => {
    expect(codeOf(accept(ours(1n), freshGuard))).toBe('commitment-gap');
    const guard = guardAt(1n);
    expect(codeOf(accept(ours(2n), guard))).toBe('ok');
    expect(codeOf(accept(ours(3n), guard))).toBe('commitment-gap');
  });

  it('refuses an older number though its secret has not left yet', () => {
    const guard = guardOf(accept(ours(1n), guardOf(accept(ours(0n), freshGuard))));
    expect(guard.releasedBelow).toBe(0n);
    expect(codeOf(accept(ours(0n), guard))).toBe('state-revoked');
  });

  it('refuses a number whose secret has left, whatever the guard says of the newest', () => {
    const damaged = { ...freshGuard, fundingTxid: outpoint.txid, fundingVout: 0, releasedBelow: 1n };
    expect(codeOf(accept(ours(0n), { ...damaged, releasedBelow: 0n }))).toBe('ok');
    expect(codeOf(accept(ours(0n), damaged))).toBe('state-revoked');
  });

  it('refuses a holder that is not us, and a per-commitment point of another number', () => {
    const none = { signature: new Uint8Array(64), htlcSignatures: [] };
    expect(codeOf(accept(theirs(0n), freshGuard, none))).toBe('template-invalid');
    const holder = { ...us.basepoints, htlcBasepoint: them.basepoints.htlcBasepoint };
    expect(codeOf(accept({ ...ours(0n), holder }, freshGuard))).toBe('template-invalid');
    expect(codeOf(accept({ ...ours(0n), perCommitmentPoint: us.perCommitmentPoint(1n) }, freshGuard))).toBe('template-invalid');
  });

  it('refuses another funding output, balances that do not add up, and too high a fee of ours', () => {
    const guard = guardAt(0n);
    const moved = { ...ours(1n), fundingOutpoint: { ...outpoint, vout: 7 } };
    expect(codeOf(accept(moved, guard))).toBe('funding-changed');
    const none = { signature: new Uint8Array(64), htlcSignatures: [] };
    expect(codeOf(accept({ ...ours(0n), toHolderMsat: 1n }, freshGuard, none))).toBe('template-invalid');
    expect(codeOf(accept({ ...ours(0n), holderIsOpener: true, feeratePerKw: 90_000 }, freshGuard))).toBe('fee-out-of-range');
  });
});

describe('releaseSecret', () => {
  it('releases what a newer accepted commitment has replaced: the secret of the announced point, again if asked', () => {
    const guard = guardOf(accept(ours(1n), guardOf(accept(ours(0n), freshGuard))));
    const released = us.releaseSecret(0n, guard);
    if (!released.ok) throw new Error(released.error.detail);
    expect(pointFromSecret(released.value.secret)).toEqual(us.perCommitmentPoint(0n));
    expect(released.value.guard).toEqual({ ...guard, releasedBelow: 1n });
    expect(us.releaseSecret(0n, released.value.guard)).toEqual(released);
    const later = guardAt(3n);
    expect(guardOf(us.releaseSecret(0n, later))).toEqual(later);
  });

  it('refuses the newest accepted commitment, a future one, and all while none is accepted', () => {
    expect(codeOf(us.releaseSecret(0n, freshGuard))).toBe('secret-not-revocable');
    const guard = guardAt(1n);
    expect(codeOf(us.releaseSecret(0n, guard))).toBe('ok');
    for (const number of [-1n, 1n, 2n, 2n ** 48n]) expect(codeOf(us.releaseSecret(number, guard))).toBe('secret-not-revocable');
  });

  it('refuses to skip one', () => {
    const guard = { ...guardAt(2n), releasedBelow: 0n };
    expect(codeOf(us.releaseSecret(0n, guard))).toBe('ok');
    expect(codeOf(us.releaseSecret(1n, guard))).toBe('commitment-gap');
  });
});

describe('signLocalCommitment', () => {
  const htlcs = [htlc(true, 0n), htlc(false, 0n)];
  const template = ours(1n, 120_000n, htlcs);
  const { signature } = peerSigns(template);
  const guard = guardAt(1n, htlcs);
  const publish = (before: SignerGuard, change: Partial<typeof template> = {}, remote = signature) =>
    us.signLocalCommitment({ ...template, ...change }, remote, before);

  it('gives the newest commitment, and the same again', () => {
    const first = publish(guard);
    expect(guardOf(first)).toEqual({ ...guard, localPublished: true });
    expect(publish(guardOf(first))).toEqual(first);
  });

  it('refuses a commitment that is not the newest accepted', () => {
    const later = guardOf(accept(ours(2n, 120_000n, htlcs), guard));
    expect(codeOf(publish(later))).toBe('state-revoked');
    expect(codeOf(publish(freshGuard))).toBe('state-revoked');
    expect(codeOf(publish({ ...guard, releasedBelow: 2n }))).toBe('state-revoked');
  });

  it('refuses other contents than were accepted', () => {
    const other = ours(1n, 120_000n, []);
    expect(codeOf(us.signLocalCommitment(other, peerSigns(other).signature, guard))).toBe('commitment-differs');
    expect(codeOf(us.signLocalCommitment(theirs(1n, 120_000n, htlcs.map(mirrored)), signature, guard))).toBe('template-invalid');
  });

  it('refuses what the peer did not sign', () => {
    expect(codeOf(publish(guard, {}, new Uint8Array(64)))).toBe('spend-invalid');
  });

  it('ends the channel: no secret, no commitment of either side, no close after it', () => {
    const after = guardOf(publish(guard));
    expect(codeOf(us.releaseSecret(0n, guard))).toBe('ok');
    expect(codeOf(us.releaseSecret(0n, after))).toBe('channel-published');
    const next = theirs(2n, 120_000n, htlcs.map(mirrored));
    expect(codeOf(sign(next, guard))).toBe('ok');
    expect(codeOf(sign(next, after))).toBe('channel-published');
    expect(codeOf(accept(ours(2n), guard))).toBe('ok');
    expect(codeOf(accept(ours(2n), after))).toBe('channel-published');
  });
});
