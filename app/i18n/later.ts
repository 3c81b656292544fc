/** The words of pages that few visits begin with: in the files of those pages, not in the first view's. */
import { enPayments } from './en-payments.ts';
import { enPrice } from './en-price.ts';
import { enUnderstand } from './en-understand.ts';
import type { Widen } from './index.ts';

export type LaterCatalogue = Widen<typeof enPayments & typeof enPrice & typeof enUnderstand>;

export const later: LaterCatalogue = { ...enPayments, ...enPrice, ...enUnderstand };
