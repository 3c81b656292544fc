/**
 * Everything that may be frozen. A promise, a function, a Map or an interface does not fit:
 * state is `type`, not `interface`.
 */
export type Plain =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined };
