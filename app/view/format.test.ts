import { describe, expect, test } from 'vitest';
import { ago, clean, countdown, duration, sat, shortId } from './format.ts';
import { checkPolicy, policyForm } from './policy.ts';
import { href, parse } from './route.ts';

describe('text for people', () => {
  test('amounts are grouped, however large', () => {
    expect(sat('2100000000000000').replace(/\D/g, '')).toBe('2100000000000000');
    expect(sat('2100000000000000')).toMatch(/\d\D\d{3}$/);
  });
  test('times', () => {
    expect(duration(84)).toMatch(/^84\s?ms$/);
    expect(duration(1234)).toMatch(/^1[.,]2\s?s/);
    expect(countdown(119_001)).toBe('2:00');
    expect(countdown(-5)).toBe('0:00');
    expect(ago(1_000_000 - 180_000, 1_000_000)).toContain('3');
  });
  test('what others wrote loses controls, direction marks and its overlong end', () => {
    expect(clean('a\u202eb\u0000c\u200fd\n\n e')).toBe('a b c d e');
    expect(clean('x'.repeat(300), 10)).toBe(`${'x'.repeat(10)}…`);
  });
  test('ids keep both ends', () => {
    expect(shortId(`02${'ab'.repeat(32)}`)).toBe('02ababab…ababab');
  });
});

describe('addresses', () => {
  test('there and back', () => {
    for (const parts of [[], ['activity'], ['channels', 'ab/cd #1'], ['settings', 'words']]) {
      const { place, parts: rest } = parse(href(...parts));
      expect([place, ...rest].filter((part) => part !== '')).toEqual(parts);
    }
  });
  test('a broken escape is only text', () => {
    expect(parse('#/peers/%E0%A4%A')).toEqual({ place: 'peers', parts: ['%E0%A4%A'] });
  });
});

describe('the rules form', () => {
  const policy = {
    onOpen: 'ask',
    minFundingSat: '20000',
    maxFundingSat: '16777215',
    minDepth: 3,
    allowPublic: false,
    promptMinutes: 5,
  } as const;
  test('what is shown is what is saved', () => {
    expect(checkPolicy(policyForm(policy))).toEqual({ ok: true, policy });
  });
  test('each mistake stands at its field', () => {
    const form = { ...policyForm(policy), min: 'lots', max: '', depth: '0', minutes: '2.5' };
    expect(checkPolicy(form)).toEqual({
      ok: false,
      mistakes: { min: 'amountBad', max: 'amountBad', depth: 'depthBad', minutes: 'minutesBad' },
    });
    expect(checkPolicy({ ...policyForm(policy), min: '2m', max: '1m' })).toEqual({ ok: false, mistakes: { max: 'rangeBad' } });
  });
});
