/** Amounts as people type them: "2500", "2,500", "2 500", "2.5k", "1.2m", "0.0001 btc". Whole sat out, or null. */

const factors: { readonly [unit: string]: bigint } = { '': 1n, sat: 1n, sats: 1n, k: 1_000n, m: 1_000_000n, btc: 100_000_000n };

export function parseAmount(text: string): bigint | null {
  const parts = /^([\d.,\s'_\u00a0\u202f]*\d)\s*([a-z]*)$/i.exec(text.trim());
  const factor = parts?.[2] === undefined ? undefined : factors[parts[2].toLowerCase()];
  if (!parts?.[1] || factor === undefined) return null;
  const digits = parts[1].replace(/[\s'_\u00a0\u202f]/g, '');
  const whole = plainDecimal(digits, factor > 1n);
  if (whole === null) return null;
  const [units = '', fraction = ''] = whole.split('.');
  const scaled = BigInt(`${units}${fraction}` || '0') * factor;
  const divisor = 10n ** BigInt(fraction.length);
  return scaled % divisor === 0n ? scaled / divisor : null;
}

/** Tells grouping from a decimal sign. One sign and a unit ("2,5k") is a decimal; groups of three ("2,500") are grouping. */
function plainDecimal(digits: string, hasUnit: boolean): string | null {
  const signs = digits.replace(/\d/g, '');
  if (signs === '') return digits;
  if (signs.length === 1 && (hasUnit || !/^\d{1,3}[.,]\d{3}$/.test(digits))) return hasUnit ? digits.replace(',', '.') : null;
  const last = signs.at(-1) ?? '';
  const mixed = new Set(signs).size === 2;
  const groups = mixed ? digits.slice(0, digits.lastIndexOf(last)) : digits;
  if (!/^\d{1,3}([.,]\d{3})+$/.test(groups)) return null;
  const plain = groups.replace(/[.,]/g, '');
  return mixed ? (hasUnit ? `${plain}.${digits.slice(digits.lastIndexOf(last) + 1)}` : null) : plain;
}
