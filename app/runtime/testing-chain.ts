/** For tests: a regtest chain in memory with real headers and proofs, and a relay's answers about it, in front of `FakeRelay`. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { networks } from '../../shared/ln/spv/networks.ts';
import { parseRawTx, type RawTx } from '../../shared/ln/spv/rawtx.ts';
import { type Outpoint, serializeTransaction, type TxOutput } from '../../shared/ln/tx/transaction.ts';
import type { AnswerOf, ChainHint, Op, RequestOf, SyncAnswer, SyncRequest, Watch } from '../../shared/protocol/session.ts';
import type { CallError } from '../net/relay.ts';
import type { FakeRelay, Meddle } from './testing.ts';

const sha256d = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const display = (hash: Uint8Array): string => toHex(reversed(hash));
const refuse = (code: CallError['code'], detail = ''): Result<never, CallError> => err({ code, detail });

function levelsOf(leaves: readonly Uint8Array[]): Uint8Array[][] {
  const levels = [[...leaves]];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    const below = level;
    levels.push(below.flatMap((left, i) => (i % 2 === 0 ? [sha256d(concat(left, below[i + 1] ?? left))] : [])));
  }
  return levels;
}
const rootOf = (leaves: readonly Uint8Array[]): Uint8Array => levelsOf(leaves).at(-1)?.[0] ?? new Uint8Array(32);
const branchOf = (leaves: readonly Uint8Array[], pos: number): string[] =>
  levelsOf(leaves)
    .slice(0, -1)
    .map((level, i) => display(level[(pos >> i) ^ 1] ?? level[pos >> i] ?? new Uint8Array(32)));

function parsed(raw: Uint8Array): RawTx {
  const tx = parseRawTx(raw);
  if (!tx.ok) throw new Error(`a test made ${tx.error.reason}`);
  return tx.value;
}

export const makeTx = (inputs: readonly Outpoint[], outputs: readonly TxOutput[], witness: readonly Uint8Array[] = [new Uint8Array(71)]) =>
  serializeTransaction({ version: 2, lockTime: 0, outputs, inputs: inputs.map((outpoint) => ({ outpoint, sequence: 0, witness })) });
export const txidOf = (raw: Uint8Array): Uint8Array => parsed(raw).txid;

type Block = { readonly header: Uint8Array; readonly raws: readonly Uint8Array[]; readonly txs: readonly RawTx[] };

export class TestChain {
  /** Answers in place of the honest ones. */
  lie: { [O in Op]?: (answer: AnswerOf<O>) => AnswerOf<O> } = {};
  /** Refuses a transaction with this reason. */
  refusal: string | undefined;
  fees: AnswerOf<'chain/fees'>['satPerKw'] | undefined;
  /** Hints of watches are told only while this holds. */
  hints = true;
  readonly sent: RequestOf<'chain/broadcast'>[] = [];
  readonly acked = new Set<string>();
  /** What `chain/tx` knows unconfirmed, and watches tell as seen. */
  mempool: readonly Uint8Array[] = [];
  #blocks: Block[] = [];
  #salt = 0;

  get height(): number {
    return this.#blocks.length;
  }

  mine(raws: readonly Uint8Array[] = [], empty = 0): void {
    this.#salt += 1;
    const wtxids = [new Uint8Array(32), ...raws.map(sha256d)];
    const reserved = new Uint8Array(32);
    const commitment = concat(Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed), sha256d(concat(rootOf(wtxids), reserved)));
    const coinbase = makeTx(
      [{ txid: new Uint8Array(32), vout: 0xffff_ffff }],
      [
        { amountSat: BigInt(this.#salt), scriptPubKey: Uint8Array.of(0x51) },
        { amountSat: 0n, scriptPubKey: commitment },
      ],
      [reserved],
    );
    const all = [coinbase, ...raws];
    const txs = all.map(parsed);
    const prev = this.#blocks.at(-1);
    const header = new Uint8Array(80);
    const view = new DataView(header.buffer);
    view.setUint32(0, 4, true);
    header.set(prev === undefined ? networks.regtest.start.hash : sha256d(prev.header), 4);
    header.set(rootOf(txs.map(({ txid }) => txid)), 36);
    view.setUint32(68, 1_790_000_000 + this.height, true);
    view.setUint32(72, 0x207f_ffff, true);
    for (let nonce = 0; (sha256d(header)[31] ?? 0) >= 0x7f; nonce += 1) view.setUint32(76, nonce, true);
    this.#blocks.push({ header, raws: all, txs });
    for (let i = 0; i < empty; i += 1) this.mine();
  }

  rewind(depth: number): void {
    this.#blocks = this.#blocks.slice(0, this.#blocks.length - depth);
  }

  /** As the relay's watches see it. The id names watch, transaction and block, so that a re-org makes a new one. */
  hintsFor(watches: readonly Watch[]): ChainHint[] {
    const waiting = { header: new Uint8Array(0), txs: this.mempool.map(parsed) };
    return [...this.#blocks, waiting].flatMap(({ txs, header }, at) =>
      txs.flatMap((tx) =>
        watches.flatMap((watch): ChainHint[] => {
          const confirmed = touches(watch, tx);
          const kind = at < this.height ? confirmed : confirmed === 'spent' ? 'seen' : undefined;
          if (kind === undefined) return [];
          const txid = display(tx.txid);
          const id = toHex(sha256(concat(tx.txid, header, new TextEncoder().encode(watch.id)))).slice(0, 32);
          return this.acked.has(id) ? [] : [{ id, watch: watch.id, kind, txid, height: at + 1 }];
        }),
      ),
    );
  }

  answer(op: Op, body: unknown): Result<AnswerOf<Op>, CallError> | undefined {
    if (op === 'chain/tip') return ok({ network: 'regtest' as const, height: this.height, hash: display(this.#tipHash()) });
    if (op === 'chain/headers') {
      const { from, count } = body as RequestOf<'chain/headers'>;
      return ok({
        from,
        headers: this.#blocks
          .slice(from - 1, from - 1 + count)
          .map(({ header }) => toHex(header))
          .join(''),
      });
    }
    if (op === 'chain/tx') return this.#tx(reversed(fromHex((body as RequestOf<'chain/tx'>).txid)));
    if (op === 'chain/fees') return this.fees === undefined ? refuse('chain-unavailable') : ok({ satPerKw: this.fees });
    if (op !== 'chain/broadcast') return undefined;
    const request = body as RequestOf<'chain/broadcast'>;
    this.sent.push(request);
    return this.refusal === undefined ? ok({ txid: display(txidOf(fromHex(request.raw))) }) : refuse('tx-rejected', this.refusal);
  }

  #tipHash(): Uint8Array {
    const tip = this.#blocks.at(-1);
    return tip === undefined ? networks.regtest.start.hash : sha256d(tip.header);
  }

  #tx(txid: Uint8Array): Result<AnswerOf<'chain/tx'>, CallError> {
    for (const [at, { txs, raws, header }] of this.#blocks.entries()) {
      const pos = txs.findIndex((tx) => equal(tx.txid, txid));
      if (pos === -1) continue;
      const txids = txs.map((tx) => tx.txid);
      return ok({
        raw: toHex(raws[pos] ?? new Uint8Array(0)),
        height: at + 1,
        blockHash: display(sha256d(header)),
        pos,
        siblings: branchOf(txids, pos),
        coinbase: toHex(raws[0] ?? new Uint8Array(0)),
        coinbaseSiblings: branchOf(txids, 0),
        witnessSiblings: branchOf([new Uint8Array(32), ...raws.slice(1).map(sha256d)], pos),
      });
    }
    const waiting = this.mempool.find((raw) => equal(txidOf(raw), txid));
    return waiting === undefined ? refuse('not-found') : ok({ raw: toHex(waiting) });
  }
}

function touches(watch: Watch, tx: RawTx): 'spent' | 'paid' | undefined {
  if (watch.kind === 'outpoint')
    return tx.inputs.some((input) => display(input.txid) === watch.txid && input.vout === watch.vout) ? 'spent' : undefined;
  return watch.kind === 'script' && tx.outputs.some(({ script }) => toHex(script) === watch.script) ? 'paid' : undefined;
}

/** The relay answers about this chain, and tells what its watches see. */
export function withChain(relay: FakeRelay, chain: TestChain): void {
  const meddle: Meddle = async (op, body, honest) => {
    const answer = chain.answer(op, body) ?? (await honest());
    if (!answer.ok) return answer;
    if (op === 'sync') {
      const { watches = [], ackEvents = [] } = body as SyncRequest;
      for (const id of ackEvents) chain.acked.add(id);
      return ok({ ...(answer.value as SyncAnswer), events: chain.hints ? chain.hintsFor(watches) : [] });
    }
    const lie = chain.lie[op] as ((honest: AnswerOf<Op>) => AnswerOf<Op>) | undefined;
    return lie === undefined ? answer : ok(lie(answer.value));
  };
  relay.meddle = meddle;
}
