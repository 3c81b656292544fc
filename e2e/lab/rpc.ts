/**
 * The lab's chain as bitcoind-style JSON-RPC over HTTP on loopback, for the relay (BECKON_CHAIN).
 * Answers are bcoin's own, except where bcoin tells less than bitcoind: `sendrawtransaction` (bcoin answers the txid of a refused
 * transaction too) and `estimatesmartfee` (bcoin calls the rate `fee`).
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { Chain } from './chain.ts';

const MAX_BODY_BYTES = 8_000_000;
// bitcoind's numbers
const RPC_MISC_ERROR = -1;
const RPC_VERIFY_REJECTED = -26;
const RPC_INVALID_REQUEST = -32600;
const RPC_METHOD_NOT_FOUND = -32601;

/** What may be asked. Mining stays with the lab itself. */
const METHODS = new Set([
  'getblockchaininfo',
  'getblockcount',
  'getbestblockhash',
  'getblockhash',
  'getblockheader',
  'getblock',
  'getmempoolinfo',
  'getnetworkinfo',
  'getrawmempool',
  'getrawtransaction',
  'gettxout',
  'gettxoutproof',
]);

export type RpcServer = { readonly host: string; readonly port: number; readonly url: string; stop(): Promise<void> };

class RpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

async function answer(chain: Chain, method: string, params: readonly unknown[]): Promise<unknown> {
  if (method === 'sendrawtransaction') {
    const [raw] = params;
    if (typeof raw !== 'string' || !/^([0-9a-f]{2})+$/i.test(raw)) throw new RpcError(RPC_MISC_ERROR, 'a transaction in hex is wanted');
    const sent = await chain.submit(new Uint8Array(Buffer.from(raw, 'hex')));
    if (!sent.ok) throw new RpcError(RPC_VERIFY_REJECTED, sent.error);
    return sent.value;
  }
  if (method === 'estimatesmartfee') {
    const estimate = await chain.rpc(method, params);
    if (estimate === null || typeof estimate !== 'object' || !('fee' in estimate)) return estimate;
    const blocks = 'blocks' in estimate ? estimate.blocks : 0;
    if (estimate.fee === -1) return { errors: ['Insufficient data or no feerate found'], blocks };
    return { feerate: estimate.fee, blocks };
  }
  if (!METHODS.has(method)) throw new RpcError(RPC_METHOD_NOT_FOUND, `Method not found: ${method}.`);
  return chain.rpc(method, params);
}

async function reply(chain: Chain, body: string): Promise<{ status: number; json: object }> {
  let id: unknown = null;
  try {
    const call: unknown = JSON.parse(body);
    if (call === null || typeof call !== 'object' || !('method' in call) || typeof call.method !== 'string') {
      throw new RpcError(RPC_INVALID_REQUEST, 'Invalid request');
    }
    id = 'id' in call ? call.id : null;
    const params = 'params' in call && Array.isArray(call.params) ? call.params : [];
    return { status: 200, json: { result: await answer(chain, call.method, params), error: null, id } };
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : RPC_MISC_ERROR;
    const message = error instanceof Error ? error.message : String(error);
    return { status: 500, json: { result: null, error: { code, message }, id } };
  }
}

/** Serves `chain` on loopback, at a port of the system's choice unless given. `url` carries user and password. */
export async function startRpc(chain: Chain, options: { readonly port?: number } = {}): Promise<RpcServer> {
  const user = 'lab';
  const password = randomBytes(16).toString('hex');
  const expected = Buffer.from(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);

  const server = createServer((request, response) => {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="jsonrpc"' }).end();
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', async () => {
      const { status, json } = await reply(chain, Buffer.concat(chunks).toString('utf8'));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the RPC server has no port');
  return {
    host: '127.0.0.1',
    port: address.port,
    url: `http://${user}:${password}@127.0.0.1:${address.port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
