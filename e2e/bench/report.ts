/** What a bench answers, and how it is shown. */

/** A figure that has a limit fails the run when it is over (or under) it. */
export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: { readonly at: 'most' | 'least'; readonly value: number };
  /** Wished for, not required. */
  readonly target?: { readonly at: 'most' | 'least'; readonly value: number };
};
export type Table = { readonly title: string; readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };
export type Result = { readonly name: string; readonly tables: readonly Table[]; readonly figures: readonly Figure[] };
/** `reason`: in words for the one who runs it. */
export type Skipped = { readonly name: string; readonly skipped: string };
/** `smoke`: as little as shows that the bench works. */
export type Options = { readonly smoke: boolean; readonly tell: (line: string) => void };
export type Bench = (options: Options) => Promise<Result | Skipped>;

/** The smallest value that a share of `values` does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[(sorted.length >> 1) - 1] ?? Number.NaN) + upper) / 2;
}

export const text = (value: number, digits = 0): string => value.toFixed(digits);

const holds = (value: number, bound: NonNullable<Figure['limit']>): boolean =>
  bound.at === 'most' ? value <= bound.value : value >= bound.value;
export const fails = ({ value, limit }: Figure): boolean => limit !== undefined && !holds(value, limit);

function verdict({ value, limit, target }: Figure): string {
  const bound = limit ?? target;
  if (bound === undefined) return '';
  const words = `${bound.at === 'most' ? '≤' : '≥'} ${bound.value}`;
  return `${words}${holds(value, bound) ? '' : limit === undefined ? ' (not yet)' : ' **missed**'}`;
}

function table({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [`**${title}**`, '', line(columns), line(columns.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** Markdown, fit for the README. */
export function markdown(results: readonly (Result | Skipped)[]): string {
  const parts = results.flatMap((result) =>
    'skipped' in result ? [`**${result.name}**: skipped, ${result.skipped}`] : result.tables.map(table),
  );
  const digits = (value: number) => (Math.abs(value) >= 100 ? 0 : 2);
  const rows = results.flatMap((result) =>
    'skipped' in result
      ? []
      : result.figures.map((figure) => [
          `${result.name}: ${figure.name}`,
          `${text(figure.value, digits(figure.value))} ${figure.unit}`,
          verdict(figure),
        ]),
  );
  return [...parts, table({ title: 'Figures', columns: ['what', 'value', 'wanted'], rows })].join('\n\n');
}
