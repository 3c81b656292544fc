/** Links: `bitcoin:` (BIP 21, and the empty address and names of parameters of BIP 321), `lightning:`, and web addresses that carry one of them. */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { cleanDescription } from '../../shared/ln/invoice/description.ts';
import { readCoinAddress } from './coin-address.ts';
import type { AddressFacts, Context, Problem, Understood } from './understood.ts';

/** What stands alone: an invoice, an address, a node, … */
export type ReadAlone = (text: string, context: Context) => Understood;
type Params = ReadonlyMap<string, string>;

export const problem = (code: Problem['code'], params: Problem['params'] = {}): Understood & { tag: 'problem' } => ({
  tag: 'problem',
  code,
  params,
});
const fault = (code: Problem['code'], params: Problem['params'] = {}) => err({ code, params });

const MAX_NAME_CHARS = 40;
const MAX_NOTE_CHARS = 200;
const MAX_SAT = 2_100_000_000_000_000n;
/** An invoice of which the address in the same link may be paid instead: the link is whole, and its invoice of no use to us. */
const mended: readonly Problem['code'][] = ['expired', 'unknown-features'];

const spaceless = (text: string): string => text.replace(/\s+/g, '');
const schemeOf = /^(?:web\+)?lightning:(?:\/\/)?/i;
export const withoutScheme = (text: string): string => text.replace(schemeOf, '');

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Names in lower case: codes are often upper case from end to end. */
function readParams(query: string): Result<Params, Problem> {
  const params = new Map<string, string>();
  // As copied out of a page's source.
  for (const part of query.replace(/&amp;/gi, '&').split('&')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const name = decode(spaceless(at < 0 ? part : part.slice(0, at)))?.toLowerCase();
    const value = at < 0 ? '' : decode(part.slice(at + 1));
    if (name === undefined || value === undefined) return fault('encoding');
    const shown = { name: cleanDescription(name, MAX_NAME_CHARS) };
    if (params.has(name)) return fault('duplicate-parameter', shown);
    // BIP 21: we know none of those that must be known.
    if (name.startsWith('req-')) return fault('required-parameter', shown);
    params.set(name, value);
  }
  return ok(params);
}

function split(text: string): { readonly path: string; readonly query: string } {
  const [whole = ''] = text.split('#');
  const at = whole.indexOf('?');
  // Some begin their parameters with "&".
  const end = at < 0 ? whole.indexOf('&') : at;
  return end < 0 ? { path: whole, query: '' } : { path: whole.slice(0, end), query: whole.slice(end + 1) };
}

/** Whole bitcoin in decimals; exact. */
export function readBtc(text: string): Result<bigint, Problem> {
  if (text === '') return fault('amount-missing');
  const [, units = '', decimals = ''] = /^(\d*)\.?(\d*)$/.exec(text) ?? [];
  if (units === '' && decimals === '') return fault('amount-bad');
  const exact = decimals.replace(/0+$/, '');
  if (exact.length > 8) return fault('amount-too-precise');
  const plain = units.replace(/^0+/, '');
  if (plain.length > 8) return fault('amount-too-large');
  const sat = BigInt(`${plain}${exact.padEnd(8, '0')}`);
  if (sat === 0n) return fault('amount-zero');
  return sat > MAX_SAT ? fault('amount-too-large') : ok(sat);
}

/** Many write a space as "+", though BIP 21 does not. */
function note(name: 'label' | 'message', params: Params): { readonly [key in 'label' | 'message']?: string } {
  const value = params.get(name) ?? '';
  const text = cleanDescription(/ /.test(value) ? value : value.replaceAll('+', ' '), MAX_NOTE_CHARS);
  return text === '' ? {} : { [name]: text };
}

/** `text`: what follows `bitcoin:`, spaces still in it. */
export function readBitcoinLink(text: string, context: Context, readAlone: ReadAlone): Understood {
  const { path, query } = split(text.replace(/^\/\//, ''));
  const read = readParams(query);
  if (!read.ok) return problem(read.error.code, read.error.params);
  const params = read.value;
  const body = decode(spaceless(path));
  if (body === undefined) return problem('encoding');
  const amount = params.has('amount') ? readBtc(spaceless(params.get('amount') ?? '')) : undefined;
  if (amount?.ok === false) return problem(amount.error.code, amount.error.params);
  const written = body || (['bc', 'tb', 'bcrt'].map((name) => params.get(name)).find((value) => value) ?? '');
  const inner = params.get('lightning') || params.get('lno');
  if (written === '') return inner ? readAlone(withoutScheme(spaceless(inner)), context) : problem('address-missing');
  const coin = readCoinAddress(written, context.network);
  // Not an address: some write `bitcoin:` before whatever they have.
  if (coin === undefined) return orUnknownAddress(readAlone(written, context));
  if (!coin.ok) return problem(coin.error.code, coin.error.params);
  const facts: AddressFacts = {
    ...coin.value,
    ...(amount === undefined ? {} : { amountSat: amount.value }),
    ...note('label', params),
    ...note('message', params),
  };
  return inner ? bothWays(readAlone(withoutScheme(spaceless(inner)), context), facts) : { tag: 'address', ...facts };
}

const orUnknownAddress = (read: Understood): Understood =>
  read.tag === 'problem' && read.code === 'unknown' ? problem('address-checksum') : read;

function bothWays(read: Understood, onchain: AddressFacts): Understood {
  switch (read.tag) {
    case 'invoice': {
      const { tag: _, ...invoice } = read;
      return differ(invoice.amountMsat, onchain.amountSat) ? problem('amounts-differ') : { tag: 'unified', invoice, onchain };
    }
    case 'later':
      return { ...read, onchain };
    case 'problem':
      return mended.includes(read.code)
        ? { tag: 'address', ...onchain, invoiceProblem: { code: read.code, params: read.params } }
        : problem(read.code === 'unknown' ? 'letters' : read.code, read.params);
    case 'address':
    case 'unified':
    case 'node':
      return problem('malformed');
  }
}

/** The chain knows whole sat only: a part of one may be left out, or rounded up. */
const differ = (amountMsat: bigint | undefined, amountSat: bigint | undefined): boolean =>
  amountMsat !== undefined && amountSat !== undefined && amountSat !== amountMsat / 1000n && amountSat !== (amountMsat + 999n) / 1000n;

/** `text`: what follows `lightning:`, without spaces. */
export function readLightningLink(text: string, context: Context, readAlone: ReadAlone): Understood {
  const { path, query } = split(text);
  const read = readParams(query);
  if (!read.ok) return problem(read.error.code, read.error.params);
  const body = decode(path);
  if (body === undefined) return problem('encoding');
  return body === '' ? problem('empty') : readAlone(body.replace(/\/$/, ''), context);
}

/** A web address with a parameter `lightning`, as LUD-01 has them; any other leads to a page that we do not open. */
export function readWebLink(text: string, context: Context, readAlone: ReadAlone): Understood {
  if (!URL.canParse(text)) return problem('web-link');
  const [inner, second] = [...new URL(text).searchParams].filter(([name]) => name.toLowerCase() === 'lightning').map(([, value]) => value);
  if (second !== undefined) return problem('duplicate-parameter', { name: 'lightning' });
  if (!inner) return problem('web-link');
  const read = readAlone(withoutScheme(spaceless(inner)), context);
  return read.tag === 'problem' && read.code === 'unknown' ? problem('web-link') : read;
}
