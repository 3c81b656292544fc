/** What was wrong with a text, in words: what happened, whether money is at risk, what to do. */
import { lookup } from '../i18n/index.ts';
import { later } from '../i18n/later.ts';
import { dateTime } from './format.ts';
import type { Problem, Understood } from './understood.ts';

export type ProblemWords = { readonly what: string; readonly risk: string; readonly advice: string };

export function problemWords(problem: Problem): ProblemWords {
  return {
    what: what(problem),
    risk: lookup(later.understand.secretRisk, problem.code) ?? later.understand.safe,
    advice: later.understand.advice[problem.code],
  };
}

function what({ code, params }: Problem): string {
  const networks = later.understand.networks;
  if (code === 'expired') return later.understand.expired(dateTime(params.atMs ?? 0));
  if (code === 'wrong-network')
    return later.understand.wrongNetwork(networks[params.network ?? 'testnet'], networks[params.own ?? 'mainnet']);
  if (code === 'required-parameter') return later.understand.requiredParameter(params.name ?? '');
  if (code === 'duplicate-parameter') return later.understand.duplicateParameter(params.name ?? '');
  return later.understand.what[code];
}

/** In one sentence what is known, and cannot be paid yet. */
export const laterWords = ({ what: kind }: Extract<Understood, { tag: 'later' }>): string => later.understand.later[kind];

/** Said beside an address whose invoice is good no more. */
export const insteadWords = (): string => later.understand.insteadOnChain;
