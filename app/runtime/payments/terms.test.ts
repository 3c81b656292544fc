/** What peers are told of our terms: nothing while nothing is passed on, and once in each connection while it is. */

import { expect, test } from 'vitest';
import { compare, fromHex } from '../../../shared/lib/bytes.ts';
import { decode } from '../../../shared/ln/peer/wire.ts';
import { livePeers } from '../peers.ts';
import { tellTerms } from './terms.ts';
import { Line } from './testing-forward.ts';
import { idOf, ourScidOf } from './testing-send.ts';

/** What the peer is to hear, and has not heard. */
async function updates({ world }: Line, name: string) {
  const { outbox } = await world.state(name);
  return outbox.flatMap(({ bytes }) => {
    const decoded = decode(bytes);
    return decoded.ok && decoded.value.name === 'channel_update' ? [decoded.value] : [];
  });
}
const tell = async ({ world }: Line) => tellTerms(world.node.ports, await livePeers(world.node.ports), world.into);

test('nothing while it is off', async () => {
  const line = await Line.start({ on: false });
  expect(await tell(line)).toBe(false);
  expect(await updates(line, 'bob')).toEqual([]);
});

test('once in each connection, again when they change, and disabled once when it is switched off', async () => {
  const line = await Line.start();
  const { world } = line;
  expect([await tell(line), await tell(line)]).toEqual([true, false]);
  const [first, ...more] = await updates(line, 'bob');
  const nodeId = (await world.node.ports.keys())?.nodeId() ?? '';
  const direction = compare(fromHex(nodeId), fromHex(idOf('bob'))) < 0 ? 0 : 1;
  const figures = { feeBaseMsat: 1_000, feeProportionalMillionths: 100, cltvExpiryDelta: 80, htlcMinimumMsat: 1_000n };
  expect(first).toMatchObject({ ...figures, shortChannelId: ourScidOf('bob'), channelFlags: direction, htlcMaximumMsat: 1_000_000_000n });
  expect(more).toEqual([]);
  await world.settle();

  await line.passOn({ htlcMinimumMsat: '5000' });
  await tell(line);
  const [second] = await updates(line, 'bob');
  expect(second).toMatchObject({ htlcMinimumMsat: 5_000n });
  expect(second?.timestamp).toBeGreaterThan(first?.timestamp ?? 0);
  await world.settle();

  await world.cut('bob');
  expect(await tell(line)).toBe(false);
  await world.connect('bob');
  await world.settle();
  expect([await tell(line), (await updates(line, 'bob')).length, (await updates(line, 'anna')).length]).toEqual([true, 1, 0]);
  await world.settle();

  await line.passOn({ on: false });
  expect([await tell(line), await tell(line)]).toEqual([true, false]);
  expect(await updates(line, 'bob')).toMatchObject([{ channelFlags: direction | 2 }]);
  await world.cut('bob');
  await world.connect('bob');
  await world.settle();
  expect(await tell(line)).toBe(false);
});
