/** The same app in stock Firefox: its own push code wakes the worker for a peer that we did not write. */
import { expect, test } from 'vitest';
import { en } from '../../app/i18n/en.ts';
import type { Api, ApiName, ApiResult } from '../../app/runtime/api.ts';
import { callScript, type Evaluates, sees } from '../lab/hands.ts';
import { waitFor } from '../lab/wait.ts';
import { startAutopush } from '../push/autopush.ts';
import { makeCertificates } from '../push/certificates.ts';
import { openFirefox } from '../push/firefox.ts';
import { needsBrowser } from '../push/needs.ts';
import { activeChannels, connectTo, firstStart, mineUntilActive, startBrowserWorld } from './browser-world.ts';

async function call<N extends ApiName>(page: Evaluates, name: N, arg: Api[N][0]): Promise<Api[N][1]> {
  const answer = (await page.evaluate(callScript(name, arg))) as ApiResult<N>;
  if (!answer.ok) throw new Error(`${name}: ${answer.error.code}: ${answer.error.detail}`);
  return answer.value;
}

test('Firefox, page closed: LDK opens, the push wakes, the rules sign, the channel is ready on both sides; again after a cut', async ({
  skip,
  onTestFinished,
}) => {
  needsBrowser('firefox', skip);
  const push = await startAutopush(makeCertificates());
  onTestFinished(() => push.stop());
  const world = await startBrowserWorld(push);
  onTestFinished(() => world.stop());
  const { browser, stop } = await openFirefox({ pushUrl: push.serverUrl });
  onTestFinished(stop);
  const page = await browser.newPage();
  await page.goto(world.url);
  const person: Evaluates = { evaluate: (expression) => page.evaluate(expression), clickAt: (x, y) => page.mouse.click(x, y) };
  await firstStart(person);
  await connectTo(person, world.alice);
  await call(page, 'set-peer-policy', { peerId: world.alice.id, onOpen: 'sign', zeroConf: false });
  const { nodeId = '' } = await call(page, 'snapshot', null);
  await page.close();

  const pushes = push.posts.length;
  expect(await world.alice.openChannel(nodeId, 200_000n)).toMatchObject({ ok: true });
  expect(push.posts.slice(pushes)).toEqual([expect.objectContaining({ status: 201, urgency: 'high' })]);
  await mineUntilActive(world, world.alice, nodeId, 1);

  await world.alice.disconnect(nodeId);
  await waitFor(async () => (await activeChannels(world.alice, nodeId)) === 1, {
    what: 'the channel to be active again',
    timeoutMs: 20_000,
  });

  const again = await browser.newPage();
  await again.goto(`${world.url}/#/activity`);
  await sees(again, 'a', en.activity.kinds['channel-ready']);
  const [channel] = (await call(again, 'snapshot', null)).channels;
  expect(channel).toMatchObject({ tag: 'normal', online: true, capacitySat: '200000', peerAlias: 'Alice' });
  const all = ['accept_channel', 'channel_ready', 'channel_reestablish', 'funding_signed'];
  await waitFor(
    async () => {
      const wakes = await call(again, 'activity', { limit: 50, kind: 'wake' });
      const signed = new Set(wakes.flatMap(({ wake }) => wake?.signed ?? []));
      return all.every((name) => signed.has(name));
    },
    { what: 'all that was signed in the wakes of the activity log' },
  );
}, 90_000);
