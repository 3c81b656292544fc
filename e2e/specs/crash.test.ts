/**
 * A worker killed before each of its writes and requests, one run per boundary of the whole open flow, then started again:
 * the channel goes on. Enumerated, not sampled: the runs end with the first one in which nothing was left to kill.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Executioner, surviving } from './executioner.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

let world: SmallWorld;
beforeAll(async () => {
  world = await startSmallWorld();
}, 60_000);
afterAll(() => world.stop());

async function openFlow(at: number): Promise<string[]> {
  const executioner = new Executioner(at);
  const { self: first, nodeId } = await connectedSelf(world, { wrap: executioner.wrap });
  executioner.armed = true;
  const opening = world.alice.openChannel(nodeId, 40_000n);
  let funded: Awaited<typeof opening> | undefined;
  void opening.then((outcome) => {
    funded = outcome;
  });
  let self = await surviving(world, executioner, first, (node) =>
    wakeUntil(node, 'our signature', async () => (await channelTags(node)).includes('wait-for-funding-confirmed')),
  );
  // The answer may still be in the outbox of a context that died right after its commit.
  self = await surviving(world, executioner, self, (node) =>
    wakeUntil(node, 'the funding to be broadcast', async () => funded !== undefined),
  );
  expect(funded).toMatchObject({ ok: true });
  await world.chain.mine(3);
  await world.alice.settled();
  self = await surviving(world, executioner, self, (node) =>
    wakeUntil(node, 'the channel to be ready on both sides', async () => {
      const mine = (await channelTags(node))[0] === 'normal';
      const theirs = (await world.alice.channels()).find((channel) => channel.peer === nodeId)?.active === true;
      return mine && theirs;
    }),
  );
  expect(await channelTags(self)).toEqual(['normal']);
  self.close();
  return executioner.dead ? executioner.passed : [];
}

describe('open flow, killed at every boundary', () => {
  it('goes on to a ready channel from each of them', { timeout: 300_000 }, async () => {
    const seen: string[] = [];
    for (let at = 1; ; at += 1) {
      const passed = await openFlow(at);
      if (passed.length === 0) break;
      seen.push(passed.at(-1) ?? '');
    }
    console.log(`killed at ${seen.length} boundaries: ${[...new Set(seen)].join(', ')}`);
    expect(seen.length).toBeGreaterThan(15);
    expect(seen).toContain('request sync');
    expect(seen.some((name) => name.startsWith('write peers'))).toBe(true);
  });
});
