/**
 * Segwit addresses as people write them: BIP 173 (witness version 0) and BIP 350 (version 1). For the address that we show and the
 * one that a person wants a channel's money sent to. Callers check that the peer takes such a script (BOLT 2 § Closing Initiation).
 */
import { bech32, bech32m } from '@scure/base';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Network } from '../spv/networks.ts';

export type AddressError = {
  readonly code: /** Not an address at all, or mistyped: its checksum does not hold. */
    | 'malformed'
    /** Of another network. */
    | 'wrong-network'
    /** An address of the old kinds (1…, 3…): BOLT 2 knows only segwit scripts. */
    | 'legacy'
    /** A witness version whose rules are not known yet: anybody could take the money. */
    | 'unknown-version';
};

/** Signet's addresses look like those of testnet. */
const prefixes: { readonly [name in Network]: 'bc' | 'tb' | 'bcrt' } = { mainnet: 'bc', testnet: 'tb', signet: 'tb', regtest: 'bcrt' };
const bitcoinPrefixes: readonly string[] = Object.values(prefixes);
const legacyForm = /^[123mn][1-9A-HJ-NP-Za-km-z]{25,34}$/;
const OP_1 = 0x51;
const maxAddressChars = 90;

/** Of a P2WPKH, P2WSH or taproot script; throws for another, which no wallet of ours has. */
export function addressOf(scriptPubKey: Uint8Array, network: Network): string {
  const [op = 0, length] = scriptPubKey;
  const program = scriptPubKey.subarray(2);
  const known = op === 0 ? program.length === 20 || program.length === 32 : op === OP_1 && program.length === 32;
  if (!known || length !== program.length) throw new RangeError('not a script that has an address here');
  const code = op === 0 ? bech32 : bech32m;
  return code.encode(prefixes[network], [op === 0 ? 0 : 1, ...code.toWords(program)]);
}

/** Never throws, whatever the text. */
export function scriptFromAddress(text: string, network: Network): Result<Uint8Array, AddressError> {
  const address = text.trim();
  if (legacyForm.test(address)) return err({ code: 'legacy' });
  if (address.length > maxAddressChars) return err({ code: 'malformed' });
  const old = bech32.decodeUnsafe(address, maxAddressChars);
  const decoded = old ?? bech32m.decodeUnsafe(address, maxAddressChars);
  if (decoded === undefined || !bitcoinPrefixes.includes(decoded.prefix)) return err({ code: 'malformed' });
  if (decoded.prefix !== prefixes[network]) return err({ code: 'wrong-network' });
  const [version = 0, ...words] = decoded.words;
  const program = bech32.fromWordsUnsafe(words);
  // BIP 350: version 0 has the checksum of BIP 173, every other one its own.
  if (!(program instanceof Uint8Array) || (version === 0) !== (old !== undefined) || version > 16) return err({ code: 'malformed' });
  if (program.length < 2 || program.length > 40) return err({ code: 'malformed' });
  if (version === 0 && program.length !== 20 && program.length !== 32) return err({ code: 'malformed' });
  if (version > 1 || (version === 1 && program.length !== 32)) return err({ code: 'unknown-version' });
  return ok(concat(Uint8Array.of(version === 0 ? 0 : OP_1, program.length), program));
}
