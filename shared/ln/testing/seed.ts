/**
 * One seed for every property test of a run, so that a red run is about the change at hand and can be had again. `FC_SEED=7 npm test` plays
 * others, and `npm run fuzz` plays new ones for as long as one likes.
 */
import fc from 'fast-check';

declare const process: { readonly env: { readonly [name: string]: string | undefined } };

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.FC_SEED ?? 1) });
