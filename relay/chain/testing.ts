/** For tests: a small regtest-like chain, mined by hand, behind JSON-RPC over HTTP on loopback, with the manners of each node. */
import { createServer, type Server } from 'node:http';
import * as v from 'valibot';
import { type BlockTx, merkleRoot, parseTx, sha256d } from './block.ts';

/** This bcoin takes no batches, as a server that is made of one call per request. */
export type Manners = 'bitcoind' | 'bitcoind-without-index' | 'btcd' | 'bcoin';
type MinedTx = BlockTx & { readonly raw: string };
type Mined = {
  readonly hash: string;
  readonly height: number;
  readonly headerHex: string;
  readonly hex: string;
  readonly txs: readonly MinedTx[];
};

const le32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes;
};
const compact = (n: number): Buffer => (n < 0xfd ? Buffer.from([n]) : Buffer.from([0xfd, n & 0xff, n >> 8]));
const wire = (hash: string): Buffer => Buffer.from(hash, 'hex').reverse();

/** `witness`: how many bytes of it each input has; none makes the old serialisation. */
export function makeTx(
  spends: readonly { readonly txid: string; readonly vout: number }[],
  scripts: readonly string[],
  witness = 0,
): string {
  const inputs = spends.map((one) => Buffer.concat([wire(one.txid), le32(one.vout), compact(0), le32(0xffffffff)]));
  const outputs = scripts.map((script) =>
    Buffer.concat([Buffer.from('e803000000000000', 'hex'), compact(script.length / 2), Buffer.from(script, 'hex')]),
  );
  const items = spends.map(() => Buffer.concat([compact(1), compact(witness), Buffer.alloc(witness, 7)]));
  return Buffer.concat([
    le32(2),
    ...(witness > 0 ? [Buffer.from([0, 1])] : []),
    compact(inputs.length),
    ...inputs,
    compact(outputs.length),
    ...outputs,
    ...(witness > 0 ? items : []),
    le32(0),
  ]).toString('hex');
}

export const txidOf = (raw: string): string => {
  const tx = parseTx(raw);
  return tx.ok ? tx.value.txid : '';
};

/** BIP 141. The reserved value is the coinbase's witness, as `makeTx` makes it. */
function commitmentTo(raws: readonly string[]): string {
  const wtxids = raws.map((raw) =>
    Buffer.from(sha256d(Buffer.from(raw, 'hex')))
      .reverse()
      .toString('hex'),
  );
  const root = wire(merkleRoot(['00'.repeat(32), ...wtxids]));
  return `6a24aa21a9ed${sha256d(Buffer.concat([root, Buffer.alloc(32, 7)])).toString('hex')}`;
}

const rpcCall = v.object({ id: v.unknown(), method: v.string(), params: v.array(v.unknown()) });

class RpcFailure extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class FakeNode {
  readonly mempool = new Map<string, string>();
  readonly calls: string[] = [];
  manners: Manners;
  /** An answer in place of the real one, by method. */
  readonly overrides = new Map<string, (params: readonly unknown[]) => unknown>();
  /** Methods that the operator has not put on bitcoind's whitelist. */
  readonly forbidden = new Set<string>();
  /** `down`: hangs up; `silent`: never answers; `html`: answers what is no JSON; `forgetful`: hangs up when a connection is used again. */
  mode: 'up' | 'down' | 'silent' | 'html' | 'forgetful' = 'up';
  readonly #used = new WeakSet<object>();
  #chain: Mined[] = [];
  #salt = 0;
  #server: Server | undefined;

  constructor(manners: Manners = 'bitcoind') {
    this.manners = manners;
    this.mine();
  }

  get tip(): Mined {
    return this.at(this.#chain.length - 1);
  }
  at(height: number): Mined {
    const block = this.#chain[height];
    if (block === undefined) throw new RpcFailure(-8, 'Block height out of range');
    return block;
  }

  /** One block with these transactions after its coinbase. */
  mine(raws: readonly string[] = []): Mined {
    const height = this.#chain.length;
    this.#salt += 1;
    const coinbase = makeTx(
      [{ txid: '00'.repeat(32), vout: 0xffffffff }],
      [`03${(this.#salt & 0xffffff).toString(16).padStart(6, '0')}`, commitmentTo(raws)],
      32,
    );
    const txs = [coinbase, ...raws].map((raw): MinedTx => {
      const tx = parseTx(raw);
      if (!tx.ok) throw new Error('a test made a malformed transaction');
      return { ...tx.value, raw };
    });
    const prev = this.#chain.at(-1)?.hash ?? '00'.repeat(32);
    const fields = [le32(4), wire(prev), wire(merkleRoot(txs.map((tx) => tx.txid))), le32(1_800_000_000 + height), le32(0x207fffff)];
    for (let nonce = 0; ; nonce++) {
      const header = Buffer.concat([...fields, le32(nonce)]);
      const hash = Buffer.from(sha256d(header)).reverse().toString('hex');
      // The regtest target: the first bit is zero.
      if (Number.parseInt(hash.slice(0, 2), 16) >= 0x80) continue;
      const hex = Buffer.concat([header, compact(txs.length)]).toString('hex') + txs.map((tx) => tx.raw).join('');
      const mined = { hash, height, headerHex: header.toString('hex'), hex, txs };
      this.#chain.push(mined);
      for (const tx of txs) this.mempool.delete(tx.txid);
      return mined;
    }
  }
  mineMany(count: number): void {
    for (let i = 0; i < count; i++) this.mine();
  }
  /** Takes the last `depth` blocks away; mine to make the other branch. */
  rewind(depth: number): void {
    this.#chain = this.#chain.slice(0, this.#chain.length - depth);
  }

  async start(): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (this.mode === 'down' || (this.mode === 'forgetful' && this.#used.has(request.socket))) return void request.socket.destroy();
        this.#used.add(request.socket);
        if (this.mode === 'silent') return;
        if (this.mode === 'html') return void response.writeHead(502).end('<html>');
        if (request.headers.authorization !== `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
          return void response.writeHead(401).end();
        const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
        if (Array.isArray(body) && this.manners !== 'bcoin')
          return void response.end(JSON.stringify(body.map((one) => this.#reply(one).json).reverse()));
        const { status, json } = this.#reply(body);
        response.writeHead(status).end(JSON.stringify(json));
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `http://user:p%40ss@127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }
  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server === undefined ? resolve(undefined) : this.#server.close(resolve)));
  }
  refuse(code: number, message: string): never {
    throw new RpcFailure(code, message);
  }

  #reply(body: unknown): { readonly status: number; readonly json: object } {
    const { id, method, params } = v.parse(rpcCall, Array.isArray(body) ? { id: null, method: 'batch', params: [] } : body);
    this.calls.push(method);
    if (this.forbidden.has(method)) return { status: 403, json: {} };
    try {
      const override = this.overrides.get(method);
      return { status: 200, json: { result: override === undefined ? this.#answer(method, params) : override(params), error: null, id } };
    } catch (cause) {
      const code = cause instanceof RpcFailure ? cause.code : -1;
      const message = cause instanceof Error ? cause.message : String(cause);
      // bitcoind says it with the status as well, the others do not.
      return { status: this.manners.startsWith('bitcoind') ? 500 : 200, json: { result: null, error: { code, message }, id } };
    }
  }

  #byHash(hash: unknown): Mined {
    return this.#chain.find((block) => block.hash === hash) ?? this.refuse(-5, 'Block not found');
  }

  #answer(method: string, params: readonly unknown[]): unknown {
    // btcd reads JSON into typed fields: a number where it wants a boolean, or the reverse, is an error.
    const strict = (value: unknown, type: 'number' | 'boolean'): void => {
      if (this.manners === 'btcd' && value !== undefined && typeof value !== type) this.refuse(-32602, `must be type ${type}`);
    };
    switch (method) {
      case 'getblockchaininfo':
        return { chain: 'regtest', blocks: this.tip.height, bestblockhash: this.tip.hash, headers: this.tip.height };
      case 'getblockhash':
        return this.at(Number(params[0])).hash;
      case 'getblockheader': {
        strict(params[1], 'boolean');
        const block = this.#byHash(params[0]);
        return params[1] === false ? block.headerHex : { hash: block.hash, height: block.height };
      }
      case 'getblock':
        strict(params[1], 'number');
        return this.#byHash(params[0]).hex;
      case 'getrawtransaction': {
        strict(params[1], 'number');
        const waiting = this.mempool.get(String(params[0]));
        if (waiting !== undefined) return { txid: params[0], hex: waiting, ...(this.manners === 'bcoin' ? { blockhash: null } : {}) };
        if (this.manners === 'bitcoind-without-index') {
          this.refuse(-5, 'No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries.');
        }
        for (const block of this.#chain) {
          const tx = block.txs.find((one) => one.txid === params[0]);
          if (tx !== undefined)
            return { txid: tx.txid, hex: tx.raw, blockhash: block.hash, confirmations: this.tip.height - block.height + 1 };
        }
        if (this.manners === 'btcd') this.refuse(-5, 'No information available about transaction');
        if (this.manners === 'bcoin') this.refuse(-1, 'Transaction not found.');
        return this.refuse(-5, 'No such mempool or blockchain transaction. Use gettransaction for wallet transactions.');
      }
      case 'gettxout': {
        const outpoint = `${params[0]}:${params[1]}`;
        const all = this.#chain.flatMap((block) => block.txs);
        const made = all.some((tx) => tx.txid === params[0] && tx.scripts.length > Number(params[1]));
        return made && !all.some((tx) => tx.spends.includes(outpoint)) ? { confirmations: 1 } : null;
      }
      case 'gettxspendingprevout': {
        if (!this.manners.startsWith('bitcoind')) this.refuse(-32601, 'Method not found');
        const asked = v.parse(v.array(v.strictObject({ txid: v.string(), vout: v.number() })), params[0]);
        return asked.map(({ txid, vout }) => {
          const spender = [...this.mempool].find(([, raw]) => {
            const tx = parseTx(raw);
            return tx.ok && tx.value.spends.includes(`${txid}:${vout}`);
          });
          return { txid, vout, ...(spender === undefined ? {} : { spendingtxid: spender[0] }) };
        });
      }
      case 'sendrawtransaction': {
        const raw = String(params[0]);
        this.mempool.set(txidOf(raw), raw);
        return txidOf(raw);
      }
      case 'estimatesmartfee':
        if (this.manners === 'btcd') this.refuse(-32601, 'Method not found');
        return this.manners === 'bcoin'
          ? { fee: -1, blocks: params[0] }
          : { errors: ['Insufficient data or no feerate found'], blocks: params[0] };
      case 'estimatefee':
        return this.refuse(-1, 'not enough blocks have been observed');
      case 'getmempoolinfo':
        return this.manners === 'btcd' ? { size: 0, bytes: 0 } : { size: 0, bytes: 0, mempoolminfee: 0.00001 };
      default:
        return this.refuse(-32601, 'Method not found');
    }
  }
}
