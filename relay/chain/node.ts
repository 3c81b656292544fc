/**
 * The calls that the relay makes to a Bitcoin node, with the differences between bitcoind, btcd and bcoin in one place:
 * verbosity is sent as the number where btcd insists on one and as a boolean where it insists on that; fields are read under
 * every name they go by.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { AnswerOf } from '../../shared/protocol/session.ts';
import { type Block, type Header, parseBlock, parseHeader } from './block.ts';
import type { Rpc, RpcFault } from './rpc.ts';

export type Network = AnswerOf<'chain/tip'>['network'];
export type NodeTip = { readonly network: Network; readonly height: number; readonly hash: string };
export type FoundTx = { readonly raw: string; readonly blockHash?: string };
/** BTC per 1000 vbytes; absent when the node cannot tell. */
export type Estimate = number | undefined;

export type Outpoint = { readonly txid: string; readonly vout: number };

/** Its script in hex. */
export type UnspentOutput = { readonly script: string; readonly sat: number; readonly confirmations: number };

export type BitcoinNode = {
  readonly tip: () => Promise<Result<NodeTip, RpcFault>>;
  readonly hashAt: (height: number) => Promise<Result<string, RpcFault>>;
  readonly header: (hash: string) => Promise<Result<Header, RpcFault>>;
  /** One for each height, in their order. */
  readonly headersAt: (heights: readonly number[]) => Promise<Result<readonly Header[], RpcFault>>;
  readonly heightOf: (hash: string) => Promise<Result<number, RpcFault>>;
  readonly block: (hash: string) => Promise<Result<Block, RpcFault>>;
  /** Undefined: the node does not know it. `indexed` false: it could not look into old blocks. */
  readonly transaction: (txid: string) => Promise<Result<FoundTx | undefined, RpcFault> & { readonly indexed: boolean }>;
  /** Of all transactions of a block, in their order. */
  readonly txids: (hash: string) => Promise<Result<readonly string[], RpcFault>>;
  /** A confirmed output that is not spent; undefined when there is no such. */
  readonly output: (txid: string, vout: number) => Promise<Result<UnspentOutput | undefined, RpcFault>>;
  /** Among confirmed outputs. */
  readonly isUnspent: (txid: string, vout: number) => Promise<Result<boolean, RpcFault>>;
  /** What in the mempool spends each of them, in their order. Undefined: this node cannot tell. */
  readonly spendersInMempool: (outpoints: readonly Outpoint[]) => Promise<Result<readonly (string | undefined)[] | undefined, RpcFault>>;
  readonly send: (raw: string) => Promise<Result<'sent' | 'known', RpcFault>>;
  /** The last one with its unconfirmed parents, judged together. Undefined: this node cannot. */
  readonly sendPackage: (raws: readonly string[]) => Promise<Result<'sent' | undefined, RpcFault>>;
  readonly estimate: (blocks: number) => Promise<Result<Estimate, RpcFault>>;
  readonly relayFloor: () => Promise<Result<Estimate, RpcFault>>;
  /** Ends the calls under way, too. */
  readonly close: () => void;
};

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const height = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const chainInfo = v.object({ chain: v.string(), blocks: height, bestblockhash: hash, initialblockdownload: v.optional(v.boolean()) });
const verboseHeader = v.object({ height });
const verboseBlock = v.object({ tx: v.array(hash) });
const unspent = v.nullish(v.object({ confirmations: v.number(), value: v.number(), scriptPubKey: v.object({ hex: v.string() }) }));
const verboseTx = v.object({ hex: v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{2})+$/)), blockhash: v.nullish(v.string()) });
const smartFee = v.object({ feerate: v.optional(v.number()), fee: v.optional(v.number()) });
const mempoolInfo = v.object({ mempoolminfee: v.optional(v.number()), minrelaytxfee: v.optional(v.number()) });

/** Bitcoin Core. Without `package_msg` (28.0 and before) a failure is an error of the call. */
const packageAnswer = v.object({
  package_msg: v.optional(v.string()),
  'tx-results': v.optional(v.record(v.string(), v.object({ error: v.optional(v.string()) }))),
});

const mempoolSpends = v.array(v.object({ spendingtxid: v.optional(hash) }));

const networks: { readonly [name: string]: Network } = {
  main: 'mainnet',
  mainnet: 'mainnet',
  test: 'testnet',
  testnet: 'testnet',
  testnet3: 'testnet',
  testnet4: 'testnet',
  signet: 'signet',
  regtest: 'regtest',
  simnet: 'regtest',
};

const methodNotFound = -32601;
const verifyRejected = -26;
const strange = (method: string): RpcFault => ({ tag: 'unreachable', message: `the node's answer to ${method} makes no sense` });
/** What three nodes say about a transaction that they have already, in the mempool or in a block; not what they say of an input spent twice. */
const alreadyKnown =
  /txn-already|alreadyknown|already (?:have|in block ?chain|in mempool|known)|transaction already|outputs already in utxo set/i;
const notFoundWords = /not found|no such mempool|no information available/i;
const needsIndex = /txindex|transaction index must be enabled|still in the process of being indexed/i;

export function createNode(rpc: Rpc): BitcoinNode {
  const shaped = async <S extends v.GenericSchema>(
    method: string,
    params: readonly unknown[],
    schema: S,
  ): Promise<Result<v.InferOutput<S>, RpcFault>> => {
    const answer = await rpc.call(method, params);
    if (!answer.ok) return answer;
    const parsed = v.safeParse(schema, answer.value);
    return parsed.success ? ok(parsed.output) : err(strange(method));
  };

  return {
    close: rpc.close,
    tip: async () => {
      const info = await shaped('getblockchaininfo', [], chainInfo);
      if (!info.ok) return info;
      const network = networks[info.value.chain];
      if (network === undefined) return err({ tag: 'unreachable', message: `the node is on a network that we do not know` });
      // A regtest chain whose last block is old counts as "initial download" for bitcoind, and is complete all the same.
      if (info.value.initialblockdownload === true && network !== 'regtest')
        return err({ tag: 'unreachable', message: 'the node is still catching up' });
      return ok({ network, height: info.value.blocks, hash: info.value.bestblockhash });
    },
    hashAt: (at) => shaped('getblockhash', [at], hash),
    header: async (of) => {
      const hex = await shaped('getblockheader', [of, false], v.string());
      if (!hex.ok) return hex;
      const header = parseHeader(hex.value.toLowerCase());
      return header.ok && header.value.hash === of ? header : err(strange('getblockheader'));
    },
    headersAt: async (heights) => {
      const hashes = await rpc.many(
        'getblockhash',
        heights.map((at) => [at]),
      );
      if (!hashes.ok) return hashes;
      const named = v.safeParse(v.array(hash), hashes.value);
      if (!named.success) return err(strange('getblockhash'));
      const hexes = await rpc.many(
        'getblockheader',
        named.output.map((of) => [of, false]),
      );
      if (!hexes.ok) return hexes;
      const headers: Header[] = [];
      for (const [i, of] of named.output.entries()) {
        const header = parseHeader(String(hexes.value[i]).toLowerCase());
        if (!header.ok || header.value.hash !== of) return err(strange('getblockheader'));
        headers.push(header.value);
      }
      return ok(headers);
    },
    heightOf: async (of) => {
      const header = await shaped('getblockheader', [of, true], verboseHeader);
      return header.ok ? ok(header.value.height) : header;
    },
    block: async (of) => {
      const hex = await shaped('getblock', [of, 0], v.string());
      if (!hex.ok) return hex;
      const block = parseBlock(hex.value.toLowerCase());
      return block.ok && block.value.header.hash === of ? block : err(strange('getblock'));
    },
    txids: async (of) => {
      const block = await shaped('getblock', [of, 1], verboseBlock);
      return block.ok ? ok(block.value.tx) : block;
    },
    output: async (txid, vout) => {
      const output = await shaped('gettxout', [txid, vout, false], unspent);
      if (!output.ok) return output;
      const there = output.value;
      // Bitcoin as a decimal number: rounding takes back what the binary fraction lost.
      if (!there) return ok(undefined);
      return ok({ script: there.scriptPubKey.hex, sat: Math.round(there.value * 1e8), confirmations: there.confirmations });
    },
    transaction: async (txid) => {
      const found = await shaped('getrawtransaction', [txid, 1], verboseTx);
      if (found.ok) {
        const { hex, blockhash } = found.value;
        return { ...ok({ raw: hex, ...(blockhash ? { blockHash: blockhash } : {}) }), indexed: true };
      }
      const fault = found.error;
      if (fault.tag === 'unreachable') return { ...err(fault), indexed: false };
      if (needsIndex.test(fault.message)) return { ...ok(undefined), indexed: false };
      return notFoundWords.test(fault.message) ? { ...ok(undefined), indexed: true } : { ...err(fault), indexed: false };
    },
    isUnspent: async (txid, vout) => {
      const output = await rpc.call('gettxout', [txid, vout, false]);
      return output.ok ? ok(output.value !== null && output.value !== undefined) : output;
    },
    spendersInMempool: async (outpoints) => {
      const params = outpoints.map(({ txid, vout }) => ({ txid, vout }));
      const found = await shaped('gettxspendingprevout', [params], mempoolSpends);
      // Bitcoin Core has it since 24.
      if (!found.ok) return found.error.tag === 'refused' && found.error.rpcCode === methodNotFound ? ok(undefined) : found;
      if (found.value.length !== outpoints.length) return err(strange('gettxspendingprevout'));
      return ok(found.value.map(({ spendingtxid }) => spendingtxid));
    },
    send: async (raw) => {
      const sent = await rpc.call('sendrawtransaction', [raw]);
      if (sent.ok) return ok('sent');
      return sent.error.tag === 'refused' && alreadyKnown.test(sent.error.message) ? ok('known') : sent;
    },
    sendPackage: async (raws) => {
      const sent = await shaped('submitpackage', [raws], packageAnswer);
      // btcd and bcoin have no such method, and Core before 26 had it for regtest only.
      if (!sent.ok) return sent.error.tag === 'refused' && sent.error.rpcCode === methodNotFound ? ok(undefined) : sent;
      const { package_msg: verdict, 'tx-results': results } = sent.value;
      if (verdict === undefined || verdict === 'success') return ok('sent');
      const reasons = Object.values(results ?? {}).flatMap(({ error }) => error ?? []);
      return err({ tag: 'refused', rpcCode: verifyRejected, message: [verdict, ...reasons].join('; ') });
    },
    estimate: async (blocks) => {
      const smart = await shaped('estimatesmartfee', [blocks], smartFee);
      if (smart.ok) return ok(positive(smart.value.feerate ?? smart.value.fee));
      if (smart.error.tag === 'unreachable') return smart;
      // btcd has the older call only, and fails it while it has seen too few blocks.
      const plain = await shaped('estimatefee', [blocks], v.number());
      if (plain.ok) return ok(positive(plain.value));
      return plain.error.tag === 'unreachable' ? plain : ok(undefined);
    },
    relayFloor: async () => {
      const info = await shaped('getmempoolinfo', [], mempoolInfo);
      if (!info.ok) return info.error.tag === 'unreachable' ? info : ok(undefined);
      return ok(positive(Math.max(info.value.mempoolminfee ?? 0, info.value.minrelaytxfee ?? 0)));
    },
  };
}

/** Nodes say -1 or 0 for "I cannot tell". */
const positive = (rate: number | undefined): Estimate => (rate !== undefined && rate > 0 ? rate : undefined);
