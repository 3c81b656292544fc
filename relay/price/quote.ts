/** From a template and a path to one plausible number. Pure; whoever runs the source may have written anything. */
import { err, ok, type Result } from '../../shared/lib/result.ts';

/** A price of one bitcoin: below and above these no currency of the world has ever been. */
export const MIN_RATE = 1;
export const MAX_RATE = 1e12;
const MAX_DEPTH = 8;
const MAX_PATH_CHARS = 200;

/** `{currency}` stands for EUR, `{lower}` for eur. */
const fill = (text: string, currency: string): string =>
  text.replaceAll('{currency}', currency).replaceAll('{lower}', currency.toLowerCase());

/** Undefined: not an address that may be asked. The currency may stand anywhere but in the host. */
export function addressOf(template: string, currency: string, protocols: readonly string[]): URL | undefined {
  const url = URL.parse(fill(template, currency));
  const other = URL.parse(fill(template, 'XXX'));
  if (url === null || !protocols.includes(url.protocol) || url.username !== '' || url.password !== '') return undefined;
  return other?.host === url.host ? url : undefined;
}

/** `path`: names and indices with dots between them; empty for a document that is a number itself. */
export function quoteIn(text: string, path: string, currency: string): Result<number, 'not-json' | 'not-there' | 'not-a-price'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('not-json');
  }
  const names = path.trim() === '' ? [] : fill(path.trim(), currency).split('.');
  if (path.length > MAX_PATH_CHARS || names.length > MAX_DEPTH) return err('not-there');
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return err('not-there');
    value = Object.entries(value).find(([key]) => key === name)?.[1];
  }
  const rate = typeof value === 'string' && /^\d{1,13}(\.\d{1,20})?$/.test(value) ? Number(value) : value;
  return isRate(rate) ? ok(rate) : err('not-a-price');
}

const isRate = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= MIN_RATE && value <= MAX_RATE;
