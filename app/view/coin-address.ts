/** Addresses on the chain, of the kinds that people are given: segwit (BIP 173, BIP 350) and the two that were before. */
import { sha256 } from '@noble/hashes/sha2.js';
import { createBase58check } from '@scure/base';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { InvoiceNetwork } from '../../shared/ln/invoice/amount.ts';
import { scriptFromAddress } from '../../shared/ln/wallet/address.ts';
import type { AddressFacts, Problem } from './understood.ts';

const base58check = createBase58check(sha256);
const segwitForm = /^(bc|tb|bcrt)1[a-z0-9]*$/i;
const oldForm = /^[123mn][1-9A-HJ-NP-Za-km-z]{25,34}$/;
const segwitNetworks: { readonly [prefix: string]: InvoiceNetwork } = { bc: 'mainnet', tb: 'testnet', bcrt: 'regtest' };
/** What stands before the hash: of a key, of a script. */
const mainnetVersions = [0x00, 0x05];
const testVersions = [0x6f, 0xc4];
const HASH_BYTES = 20;

type Coin = Pick<AddressFacts, 'address' | 'old'>;
const problem = (code: Problem['code'], params: Problem['params'] = {}) => err({ code, params });

/** Undefined: it has not the form of one. */
export function readCoinAddress(text: string, own: InvoiceNetwork): Result<Coin, Problem> | undefined {
  if (oldForm.test(text)) return readOld(text, own);
  const prefix = segwitForm.exec(text)?.[1]?.toLowerCase();
  if (prefix === undefined) return undefined;
  const address = text.toLowerCase();
  if (text !== address && text !== text.toUpperCase()) return problem('mixed-case');
  const script = scriptFromAddress(address, own);
  if (script.ok) return ok({ address, old: false });
  switch (script.error.code) {
    case 'wrong-network': {
      const network = segwitNetworks[prefix];
      return problem('wrong-network', network === undefined ? { own } : { network, own });
    }
    case 'unknown-version':
      return problem('address-version');
    case 'malformed':
    case 'legacy':
      return problem('address-checksum');
  }
}

function readOld(address: string, own: InvoiceNetwork): Result<Coin, Problem> {
  const [version = -1, ...hash] = decode(address);
  if (hash.length !== HASH_BYTES) return problem('address-checksum');
  const isMain = mainnetVersions.includes(version);
  // Another currency's versions can begin with the same letters.
  if (!isMain && !testVersions.includes(version)) return problem('other-coin');
  if (isMain !== (own === 'mainnet')) return problem('wrong-network', { network: isMain ? 'mainnet' : 'testnet', own });
  return ok({ address, old: true });
}

function decode(text: string): Uint8Array {
  try {
    return base58check.decode(text);
  } catch {
    return new Uint8Array(0);
  }
}
