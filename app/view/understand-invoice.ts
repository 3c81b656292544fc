/** An invoice as a person needs it, or what is wrong with it in terms of which a person can do something. */
import { toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { fallbackAddress } from '../../shared/ln/invoice/address.ts';
import { cleanDescription } from '../../shared/ln/invoice/description.ts';
import { expiresAt, type Invoice, type InvoiceError, isExpired } from '../../shared/ln/invoice/invoice.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import type { Context, InvoiceFacts, Problem } from './understood.ts';

/** The last moment that a date can tell. */
const LAST_MS = 8_640_000_000_000_000;
/** The fewest characters: prefix, time, hash, secret, an empty description, signature, checksum. */
const SHORTEST_INVOICE = 235;

/** `text` begins with `ln`, and has no spaces. */
export function readInvoice(text: string, { network, nowMs }: Context): Result<InvoiceFacts, Problem> {
  // No data part has a "b": a second prefix is a second invoice.
  if ((text.match(/ln(?:bc|tb)/gi)?.length ?? 0) > 1) return err({ code: 'several', params: {} });
  const parsed = parseInvoice(text, network);
  if (!parsed.ok) return err(asProblem(parsed.error, text.toLowerCase(), network));
  const invoice = parsed.value;
  const expiresAtMs = Math.min(expiresAt(invoice) * 1000, LAST_MS);
  if (isExpired(invoice, Math.floor(nowMs / 1000))) return err({ code: 'expired', params: { atMs: expiresAtMs } });
  const description = cleanDescription(invoice.description ?? '');
  const fallback = onChain(invoice);
  return ok({
    text: text.toLowerCase(),
    ...(invoice.amountMsat === undefined ? {} : { amountMsat: invoice.amountMsat }),
    ...(description === '' ? {} : { description }),
    payee: toHex(invoice.payee),
    paymentHash: toHex(invoice.paymentHash),
    expiresAtMs,
    ...(fallback === undefined ? {} : { fallbackAddress: fallback }),
  });
}

function onChain({ fallbacks, network }: Invoice): string | undefined {
  // Of segwit versions after taproot nobody knows yet who may spend them.
  const known = fallbacks.find(({ version, program }) => version === 0 || (version === 1 && program.length === 32) || version > 16);
  return known && fallbackAddress(known, network);
}

function asProblem(error: InvoiceError, text: string, own: Context['network']): Problem {
  const only = (code: Problem['code']): Problem => ({ code, params: {} });
  switch (error.code) {
    case 'wrong-network':
      return { code: 'wrong-network', params: { network: error.network, own } };
    case 'unknown-network':
    case 'mixed-case':
    case 'too-long':
    case 'unknown-features':
    case 'amount-too-large':
      return only(error.code);
    case 'bad-amount':
      return only(/^ln[a-z]+0+[munp]?$/.test(text.slice(0, text.lastIndexOf('1'))) ? 'amount-zero' : 'amount-bad');
    case 'too-precise':
      return only('amount-too-precise');
    case 'not-bech32':
      return only(/^[a-z0-9]+$/.test(text) && text.length < SHORTEST_INVOICE ? 'cut' : 'letters');
    case 'checksum':
      return only(text.length < SHORTEST_INVOICE ? 'cut' : 'checksum');
    case 'too-short':
      return only('cut');
    case 'bad-signature':
    case 'high-s':
      return only('bad-signature');
    case 'bad-field':
    case 'missing':
    case 'two-descriptions':
    case 'missing-feature':
      return only('malformed');
  }
}
