/** What every page is given: the node as it is, and the parts of the address after the page's name. */
import type { Snapshot } from '../runtime/api.ts';

export type PageProps = { readonly snapshot: Snapshot; readonly parts: readonly string[] };
