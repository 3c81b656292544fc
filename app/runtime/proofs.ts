/** One transaction of the chain with its proof against our own headers, witnesses included. What a relay says is a hint until it was here. */
import { equal, fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { HEADER_BYTES, parseHeader } from '../../shared/ln/spv/headers.ts';
import { checkInclusion } from '../../shared/ln/spv/merkle.ts';
import { parseRawTx, type RawTx } from '../../shared/ln/spv/rawtx.ts';
import { isWitnessCommitted } from '../../shared/ln/spv/witness.ts';
import type { AnswerOf } from '../../shared/protocol/session.ts';
import type { RelayClient } from '../net/relay.ts';
import { readHeaders } from '../store/store.ts';
import type { Ports } from './ports.ts';

export type Proven = {
  readonly tx: RawTx;
  readonly txid: Uint8Array;
  readonly raw: Uint8Array;
  /** The witnesses in `raw`, or that there are none, are as mined. If not, nothing may be read from them. */
  readonly witnessed: boolean;
  readonly height: number;
  readonly pos: number;
};

async function merkleRootAt(ports: Ports, height: number): Promise<Uint8Array | undefined> {
  const [bytes] = await readHeaders(ports.db, height, height);
  return bytes?.length === HEADER_BYTES ? parseHeader(bytes, height).merkleRoot : undefined;
}

const wire = (hashes: readonly string[]): Uint8Array[] => hashes.map((hash) => reversed(fromHex(hash)));

/** Has that txid, and nothing says that it is or will be in a block, or that its witnesses are good. */
export type Unconfirmed = { readonly tx: RawTx; readonly raw: Uint8Array };

/** `undefined`: the relay does not know it. Error: no answer, another transaction, a block that we do not have, or no proof. */
export async function provenTx(
  ports: Ports,
  relay: RelayClient,
  txid: Uint8Array,
): Promise<Result<Proven | Unconfirmed | undefined, null>> {
  const answer = await relay.call('chain/tx', { txid: toHex(reversed(txid)) });
  if (!answer.ok) return answer.error.code === 'not-found' ? ok(undefined) : err(null);
  if (answer.value.height !== undefined) return check(ports, txid, answer.value);
  const raw = fromHex(answer.value.raw);
  const tx = parseRawTx(raw);
  return tx.ok && equal(tx.value.txid, txid) ? ok({ tx: tx.value, raw }) : err(null);
}

export const isProven = (found: Proven | Unconfirmed | undefined): found is Proven => found !== undefined && 'height' in found;

async function check(ports: Ports, txid: Uint8Array, answer: AnswerOf<'chain/tx'>): Promise<Result<Proven, null>> {
  const { height, pos, siblings, coinbase, coinbaseSiblings, witnessSiblings } = answer;
  if (height === undefined || pos === undefined || siblings === undefined || coinbase === undefined || coinbaseSiblings === undefined)
    return err(null);
  const root = await merkleRootAt(ports, height);
  if (root === undefined) return err(null);
  const raw = fromHex(answer.raw);
  const coinbaseRaw = fromHex(coinbase);
  const checked = checkInclusion(
    { raw, pos, siblings: wire(siblings), coinbase: coinbaseRaw, coinbaseSiblings: wire(coinbaseSiblings) },
    root,
  );
  if (!checked.ok || !equal(checked.value.txid, txid)) return err(null);
  const witnessed =
    (witnessSiblings?.length ?? siblings.length) === siblings.length &&
    isWitnessCommitted(raw, pos, witnessSiblings && wire(witnessSiblings), coinbaseRaw);
  return ok({ tx: checked.value, txid, raw, witnessed, height, pos });
}
