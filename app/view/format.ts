/** Amounts, times and ids as text, in the reader's own locale. */

const locale = () => (typeof navigator === 'undefined' ? 'en' : navigator.language);

/** Grouped digits of whole sat: "200,000". */
export function sat(amount: string | bigint): string {
  return new Intl.NumberFormat(locale()).format(BigInt(amount));
}

export function whole(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

/** A short length of time: "84 ms", "1.2 s". */
export function duration(ms: number): string {
  const [value, unit, digits] = ms < 1000 ? [ms, 'millisecond', 0] : ms < 60_000 ? [ms / 1000, 'second', 1] : [ms / 60_000, 'minute', 0];
  return new Intl.NumberFormat(locale(), {
    style: 'unit',
    unit: String(unit),
    unitDisplay: 'short',
    maximumFractionDigits: Number(digits),
  }).format(Number(value));
}

/** A length of time that nobody knows exactly: "40 minutes", "5 hours", "3 days". */
export function roughTime(minutes: number): string {
  const [value, unit] = minutes < 120 ? [minutes, 'minute'] : minutes < 48 * 60 ? [minutes / 60, 'hour'] : [minutes / (24 * 60), 'day'];
  return new Intl.NumberFormat(locale(), { style: 'unit', unit: String(unit), unitDisplay: 'long', maximumFractionDigits: 0 }).format(
    Number(value),
  );
}

/** Fractions of a sat are shown, as payments may have them. */
export function msat(amount: string): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 3 }).format(Number(amount) / 1000);
}

/** "1", "12.5". */
export function rate(value: number): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(value);
}

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** "3 min. ago", "yesterday"; under a minute it is "now". */
export function ago(atMs: number, now: number): string {
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto', style: 'short' });
  for (const [unit, ms] of steps) if (Math.abs(atMs - now) >= ms) return format.format(Math.trunc((atMs - now) / ms), unit);
  return format.format(0, 'second');
}

export function dateTime(atMs: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'medium' }).format(atMs);
}

export function time(atMs: number): string {
  return new Intl.DateTimeFormat(locale(), { timeStyle: 'short' }).format(atMs);
}

export function day(atMs: number): string {
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long' }).format(atMs);
}

/** Time left as "1:59"; never below zero. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Both ends of a long id: "02ab34…9f01". */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 8)}…${id.slice(-6)}`;
}

/** What others wrote, fit to show: no control, format or direction characters, and not longer than `max`. */
export function clean(text: string, max = 200): string {
  const plain = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/ +/g, ' ')
    .trim();
  return plain.length > max ? `${plain.slice(0, max)}…` : plain;
}
