/** Claims: what we sign spends the output under the rules of the chain, and each refusal stands beside the same claim made right. */
import { describe, expect, it } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { revocationPubkey } from '../keys/derive.ts';
import { spends } from '../testing/interpreter.ts';
import * as claim from '../tx/claim.ts';
import { buildCommitment, type ChannelKind, type CommitmentOutput, type CommitmentTemplate, type OutputRole } from '../tx/commitment.ts';
import { type HtlcTx, htlcTransactions, htlcTxWitness } from '../tx/htlc.ts';
import { fundingWitnessScript, p2wsh } from '../tx/scripts.ts';
import { serializeTransaction, type Transaction, type TxOutput, withWitnesses } from '../tx/transaction.ts';
import { freshGuard, type HtlcSpend, type SignerGuard, type Spend, type SpendKey } from './signer.ts';
import { accept, codeOf, guardOf, htlc, mirrored, ours, peerSigns, preimageOf, theirSecret, theirs, them, us, wallet } from './testing.ts';

const sweepIndex = 9;
const toWallet = (amountSat: bigint): TxOutput => ({ amountSat, scriptPubKey: wallet.scriptPubKey(sweepIndex) });
const kinds: readonly ChannelKind[] = ['static_remotekey', 'anchors_zero_fee_htlc_tx'];
/** As we see them: one of each side. */
const htlcs = [htlc(true, 0n, 20_000n), htlc(false, 1n)];
const ourCommitment = (kind: ChannelKind) => ({ ...ours(1n, 120_000n, htlcs), kind });
const theirCommitment = (kind: ChannelKind) => ({ ...theirs(1n, 120_000n, htlcs.map(mirrored)), kind });

/** An output of a commitment, where it is, and the second stage behind it. */
function find(template: CommitmentTemplate, role: OutputRole) {
  const built = buildCommitment(template);
  if (!built.ok) throw new Error(built.error.detail);
  const vout = built.value.outputs.findIndex((output) => output.role === role);
  const output = built.value.outputs[vout];
  if (!output) throw new Error(`no ${role}`);
  const htlcTx = htlcTransactions(template, built.value).find((one) => one.vout === vout);
  return { output, outpoint: { txid: built.value.txid, vout }, htlcTx };
}
/** The output of the second stage behind an HTLC, as an output to be spent. */
function secondStage(template: CommitmentTemplate, role: OutputRole): CommitmentOutput {
  const { htlcTx } = find(template, role);
  const [output] = htlcTx?.transaction.outputs ?? [];
  if (!htlcTx || !output) throw new Error(`no second stage of ${role}`);
  return { role: 'to-local', ...output, witnessScript: htlcTx.outputWitnessScript };
}

const must = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { detail: string } }): T => {
  if (!result.ok) throw new Error(result.error.detail);
  return result.value;
};

const delayed: SpendKey = { kind: 'delayed', perCommitmentPoint: us.perCommitmentPoint(1n) };
const ourHtlc: SpendKey = { kind: 'htlc', perCommitmentPoint: them.perCommitmentPoint(1n) };
const revocation: SpendKey = { kind: 'revocation', perCommitmentSecret: theirSecret(1n) };
const revocationKey = revocationPubkey(us.basepoints.revocationBasepoint, them.perCommitmentPoint(1n)) ?? new Uint8Array(0);
const payment: SpendKey = { kind: 'payment' };
const anchor: SpendKey = { kind: 'anchor' };

type Case = {
  readonly name: string;
  readonly kinds?: readonly ChannelKind[];
  readonly key: SpendKey;
  readonly output: (kind: ChannelKind) => CommitmentOutput;
  readonly sequence?: (kind: ChannelKind) => number;
  readonly lockTime?: number;
  readonly witness: (signature: Uint8Array, script: Uint8Array) => readonly Uint8Array[];
};
const csv = (kind: ChannelKind): number => (kind === 'static_remotekey' ? claim.rbfSequence : claim.anchorsCsvSequence);
const delay = (): number => 144;
const penaltyOfHtlc: Case['witness'] = (signature, script) => claim.htlcPenaltyWitness(signature, revocationKey, script);
const cases: readonly Case[] = [
  {
    name: 'our to_local',
    key: delayed,
    output: (kind) => find(ourCommitment(kind), 'to-local').output,
    sequence: delay,
    witness: claim.toLocalDelayedWitness,
  },
  {
    name: 'our second stage',
    key: delayed,
    output: (kind) => secondStage(ourCommitment(kind), 'offered-htlc'),
    sequence: delay,
    witness: claim.toLocalDelayedWitness,
  },
  {
    name: 'an HTLC that the peer offered, by its preimage',
    key: ourHtlc,
    output: (kind) => find(theirCommitment(kind), 'offered-htlc').output,
    sequence: csv,
    witness: (signature, script) => claim.htlcOfferedPreimageWitness(signature, preimageOf(1n), script),
  },
  {
    name: 'an HTLC that we offered, after its expiry',
    key: ourHtlc,
    output: (kind) => find(theirCommitment(kind), 'received-htlc').output,
    sequence: csv,
    lockTime: 800_000,
    witness: claim.htlcReceivedTimeoutWitness,
  },
  {
    name: 'a revoked to_local',
    key: revocation,
    output: (kind) => find(theirCommitment(kind), 'to-local').output,
    witness: claim.toLocalPenaltyWitness,
  },
  {
    name: 'a revoked second stage',
    key: revocation,
    output: (kind) => secondStage(theirCommitment(kind), 'received-htlc'),
    witness: claim.toLocalPenaltyWitness,
  },
  {
    name: 'a revoked offered HTLC',
    key: revocation,
    output: (kind) => find(theirCommitment(kind), 'offered-htlc').output,
    sequence: csv,
    witness: penaltyOfHtlc,
  },
  {
    name: 'a revoked received HTLC',
    key: revocation,
    output: (kind) => find(theirCommitment(kind), 'received-htlc').output,
    sequence: csv,
    witness: penaltyOfHtlc,
  },
  {
    name: 'our to_remote',
    key: payment,
    output: (kind) => find(theirCommitment(kind), 'to-remote').output,
    sequence: csv,
    witness: (signature, script) =>
      script.length === 0
        ? claim.p2wpkhWitness(signature, us.basepoints.paymentBasepoint)
        : claim.toRemoteAnchorsWitness(signature, script),
  },
  {
    name: 'our anchor',
    kinds: ['anchors_zero_fee_htlc_tx'],
    key: anchor,
    output: (kind) => find(ourCommitment(kind), 'to-local-anchor').output,
    witness: claim.anchorWitness,
  },
];

/** Input 0 spends `output`; what the anchor cannot pay another input brings. */
function spendOf(
  { key, sequence = () => claim.rbfSequence, lockTime = 0 }: Omit<Case, 'name' | 'output' | 'witness'>,
  output: CommitmentOutput,
  kind: ChannelKind,
): Spend {
  const outpoint = { txid: new Uint8Array(32).fill(0xcc), vout: 3 };
  const transaction = claim.buildClaim({ inputs: [{ outpoint, sequence: sequence(kind) }], outputs: [toWallet(200n)], lockTime });
  const script = output.witnessScript === undefined ? {} : { witnessScript: output.witnessScript };
  return { transaction, inputIndex: 0, amountSat: output.amountSat, ...script, key, sweepIndex };
}

describe('signSpend', () => {
  for (const one of cases) {
    for (const kind of one.kinds ?? kinds)
      it(`spends ${one.name} of ${kind}, in the eyes of the chain`, () => {
        const output = one.output(kind);
        const spend = spendOf(one, output, kind);
        const witness = one.witness(must(us.signSpend(spend)), output.witnessScript ?? new Uint8Array(0));
        const signed = withWitnesses(spend.transaction, [witness]);
        expect(spends(serializeTransaction(signed), output)).toBe(true);
        expect(spends(serializeTransaction({ ...signed, outputs: [toWallet(199n)] }), output)).toBe(false);
      });
  }

  it('signs for no output that asks for another key than the one named', () => {
    const kind = 'anchors_zero_fee_htlc_tx';
    for (const one of cases) {
      // An HTLC of a commitment of the peer is ours in two ways.
      const fitting = one.name.includes('HTLC') ? [ourHtlc, revocation] : [one.key];
      for (const key of [delayed, ourHtlc, revocation, payment, anchor]) {
        const answer = us.signSpend(spendOf({ ...one, key }, one.output(kind), kind));
        expect([one.name, key.kind, codeOf(answer)]).toEqual([one.name, key.kind, fitting.includes(key) ? 'ok' : 'spend-invalid']);
      }
    }
  });

  it('signs for no output of another commitment, other side or other channel', () => {
    const kind = 'anchors_zero_fee_htlc_tx';
    const keys: readonly SpendKey[] = [
      { kind: 'delayed', perCommitmentPoint: us.perCommitmentPoint(2n) },
      { kind: 'htlc', perCommitmentPoint: them.perCommitmentPoint(2n) },
      { kind: 'revocation', perCommitmentSecret: theirSecret(2n) },
      { kind: 'revocation', perCommitmentSecret: new Uint8Array(32) },
      { kind: 'revocation', perCommitmentSecret: new Uint8Array(31).fill(1) },
    ];
    for (const one of cases)
      for (const key of keys)
        if (key.kind === one.key.kind) expect(codeOf(us.signSpend(spendOf({ ...one, key }, one.output(kind), kind)))).toBe('spend-invalid');
    const toRemote = find(ourCommitment(kind), 'to-remote').output;
    expect(codeOf(us.signSpend(spendOf({ key: payment }, toRemote, kind)))).toBe('spend-invalid');
  });

  it('the key of the 2-of-2 signs for the anchor’s script and nothing else', () => {
    const witnessScript = fundingWitnessScript(us.basepoints.fundingPubkey, them.basepoints.fundingPubkey);
    const anchorOutput = find(ourCommitment('anchors_zero_fee_htlc_tx'), 'to-local-anchor').output;
    const request = spendOf({ key: anchor }, anchorOutput, 'anchors_zero_fee_htlc_tx');
    expect(codeOf(us.signSpend(request))).toBe('ok');
    expect(codeOf(us.signSpend({ ...request, witnessScript }))).toBe('spend-invalid');
    expect(codeOf(us.signSpend({ ...request, witnessScript: concat(anchorOutput.witnessScript ?? witnessScript, witnessScript) }))).toBe(
      'spend-invalid',
    );
    const { witnessScript: _, ...without } = request;
    expect(codeOf(us.signSpend(without))).toBe('spend-invalid');
  });

  it('no HTLC of our own commitment passes as one of the peer’s', () => {
    const key: SpendKey = { kind: 'htlc', perCommitmentPoint: us.perCommitmentPoint(1n) };
    for (const kind of kinds)
      for (const role of ['offered-htlc', 'received-htlc'] as const)
        expect(codeOf(us.signSpend(spendOf({ key }, find(ourCommitment(kind), role).output, kind)))).toBe('spend-invalid');
  });

  it('a script that holds our key in another place is not one of ours', () => {
    const { output } = find(ourCommitment('anchors_zero_fee_htlc_tx'), 'to-local');
    const request = spendOf({ key: delayed, sequence: delay }, output, 'anchors_zero_fee_htlc_tx');
    const script = output.witnessScript ?? new Uint8Array(0);
    expect(codeOf(us.signSpend(request))).toBe('ok');
    for (const witnessScript of [concat(script, script.subarray(0, 1)), script.subarray(1), script.subarray(script.length - 10)])
      expect(codeOf(us.signSpend({ ...request, witnessScript }))).toBe('spend-invalid');
    const received = find(theirCommitment('anchors_zero_fee_htlc_tx'), 'received-htlc').output;
    const htlcRequest = spendOf({ key: ourHtlc, sequence: csv }, received, 'anchors_zero_fee_htlc_tx');
    const htlcScript = received.witnessScript ?? new Uint8Array(0);
    expect(codeOf(us.signSpend(htlcRequest))).toBe('ok');
    expect(codeOf(us.signSpend({ ...htlcRequest, witnessScript: concat(Uint8Array.of(0x63), htlcScript.subarray(1)) }))).toBe(
      'spend-invalid',
    );
  });

  const right = spendOf({ key: payment }, find(theirCommitment('static_remotekey'), 'to-remote').output, 'static_remotekey');
  const withOutputs = (...outputs: readonly TxOutput[]): Spend => ({ ...right, transaction: { ...right.transaction, outputs } });

  it('refuses an output that is not our wallet’s at that index', () => {
    expect(codeOf(us.signSpend(withOutputs(toWallet(1n), toWallet(2n))))).toBe('ok');
    const elsewhere = { amountSat: 1n, scriptPubKey: wallet.scriptPubKey(sweepIndex + 1) };
    expect(codeOf(us.signSpend(withOutputs(elsewhere)))).toBe('destination-unknown');
    expect(codeOf(us.signSpend(withOutputs(toWallet(1n), elsewhere)))).toBe('destination-unknown');
    expect(codeOf(us.signSpend({ ...right, sweepIndex: sweepIndex + 1 }))).toBe('destination-unknown');
  });

  it('refuses to give everything to miners', () => {
    expect(codeOf(us.signSpend(withOutputs(toWallet(1n))))).toBe('ok');
    expect(codeOf(us.signSpend(withOutputs(toWallet(0n))))).toBe('fee-out-of-range');
    expect(codeOf(us.signSpend(withOutputs()))).toBe('fee-out-of-range');
  });

  it('refuses another version than 2, and an input that is not there', () => {
    expect(codeOf(us.signSpend({ ...right, transaction: { ...right.transaction, version: 1 } }))).toBe('spend-invalid');
    expect(codeOf(us.signSpend({ ...right, inputIndex: 1 }))).toBe('spend-invalid');
    expect(codeOf(us.signSpend({ ...right, inputIndex: -1 }))).toBe('spend-invalid');
  });
});

describe('signHtlc', () => {
  /** Our commitment 1 of that kind, accepted and then signed for the chain. */
  function published(kind: ChannelKind): {
    readonly guard: SignerGuard;
    readonly template: CommitmentTemplate;
    readonly htlcSignatures: readonly Uint8Array[];
  } {
    const template = ourCommitment(kind);
    const { signature, htlcSignatures } = peerSigns(template);
    const accepted = guardOf(accept(template, guardOf(accept({ ...ours(0n), kind }, freshGuard)), { signature, htlcSignatures }));
    return { guard: guardOf(us.signLocalCommitment(template, signature, accepted)), template, htlcSignatures };
  }
  function htlcTxOf(template: CommitmentTemplate, role: OutputRole): HtlcTx & { readonly output: CommitmentOutput } {
    const { htlcTx, output } = find(template, role);
    if (!htlcTx) throw new Error(`no HTLC transaction of ${role}`);
    return { ...htlcTx, output };
  }
  const asked = (template: CommitmentTemplate, { vout, transaction }: HtlcTx): HtlcSpend => ({
    template,
    vout,
    transaction,
    inputIndex: 0,
    sweepIndex,
  });
  const coin = { outpoint: { txid: new Uint8Array(32).fill(0xdd), vout: 0 }, sequence: claim.rbfSequence, witness: [] };
  /** With a coin that pays the fee, and its change. */
  const withFee = (transaction: Transaction): Transaction => ({
    ...transaction,
    inputs: [...transaction.inputs, coin],
    outputs: [...transaction.outputs, toWallet(700n)],
  });

  for (const kind of kinds)
    for (const role of ['offered-htlc', 'received-htlc'] as const)
      it(`completes the second stage of an ${role} of ${kind}, in the eyes of the chain`, () => {
        const { guard, template, htlcSignatures } = published(kind);
        const htlcTx = htlcTxOf(template, role);
        const transaction = kind === 'static_remotekey' ? htlcTx.transaction : withFee(htlcTx.transaction);
        const signature = must(us.signHtlc({ ...asked(template, htlcTx), transaction }, guard));
        const other = find(template, role === 'offered-htlc' ? 'received-htlc' : 'offered-htlc').outpoint.vout;
        const remote = htlcSignatures[htlcTx.vout < other ? 0 : 1] ?? new Uint8Array(0);
        const preimage = role === 'received-htlc' ? preimageOf(1n) : undefined;
        const signed = withWitnesses(transaction, [htlcTxWitness(htlcTx, kind, remote, signature, preimage), []]);
        expect(spends(serializeTransaction(signed), htlcTx.output)).toBe(true);
      });

  const { guard, template } = published('anchors_zero_fee_htlc_tx');
  const htlcTx = htlcTxOf(template, 'offered-htlc');
  const right: HtlcSpend = { ...asked(template, htlcTx), transaction: withFee(htlcTx.transaction) };
  const ask = (change: Partial<HtlcSpend>, tx: Partial<Transaction> = {}): string =>
    codeOf(us.signHtlc({ ...right, ...change, transaction: { ...right.transaction, ...tx } }, guard));

  it('refuses before the commitment was signed for the chain', () => {
    const { localPublished: _, ...before } = guard;
    expect(codeOf(us.signHtlc(right, guard))).toBe('ok');
    expect(codeOf(us.signHtlc(right, before))).toBe('spend-invalid');
  });

  it('refuses another commitment than the published one', () => {
    expect(ask({ template: { ...template, feeratePerKw: 1001 } })).toBe('commitment-differs');
    expect(codeOf(us.signHtlc(right, { ...guard, localNumber: 2n }))).toBe('commitment-differs');
    expect(ask({ template: theirCommitment('anchors_zero_fee_htlc_tx') })).toBe('template-invalid');
  });

  it('refuses an output that is no HTLC, and a second stage of another one', () => {
    expect(ask({ vout: find(template, 'to-local').outpoint.vout })).toBe('spend-invalid');
    expect(ask({ vout: htlcTxOf(template, 'received-htlc').vout })).toBe('spend-invalid');
    expect(ask({ inputIndex: 1 })).toBe('spend-invalid');
    expect(ask({ inputIndex: 2 })).toBe('spend-invalid');
    expect(ask({ inputIndex: 1 }, { outputs: htlcTx.transaction.outputs })).toBe('spend-invalid');
    expect(ask({ inputIndex: 1 }, { inputs: htlcTx.transaction.inputs })).toBe('spend-invalid');
    expect(ask({ inputIndex: 1 }, { inputs: [coin, ...htlcTx.transaction.inputs], outputs: [toWallet(1n)] })).toBe('spend-invalid');
  });

  it('signs and judges it at any place in the transaction', () => {
    const { inputs, outputs } = htlcTx.transaction;
    const second = (before: TxOutput) => ask({ inputIndex: 1 }, { inputs: [coin, ...inputs], outputs: [before, ...outputs] });
    expect(second(toWallet(700n))).toBe('ok');
    expect(second({ ...toWallet(700n), scriptPubKey: wallet.scriptPubKey(1) })).toBe('destination-unknown');
  });

  it('refuses a second stage that is not BOLT 3’s to the last field', () => {
    const [input = coin] = htlcTx.transaction.inputs;
    const [output = toWallet(0n)] = htlcTx.transaction.outputs;
    const rest = { inputs: [coin], outputs: [toWallet(700n)] };
    const inputs = (change: Partial<typeof input>) => ({ inputs: [{ ...input, ...change }, ...rest.inputs] });
    const outputs = (change: Partial<TxOutput>) => ({ outputs: [{ ...output, ...change }, ...rest.outputs] });
    expect(ask({}, { ...inputs({}), ...outputs({}) })).toBe('ok');
    for (const tx of [
      { version: 1 },
      { lockTime: htlcTx.transaction.lockTime - 1 },
      inputs({ sequence: 0 }),
      inputs({ outpoint: { ...input.outpoint, vout: input.outpoint.vout + 1 } }),
      inputs({ outpoint: { ...input.outpoint, txid: new Uint8Array(32) } }),
      outputs({ amountSat: output.amountSat - 1n }),
      outputs({ scriptPubKey: wallet.scriptPubKey(sweepIndex) }),
    ])
      expect(ask({}, tx)).toBe('spend-invalid');
  });

  it('refuses a further output that pays neither our wallet nor a second stage of ours', () => {
    const more = (output: TxOutput) => ask({}, { outputs: [...right.transaction.outputs, output] });
    expect(more(toWallet(1n))).toBe('ok');
    expect(more({ ...toWallet(1n), scriptPubKey: p2wsh(htlcTx.outputWitnessScript) })).toBe('ok');
    expect(more({ ...toWallet(1n), scriptPubKey: wallet.scriptPubKey(1) })).toBe('destination-unknown');
  });

  it('without anchors, refuses anything beside the second stage', () => {
    const plain = published('static_remotekey');
    const plainTx = htlcTxOf(plain.template, 'offered-htlc');
    const request = asked(plain.template, plainTx);
    const { transaction } = request;
    expect(codeOf(us.signHtlc(request, plain.guard))).toBe('ok');
    for (const change of [{ inputs: [...transaction.inputs, coin] }, { outputs: [...transaction.outputs, toWallet(1n)] }])
      expect(codeOf(us.signHtlc({ ...request, transaction: { ...transaction, ...change } }, plain.guard))).toBe('spend-invalid');
  });
});
