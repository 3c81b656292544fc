/**
 * Everything that the chain's facts say about the close, derived anew at each step: which transaction closed the channel, and its
 * outputs with their spenders, down to the second stage. BOLT 5.
 */
import { equal, toHex } from '../../lib/bytes.ts';
import { type ParsedTransaction, parseTransaction } from '../tx/parse.ts';
import type { Outpoint } from '../tx/transaction.ts';
import { type Classified, classifyParsed, sameOutpoint } from './classify.ts';
import { type CloseOutput, futureOutputs, localOutputs, preimageFinder, remoteOutputs } from './outputs.ts';
import { revokedOutputs } from './revoked.ts';
import type { ChannelFacts, ConfirmedSpend, OnchainState } from './types.ts';

export type Spender = {
  readonly height: number;
  readonly txid: Uint8Array;
  readonly transaction: ParsedTransaction;
  /** Of the input that spends the output. */
  readonly witness: readonly Uint8Array[];
};

/** An output of a confirmed transaction, and the confirmed spender if there is one. */
export type ViewOutput = CloseOutput & { readonly spender?: Spender };

export type View = {
  readonly close?: { readonly classified: Classified; readonly spender: Spender };
  /** A second stage stands after the output that it came from. */
  readonly outputs: readonly ViewOutput[];
};

export const outpointKey = ({ txid, vout }: Outpoint): string => `${toHex(txid)}:${vout}`;

export const depthOf = ({ height }: Pick<Spender, 'height'>, tip: number): number => tip - height + 1;

/** Spends with what their transactions say: one that spends many outputs is read once. Those that do not spend what they are said to are left out. */
export function readSpends(spends: readonly ConfirmedSpend[]): readonly (readonly [ConfirmedSpend, Spender])[] {
  const read = new Map<string, ParsedTransaction>();
  return spends.flatMap((spend) => {
    const { txid, height } = spend;
    const known = read.get(toHex(txid)) ?? parsedAs(spend);
    if (known === undefined) return [];
    read.set(toHex(txid), known);
    const input = known.inputs.find(({ outpoint }) => sameOutpoint(outpoint, spend.outpoint));
    return input ? [[spend, { height, txid, transaction: known, witness: input.witness }] as const] : [];
  });
}

function parsedAs({ transaction, txid }: ConfirmedSpend): ParsedTransaction | undefined {
  const parsed = parseTransaction(transaction);
  return parsed.ok && equal(parsed.value.txid, txid) ? parsed.value : undefined;
}

export function viewOf(state: OnchainState, facts: ChannelFacts): View {
  const spenders = new Map(readSpends(state.spends).map(([spend, spender]) => [outpointKey(spend.outpoint), spender]));
  const spender = spenders.get(outpointKey(facts.fundingOutpoint));
  if (spender === undefined) return { outputs: [] };
  const classified = classifyParsed(spender.transaction, facts);
  const outputs = new Map<string, ViewOutput>();
  const searched = new Set<string>();
  const add = (output: CloseOutput): void => {
    const key = outpointKey(output.outpoint);
    const spentBy = spenders.get(key);
    outputs.set(key, spentBy ? { ...output, spender: spentBy } : output);
    // One transaction may be the second stage of many HTLCs; its outputs are looked through once.
    if (spentBy === undefined || output.secondStage === undefined || searched.has(toHex(spentBy.txid))) return;
    searched.add(toHex(spentBy.txid));
    for (const next of secondStages(output.secondStage, spentBy)) add(next);
  };
  for (const output of firstStage(classified, spender, state, facts)) add(output);
  return { close: { classified, spender }, outputs: [...outputs.values()] };
}

function firstStage(classified: Classified, spender: Spender, state: OnchainState, facts: ChannelFacts): readonly CloseOutput[] {
  const { txid, height, transaction } = spender;
  const confirmed = { txid, height, preimageOf: preimageFinder(state.preimages) };
  switch (classified.kind) {
    case 'mutual':
      return [];
    case 'local':
      return localOutputs(facts.local, classified.built, confirmed);
    case 'remote':
    case 'remote-next':
      return remoteOutputs(classified.template, classified.built, confirmed);
    case 'revoked': {
      const htlcs = state.archive?.number === classified.number ? state.archive.htlcs : [];
      return revokedOutputs(transaction, classified.secret, htlcs, facts, height);
    }
    case 'future':
      return futureOutputs(transaction, facts, height);
  }
}

/** Every output of the spender, wherever it stands. */
const secondStages = ({ scriptPubKey, output }: NonNullable<CloseOutput['secondStage']>, spender: Spender): readonly CloseOutput[] =>
  spender.transaction.outputs.flatMap((one, vout) =>
    equal(one.scriptPubKey, scriptPubKey) ? [output({ txid: spender.txid, vout }, one.amountSat, spender.height)] : [],
  );
