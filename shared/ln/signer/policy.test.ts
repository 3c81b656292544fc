import { describe, expect, it } from 'vitest';
import { judgeOpen, type OpenRequest, type OpenRules } from './policy.ts';

const rules: OpenRules = {
  onOpen: 'sign',
  zeroConf: false,
  minFundingSat: 20_000n,
  maxFundingSat: 1_000_000n,
  allowPublic: false,
  maxPendingChannels: 2,
};
const request: OpenRequest = { fundingAmountSat: 200_000n, pushMsat: 0n, isPublic: false, zeroConf: false, pendingChannels: 1 };

describe('judgeOpen', () => {
  it('signs alone, asks or refuses as the user set it', () => {
    expect(judgeOpen(rules, request)).toEqual({ answer: 'sign', notes: [] });
    expect(judgeOpen({ ...rules, onOpen: 'ask' }, request)).toEqual({ answer: 'ask', notes: [] });
    expect(judgeOpen({ ...rules, onOpen: 'refuse' }, request)).toEqual({ answer: 'refuse', reason: 'opens-refused' });
  });

  it.each<[string, Partial<OpenRequest>, Partial<OpenRequest>]>([
    ['funding-too-small', { fundingAmountSat: 19_999n }, { fundingAmountSat: 20_000n }],
    ['funding-too-large', { fundingAmountSat: 1_000_001n }, { fundingAmountSat: 1_000_000n }],
    ['public-not-allowed', { isPublic: true }, { isPublic: false }],
    ['zero-conf-not-allowed', { zeroConf: true }, { zeroConf: false }],
    ['too-many-pending', { pendingChannels: 2 }, { pendingChannels: 1 }],
  ])('%s, even where the user would be asked', (reason, outside, inside) => {
    for (const onOpen of ['sign', 'ask'] as const) {
      expect(judgeOpen({ ...rules, onOpen }, { ...request, ...outside })).toEqual({ answer: 'refuse', reason });
      expect(judgeOpen({ ...rules, onOpen }, { ...request, ...inside })).toEqual({ answer: onOpen, notes: [] });
    }
  });

  it('what the user allows is let through', () => {
    const open = { ...rules, zeroConf: true, allowPublic: true };
    expect(judgeOpen(open, { ...request, isPublic: true })).toEqual({ answer: 'sign', notes: [] });
    expect(judgeOpen(open, { ...request, zeroConf: true })).toEqual({ answer: 'sign', notes: ['zero-conf'] });
  });

  it('says that a pushed amount is not there yet', () => {
    expect(judgeOpen(rules, { ...request, pushMsat: 1n })).toEqual({ answer: 'sign', notes: ['push-unconfirmed'] });
  });
});
