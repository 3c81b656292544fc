/** The catalogue in use. Others are added beside `en` and chosen by the reader's languages; their type is `Catalogue`. */
import { en } from './en.ts';

export type Widen<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { readonly [K in keyof T]: Widen<T[K]> };
export type Catalogue = Widen<typeof en>;

export const t: Catalogue = en;

/** For codes that come from elsewhere and may be newer than this catalogue. */
export function lookup(table: { readonly [code: string]: string }, code: string): string | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}
