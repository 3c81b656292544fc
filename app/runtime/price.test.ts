/** A page asks for a price; what the relay says is checked, and what it refuses has a code with words. */
import { expect, test } from 'vitest';
import { err, ok } from '../../shared/lib/result.ts';
import type { RelayErrorCode } from '../../shared/protocol/errors.ts';
import { FakeRelay, type TestNode, testNode, walletNode } from './testing.ts';

const source = { url: 'https://prices.example/{currency}', path: '{currency}' };
async function asking(
  answer: { rate: number } | RelayErrorCode | 'unreachable' | 'malformed',
): Promise<{ node: TestNode; asked: unknown[] }> {
  const relay = new FakeRelay();
  const asked: unknown[] = [];
  relay.meddle = async (op, body, honest) => {
    if (op !== 'price') return honest();
    asked.push(body);
    return typeof answer === 'string' ? err({ code: answer, detail: 'made for a test' }) : ok(answer);
  };
  return { node: await walletNode({ relay }), asked };
}

test('the relay is asked for what the page named, and no more', async () => {
  const { node, asked } = await asking({ rate: 95_000 });
  expect(await node.call('price', { currency: 'EUR' })).toEqual({ ok: true, value: { rate: 95_000 } });
  expect(await node.call('price', { currency: 'USD', source })).toEqual({ ok: true, value: { rate: 95_000 } });
  expect(asked).toEqual([{ currency: 'EUR' }, { currency: 'USD', source }]);
});

test.each<[RelayErrorCode | 'unreachable' | 'malformed', string]>([
  ['unreachable', 'relay-unreachable'],
  ['dial-refused', 'price-source-refused'],
  ['bad-request', 'price-source-refused'],
  ['price-unavailable', 'price-unavailable'],
  ['quota-requests', 'price-unavailable'],
  ['malformed', 'price-unavailable'],
  // A relay that is older than this operation.
  ['not-found', 'price-unavailable'],
])('%s: %s', async (code, told) => {
  const { node } = await asking(code);
  expect(await node.call('price', { currency: 'EUR' })).toMatchObject({ ok: false, error: { code: told } });
});

test.each([{ currency: 'euro' }, { currency: 'eur' }, { currency: 'EUR', source: { ...source, url: 'x'.repeat(401) } }])(
  'what no relay would take is not sent: %j',
  async (arg) => {
    const { node, asked } = await asking({ rate: 1 });
    expect(await node.call('price', arg)).toMatchObject({ ok: false, error: { code: 'price-source-refused' } });
    expect(asked).toEqual([]);
  },
);

test('without a wallet nobody is asked', async () => {
  const node = await testNode();
  expect(await node.call('price', { currency: 'EUR' })).toMatchObject({ ok: false, error: { code: 'no-wallet' } });
});
