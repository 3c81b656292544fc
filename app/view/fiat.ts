/** Amounts in a currency of the world, beside sat and never in their place. A rate is what one bitcoin costs. */

export const priceModes = ['off', 'relay', 'own', 'fixed'] as const;
export type PriceMode = (typeof priceModes)[number];
/** What the user wants. `url` and `path` are of an own source, `fixed` is an own rate. */
export type PriceChoice = {
  readonly mode: PriceMode;
  readonly currency: string;
  readonly url: string;
  readonly path: string;
  readonly fixed: number | null;
};
export type Quote = { readonly currency: string; readonly rate: number; readonly atMs: number };

/** As old as this a price is asked for again; as old as that it is shown no more. */
export const REFRESH_MS = 5 * 60_000;
export const STALE_MS = 2 * 3_600_000;
const [MIN_RATE, MAX_RATE] = [1, 1e12];
const MSAT_PER_BTC = 100_000_000_000;

export const isRate = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= MIN_RATE && value <= MAX_RATE;
export const isCurrency = (code: string): boolean => /^[A-Z]{3}$/.test(code);
/** Https, and the currency in it anywhere but in the host; the relay checks again. */
export function isSource(url: string): boolean {
  const filled = url.replaceAll('{currency}', 'EUR').replaceAll('{lower}', 'eur');
  return URL.canParse(filled) && new URL(filled).protocol === 'https:' && !/^https:\/\/[^/?#]*[{}@]/i.test(url);
}

const byRegion: { readonly [currency: string]: string } = {
  EUR: 'AD AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MC ME MT NL PT SI SK SM VA XK',
  USD: 'US EC SV PR PA GU TL ZW',
  GBP: 'GB IM JE GG',
  CHF: 'CH LI',
  AUD: 'AU NR TV KI',
  NZD: 'NZ CK NU',
  DKK: 'DK GL FO',
  NOK: 'NO SJ',
  ...{ JPY: 'JP', CNY: 'CN', INR: 'IN', KRW: 'KR', BRL: 'BR', CAD: 'CA', MXN: 'MX', ARS: 'AR', CLP: 'CL', COP: 'CO', PEN: 'PE' },
  ...{ SEK: 'SE', PLN: 'PL', CZK: 'CZ', HUF: 'HU', RON: 'RO', RSD: 'RS', UAH: 'UA', TRY: 'TR', ILS: 'IL', GEL: 'GE', KZT: 'KZ' },
  ...{ ZAR: 'ZA', NGN: 'NG', KES: 'KE', GHS: 'GH', EGP: 'EG', MAD: 'MA', AED: 'AE', SAR: 'SA', PKR: 'PK', BDT: 'BD', LKR: 'LK' },
  ...{ THB: 'TH', VND: 'VN', IDR: 'ID', MYR: 'MY', PHP: 'PH', SGD: 'SG', HKD: 'HK', TWD: 'TW', UYU: 'UY', CRC: 'CR', GTQ: 'GT' },
};

/** What people pay with where that language is set; dollars where we do not know. */
export function currencyFor(locale: string): string {
  try {
    const region = new Intl.Locale(locale).maximize().region ?? '';
    return Object.entries(byRegion).find(([, regions]) => regions.split(' ').includes(region))?.[0] ?? 'USD';
  } catch {
    return 'USD';
  }
}

/** "€0.75"; below the smallest coin "<€0.01". Throws on a currency that is none: `isCurrency` first. */
export function fiatText(msat: bigint, rate: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency });
  const smallest = 10 ** -(format.resolvedOptions().maximumFractionDigits ?? 2);
  const value = (Number(msat) / MSAT_PER_BTC) * rate;
  return value > 0 && value < smallest / 2 ? `<${format.format(smallest)}` : format.format(value);
}

/** Whole sat for an amount that was typed in the currency; null: none. */
export function satFor(amount: number, rate: number): bigint | null {
  const sat = Math.round((amount / rate) * 100_000_000);
  return isRate(rate) && amount > 0 && Number.isSafeInteger(sat) && sat > 0 ? BigInt(sat) : null;
}

/** "95000", "95,000", "95.000,50", "95 000.5": three digits after a sign are a group, one or two are decimals. */
export function parseRate(text: string): number | null {
  const plain = text.trim().replace(/[\s'’_\u00a0\u202f]/g, '');
  const [, whole = '', decimals = ''] = /^(\d{1,3}(?:[.,]\d{3})+|\d+)(?:[.,](\d{1,2}))?$/.exec(plain) ?? [];
  const rate = Number(`${whole.replace(/[.,]/g, '')}.${decimals || '0'}`);
  return isRate(rate) ? rate : null;
}

export const defaultChoice = (locale: string): PriceChoice => ({
  mode: 'off',
  currency: currencyFor(locale),
  url: '',
  path: '{currency}',
  fixed: null,
});

/** What was kept, as far as it is what we keep. */
export function readChoice(text: string | null, locale: string): PriceChoice {
  const usual = defaultChoice(locale);
  let kept: unknown;
  try {
    kept = JSON.parse(text ?? '');
  } catch {
    return usual;
  }
  if (typeof kept !== 'object' || kept === null) return usual;
  const { mode, currency, url, path, fixed } = { ...usual, ...kept };
  const known = priceModes.find((one) => one === mode);
  return {
    mode: known ?? 'off',
    currency: typeof currency === 'string' && isCurrency(currency) ? currency : usual.currency,
    url: typeof url === 'string' ? url : '',
    path: typeof path === 'string' ? path : usual.path,
    fixed: isRate(fixed) ? fixed : null,
  };
}

/** The rate that amounts are shown by at `nowMs`, and since when it is known; null: none. A clock that was set back makes no price fresh. */
export function currentRate(
  choice: PriceChoice,
  quote: Quote | null,
  nowMs: number,
): { readonly rate: number; readonly atMs?: number } | null {
  switch (choice.mode) {
    case 'off':
      return null;
    case 'fixed':
      return choice.fixed === null ? null : { rate: choice.fixed };
    case 'relay':
    case 'own': {
      if (quote === null || quote.currency !== choice.currency) return null;
      const age = Math.abs(nowMs - quote.atMs);
      return age > STALE_MS ? null : { rate: quote.rate, atMs: quote.atMs };
    }
  }
}

/** Whether to ask now. */
export const isDue = (choice: PriceChoice, quote: Quote | null, nowMs: number): boolean =>
  (choice.mode === 'relay' || (choice.mode === 'own' && isSource(choice.url))) &&
  (quote === null || quote.currency !== choice.currency || Math.abs(nowMs - quote.atMs) >= REFRESH_MS);
