/** Ambient types of the app: Svelte components for plain `tsc`, and the module that the build writes. */
declare module '*.svelte' {
  import type { Component } from 'svelte';

  const component: Component;
  export default component;
}

declare module 'virtual:shell' {
  /** Every file of the built page, for the worker's offline cache. `revision` is null where the name carries a hash. */
  const files: readonly { readonly url: string; readonly revision: string | null }[];
  export default files;
  export const version: string;
}
