/** The rules as a form holds them, and back. */
import type { PolicyChoice, PolicyView } from '../runtime/api.ts';
import { parseAmount } from './amount.ts';
import { sat } from './format.ts';

export type PolicyForm = { onOpen: PolicyChoice; min: string; max: string; depth: string; minutes: string; allowPublic: boolean };
export type PolicyMistakes = {
  min?: 'amountBad';
  max?: 'amountBad' | 'rangeBad';
  depth?: 'depthBad';
  minutes?: 'minutesBad';
};
export type PolicyCheck = { readonly ok: true; readonly policy: PolicyView } | { readonly ok: false; readonly mistakes: PolicyMistakes };

export function policyForm(policy: PolicyView): PolicyForm {
  return {
    onOpen: policy.onOpen,
    min: sat(policy.minFundingSat),
    max: sat(policy.maxFundingSat),
    depth: String(policy.minDepth),
    minutes: String(policy.promptMinutes),
    allowPublic: policy.allowPublic,
  };
}

function whole(text: string, max: number): number | null {
  const value = /^\d{1,4}$/.test(text.trim()) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : null;
}

export function checkPolicy(form: PolicyForm): PolicyCheck {
  const [min, max, depth, minutes] = [parseAmount(form.min), parseAmount(form.max), whole(form.depth, 144), whole(form.minutes, 9)];
  const mistakes: PolicyMistakes = {
    ...(min === null && { min: 'amountBad' }),
    ...(max === null && { max: 'amountBad' }),
    ...(min !== null && max !== null && min > max && { max: 'rangeBad' }),
    ...(depth === null && { depth: 'depthBad' }),
    ...(minutes === null && { minutes: 'minutesBad' }),
  };
  if (min === null || max === null || depth === null || minutes === null || min > max) return { ok: false, mistakes };
  return {
    ok: true,
    policy: {
      onOpen: form.onOpen,
      minFundingSat: String(min),
      maxFundingSat: String(max),
      minDepth: depth,
      allowPublic: form.allowPublic,
      promptMinutes: minutes,
    },
  };
}
