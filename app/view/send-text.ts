/** What a text is understood as here: on this network, now. */
import { networkPrefixes } from '../../shared/ln/invoice/amount.ts';
import { targetOf } from './send-form.ts';
import { understand } from './understand.ts';
import type { Context, Understood } from './understood.ts';

const isNetwork = (name: string): name is Context['network'] => Object.hasOwn(networkPrefixes, name);
export const understandHere = (text: string, network: string, nowMs: number): Understood =>
  understand(text, { network: isNetwork(network) ? network : 'mainnet', nowMs });

export const isPayable = (understood: Understood): boolean => targetOf(understood) !== undefined;
/** Has no business on the screen, in an address or in a history. */
export const isSecret = (understood: Understood): boolean => understood.tag === 'problem' && understood.code.startsWith('secret-');
