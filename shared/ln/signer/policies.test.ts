import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { documentedPolicies, policiesOnlyInCode } from './policies.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const tests = readdirSync(folder)
  .filter((name) => name.endsWith('.test.ts') && name !== 'policies.test.ts')
  .map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
  .join('\n');
const titles = new Set([...tests.matchAll(/\bit(?:\.each\([\s\S]*?\))?\(\s*'([^']+)'/g)].map(([, title]) => title));
const policies = Object.entries({ ...documentedPolicies, ...policiesOnlyInCode });

it('the list is whole: 88 documented names and 8 more, none twice', () => {
  expect(Object.keys(documentedPolicies)).toHaveLength(88);
  expect(policies).toHaveLength(96);
  for (const [name] of policies) expect(name).toMatch(/^policy-[a-z-]+$/);
});

it('each policy that the signer holds names a test there is', () => {
  expect(titles.size).toBeGreaterThan(60);
  const missing = policies.filter(([, policy]) => policy.heldBy === 'signer' && !titles.has(policy.test));
  expect(missing).toEqual([]);
});

it('the sum: what the signer holds, what is left to the engine, what there is nothing to hold of', () => {
  const count = (heldBy: string): number => policies.filter(([, policy]) => policy.heldBy === heldBy).length;
  expect({ signer: count('signer'), engine: count('engine'), none: count('not-applicable') }).toEqual({ signer: 52, engine: 31, none: 13 });
});
