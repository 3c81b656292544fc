/** Every way out of a commitment, run by bcoin with the standard flags: the rightful claim passes, and each condition is needed. */
import { describe, expect, it } from 'vitest';
import { pointFromSecret } from '../keys/secp.ts';
import {
  type Attempt,
  build,
  claim,
  claimOfWeight,
  htlc,
  kinds,
  type Left,
  leftBy,
  preimageOf,
  secret,
  secrets,
  template,
  withHtlcs,
} from '../testing/commitment.ts';
import { idAndWeight } from '../testing/interpreter.ts';
import {
  anchorsCsvSequence,
  anchorWitness,
  buildClaim,
  claimWeight,
  claimWitnessWeight,
  htlcOfferedPreimageWitness,
  htlcPenaltyWitness,
  htlcReceivedTimeoutWitness,
  p2wpkhWitness,
  rbfSequence,
  toLocalDelayedWitness,
  toLocalPenaltyWitness,
  toRemoteAnchorsWitness,
} from './claim.ts';
import type { ChannelKind } from './commitment.ts';
import { htlcTransactions } from './htlc.ts';
import { serializeTransaction, txidOf, withWitnesses } from './transaction.ts';

const offeredId = 4n;
const receivedId = 5n;
const expiry = 700_123;
const withBoth = (kind: ChannelKind) =>
  withHtlcs({ ...template, kind }, [htlc(offeredId, true, 20_000_000n, expiry + 9), htlc(receivedId, false, 30_000_000n, expiry)]);
const stranger = secret(0x77);

/** The attempt passes; with any of the changes it does not. */
function passesOnly(left: Left, attempt: Attempt, witnessWeight: number, changes: { readonly [why: string]: Partial<Attempt> }): void {
  const { valid, weight } = claim(left, attempt);
  expect(valid).toBe(true);
  expect(weight).toBe(claimOfWeight(witnessWeight));
  for (const [why, change] of Object.entries({ 'a wrong key': { key: stranger }, ...changes }))
    expect({ why, valid: claim(left, { ...attempt, ...change }).valid }).toEqual({ why, valid: false });
}
const scriptBytes = (left: Left): number => left.witnessScript?.length ?? 0;

describe.each(kinds)('%s', (kind) => {
  it('to_local: the holder’s after the delay, the counterparty’s at once with the revoked secret', () => {
    for (const toSelfDelay of [1, 16, 17, 144, 0x8000, 0xffff]) {
      const left = leftBy(build({ ...template, kind, toSelfDelay }), 'to-local');
      const delayed: Attempt = { key: secrets.delayed, sequence: toSelfDelay, witness: toLocalDelayedWitness };
      passesOnly(left, delayed, claimWitnessWeight.toLocalDelayed(scriptBytes(left)), {
        'a block early': { sequence: toSelfDelay - 1 },
        'no delay': { sequence: rbfSequence },
        'the other branch': { witness: toLocalPenaltyWitness },
      });
      const penalty: Attempt = { key: secrets.revocation, witness: toLocalPenaltyWitness };
      passesOnly(left, penalty, claimWitnessWeight.toLocalPenalty(scriptBytes(left)), { 'the holder’s key': { key: secrets.delayed } });
    }
  });

  it('what the holder offered: the counterparty’s with the preimage', () => {
    const left = leftBy(build(withBoth(kind)), 'offered-htlc');
    const witness = (preimage: Uint8Array) => (sig: Uint8Array, script: Uint8Array) => htlcOfferedPreimageWitness(sig, preimage, script);
    const attempt: Attempt = { key: secrets.counterpartyHtlc, sequence: anchorsCsvSequence, witness: witness(preimageOf(offeredId)) };
    passesOnly(left, attempt, claimWitnessWeight.htlcOfferedPreimage(scriptBytes(left)), {
      'a wrong preimage': { witness: witness(preimageOf(receivedId)) },
      'the hash for the preimage': { witness: witness(htlc(offeredId, true, 0n, 0).paymentHash) },
      'no preimage': { witness: htlcReceivedTimeoutWitness },
      'the holder’s key': { key: secrets.holderHtlc },
    });
    // BOLT 3: "if `option_anchors` applies, the nSequence field of the spending input must be `1`."
    expect(claim(left, { ...attempt, sequence: 0 }).valid).toBe(kind === 'static_remotekey');
    expect(claim(left, { ...attempt, sequence: rbfSequence }).valid).toBe(kind === 'static_remotekey');
  });

  it('what the holder received: the counterparty’s again at the expiry', () => {
    const left = leftBy(build(withBoth(kind)), 'received-htlc');
    const attempt: Attempt = {
      key: secrets.counterpartyHtlc,
      sequence: anchorsCsvSequence,
      lockTime: expiry,
      witness: htlcReceivedTimeoutWitness,
    };
    passesOnly(left, attempt, claimWitnessWeight.htlcReceivedTimeout(scriptBytes(left)), {
      'a block early': { lockTime: expiry - 1 },
      'a time for a height': { lockTime: 1_700_000_000 },
      'a final input': { sequence: 0xffff_ffff },
      'the preimage': { witness: (sig, script) => htlcOfferedPreimageWitness(sig, preimageOf(receivedId), script) },
    });
    expect(claim(left, { ...attempt, sequence: 0 }).valid).toBe(kind === 'static_remotekey');
  });

  it('either HTLC: the counterparty’s at once with the revoked secret', () => {
    const built = build(withBoth(kind));
    const witness = (key: Uint8Array) => (sig: Uint8Array, script: Uint8Array) => htlcPenaltyWitness(sig, pointFromSecret(key), script);
    for (const role of ['offered-htlc', 'received-htlc'] as const) {
      const left = leftBy(built, role);
      const attempt: Attempt = { key: secrets.revocation, witness: witness(secrets.revocation) };
      passesOnly(left, attempt, claimWitnessWeight.htlcPenalty(scriptBytes(left)), {
        'another key with its own signature': { key: stranger, witness: witness(stranger) },
      });
    }
  });

  it('a second-stage output: the holder’s after the delay, the counterparty’s at once with the revoked secret', () => {
    const of = withBoth(kind);
    const stages = htlcTransactions(of, build(of));
    expect(stages).toHaveLength(2);
    for (const { transaction, outputWitnessScript: witnessScript } of stages) {
      const [output] = transaction.outputs;
      if (output === undefined) throw new Error('no output');
      const left: Left = { ...output, txid: txidOf(transaction), vout: 0, witnessScript };
      const delayed: Attempt = { key: secrets.delayed, sequence: of.toSelfDelay, witness: toLocalDelayedWitness };
      const weight = claimWitnessWeight.toLocalDelayed(witnessScript.length);
      passesOnly(left, delayed, weight, { 'a block early': { sequence: of.toSelfDelay - 1 } });
      const penalty: Attempt = { key: secrets.revocation, witness: toLocalPenaltyWitness };
      passesOnly(left, penalty, claimWitnessWeight.toLocalPenalty(witnessScript.length), {});
    }
  });
});

it('to_remote is the counterparty’s: at once, or after one block with anchors', () => {
  const key = secrets.counterpartyPayment;
  const anchors = leftBy(build(template), 'to-remote');
  const csv: Attempt = { key, sequence: anchorsCsvSequence, witness: toRemoteAnchorsWitness };
  passesOnly(anchors, csv, claimWitnessWeight.toRemoteAnchors(scriptBytes(anchors)), { 'at once': { sequence: 0 } });
  const plain = leftBy(build({ ...template, kind: 'static_remotekey' }), 'to-remote');
  const pubkey = (sig: Uint8Array) => p2wpkhWitness(sig, template.counterparty.paymentBasepoint);
  passesOnly(plain, { key, witness: pubkey }, claimWitnessWeight.p2wpkh(), {});
});

it('an anchor is its owner’s at once and anyone’s after 16 blocks', () => {
  const commitment = build(template);
  const owners = [
    ['to-local-anchor', secrets.holderFunding, secrets.counterpartyFunding],
    ['to-remote-anchor', secrets.counterpartyFunding, secrets.holderFunding],
  ] as const;
  for (const [role, key, other] of owners) {
    const left = leftBy(commitment, role);
    const weight = claimWitnessWeight.anchor(scriptBytes(left));
    passesOnly(left, { key, witness: anchorWitness }, weight, { 'the other side’s key': { key: other } });
    const anyone: Attempt = { key: stranger, sequence: 16, witness: (_sig, script) => [new Uint8Array(0), script] };
    expect(claim(left, anyone).valid).toBe(true);
    expect(claim(left, { ...anyone, sequence: 15 }).valid).toBe(false);
  }
});

it('the weight of a claim is that of the whole transaction, however many inputs and outputs', () => {
  const witness = toLocalDelayedWitness(new Uint8Array(64).fill(0x7f), new Uint8Array(78));
  const shorter = 73 - (witness[0]?.length ?? 0);
  for (const [inputs, outputs, scriptBytes] of [
    [1, 1, 22],
    [2, 3, 34],
    [252, 252, 34],
    [253, 253, 252],
    [1, 1, 253],
  ] as const) {
    const claimed = Array.from({ length: inputs }, (_, vout) => ({
      outpoint: { txid: secret(3), vout },
      sequence: rbfSequence,
      weight: claimWitnessWeight.toLocalDelayed(78) - shorter,
    }));
    const paid = Array.from({ length: outputs }, () => ({ amountSat: 1000n, scriptPubKey: new Uint8Array(scriptBytes) }));
    const tx = buildClaim({ inputs: claimed, outputs: paid, lockTime: 800_000 });
    const raw = serializeTransaction(
      withWitnesses(
        tx,
        claimed.map(() => witness),
      ),
    );
    const scripts = paid.map(({ scriptPubKey }) => scriptPubKey);
    expect(idAndWeight(raw).weight).toBe(claimWeight(claimed, scripts));
  }
});

it('BOLT 5 § Penalty Transactions Weight Calculation, for the scripts that it assumes', () => {
  // BOLT 5 counts the length of the item that is 1, and not the item.
  expect(claimWitnessWeight.toLocalPenalty(83)).toBe(160 + 1);
  expect(claimWitnessWeight.htlcPenalty(133)).toBe(243);
  expect(claimWitnessWeight.htlcPenalty(139)).toBe(249);
});
