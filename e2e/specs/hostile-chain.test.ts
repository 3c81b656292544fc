/**
 * A relay that lies about the chain, in front of a real chain, relay and LDK peer: every answer about blocks goes through a liar.
 * No lie makes the channel ready; the truth afterwards does.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelayClient } from '../../app/net/relay.ts';
import type { ChannelView, Snapshot } from '../../app/runtime/api.ts';
import type { PagePorts } from '../../app/runtime/requests.ts';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import type { AnswerOf } from '../../shared/protocol/session.ts';
import { waitFor } from '../lab/wait.ts';
import type { Self } from '../peers/self.ts';
import { connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

type Tip = AnswerOf<'chain/tip'>;
type Headers = AnswerOf<'chain/headers'>;
type Tx = AnswerOf<'chain/tx'>;
type Lie = { readonly tip?: (tip: Tip) => Tip; readonly headers?: (headers: Headers) => Headers; readonly tx?: (tx: Tx) => Tx };

let world: SmallWorld;
let self: Self;
let nodeId: string;
let lie: Lie = {};
const asked: string[] = [];
let relayHeight = 0;

/** What the app sees of the relay. */
const lying = (ports: PagePorts): PagePorts => ({
  ...ports,
  relay: async () => {
    const client = await ports.relay();
    const call: RelayClient['call'] = async (op, body, options) => {
      asked.push(op);
      const answer = await client.call(op, body, options);
      if (!answer.ok) return answer;
      let value: unknown = answer.value;
      if (op === 'chain/tip') relayHeight = (value as Tip).height;
      if (op === 'chain/tip') value = lie.tip?.(value as Tip) ?? value;
      if (op === 'chain/headers') value = lie.headers?.(value as Headers) ?? value;
      if (op === 'chain/tx') value = lie.tx?.(value as Tx) ?? value;
      return { ok: true, value: value as typeof answer.value };
    };
    return { ...client, call };
  },
});

const sha256d = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(createHash('sha256').update(bytes).digest()).digest();
const display = (hash: Uint8Array): string => Buffer.from(hash).reverse().toString('hex');
const HEADER = 80;
const headersOf = (hex: string): Uint8Array[] =>
  Array.from({ length: hex.length / (2 * HEADER) }, (_, i) => fromHex(hex.slice(i * 2 * HEADER, (i + 1) * 2 * HEADER)));

/** Works (or takes care not to) until the header has the first bit that regtest asks for. */
function mined(header: Uint8Array, good = true): Uint8Array {
  const bytes = Buffer.from(header);
  for (let nonce = 0; ; nonce += 1) {
    bytes.writeUInt32LE(nonce, 76);
    if ((sha256d(bytes)[31] ?? 0) < 0x80 === good) return Uint8Array.from(bytes);
  }
}
/** The last header of an answer, changed. */
const last =
  (change: (header: Uint8Array) => Uint8Array) =>
  (answer: Headers): Headers => {
    const headers = headersOf(answer.headers);
    const tip = headers.pop();
    return tip === undefined ? answer : { ...answer, headers: [...headers, change(Uint8Array.from(tip))].map(toHex).join('') };
  };
const withField = (at: number, bytes: readonly number[], good = true) =>
  last((header) => {
    header.set(bytes, at);
    return mined(header, good);
  });
const le32 = (n: number): number[] => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];

async function view(): Promise<Snapshot> {
  const answer = await self.call('snapshot', null);
  if (!answer.ok) throw new Error(answer.error.code);
  return answer.value;
}
const channel = async (): Promise<ChannelView | undefined> => (await view()).channels.at(-1);

/** The relay looks at its node now and then. */
const caughtUp = () =>
  waitFor(
    async () => {
      await self.call('refresh', null);
      return relayHeight === world.chain.height();
    },
    { what: 'the relay to see the new blocks' },
  );

/** Until our signature is out and the funding transaction waits for a block. */
async function openOne(): Promise<void> {
  const before = (await view()).channels.length;
  let funded: Awaited<ReturnType<typeof world.alice.openChannel>> | undefined;
  void world.alice.openChannel(nodeId, 40_000n).then((outcome) => {
    funded = outcome;
  });
  await wakeUntil(self, 'the funding to be broadcast', async () => funded !== undefined);
  expect(funded).toMatchObject({ ok: true });
  expect((await view()).channels).toHaveLength(before + 1);
}

beforeAll(async () => {
  world = await startSmallWorld({ limits: { handoverTimeoutMs: 10_000 } });
  ({ self, nodeId } = await connectedSelf(world, { wrap: lying }));
  await openOne();
  await self.call('refresh', null);
}, 60_000);
afterAll(() => world.stop());

/** The lie is heard at least once, and the channel stands as before. */
async function heard(one: Lie, op: string): Promise<Snapshot> {
  asked.length = 0;
  lie = one;
  await self.call('refresh', null);
  lie = {};
  expect(asked).toContain(op);
  const after = await view();
  expect(after.channels.at(-1)).toMatchObject({ tag: 'wait-for-funding-confirmed', confirmations: 0 });
  return after;
}

describe('three blocks on the funding transaction, and the relay lies', () => {
  beforeAll(async () => {
    lie = { tip: () => ({ network: 'mainnet', height: 0, hash: '00'.repeat(32) }) };
    await world.chain.mine(3);
    await world.alice.settled();
    await caughtUp();
  });

  const forged: Record<string, { lie: Lie; error: string }> = {
    'another network': { lie: { tip: (tip) => ({ ...tip, network: 'mainnet' }) }, error: 'wrong-network' },
    'a header without work': { lie: { headers: last((header) => mined(header, false)) }, error: 'forged: bad-work' },
    'a header that does not link': { lie: { headers: withField(4, Array<number>(32).fill(7)) }, error: 'forged: does-not-link' },
    'a first header that does not link': {
      lie: {
        headers: (answer) => ({ ...answer, headers: toHex(mined(Uint8Array.from(headersOf(answer.headers)[0] ?? []).fill(9, 4, 36))) }),
      },
      error: 'forged: does-not-link',
    },
    'less difficulty than there is': { lie: { headers: withField(72, le32(0x2100ffff)) }, error: 'forged: bad-bits' },
    'more difficulty than there is': { lie: { headers: withField(72, le32(0x207ffffe)) }, error: 'forged: bad-bits' },
    'a header before its time': { lie: { headers: withField(68, le32(1_296_688_603)) }, error: 'forged: time-too-old' },
    'a header of tomorrow': {
      lie: { headers: withField(68, le32(Math.floor(Date.now() / 1000) + 86_400)) },
      error: 'forged: time-too-new',
    },
    'half a header': { lie: { headers: (answer) => ({ ...answer, headers: answer.headers.slice(2) }) }, error: 'forged: bad-length' },
  };
  it.each(Object.entries(forged))('%s: not believed, and the page says so', async (_, one) => {
    const before = (await view()).chain.height;
    const after = await heard(one.lie, 'chain/tip');
    expect(after.chain.error).toContain(one.error);
    expect(after.chain.height).toBeLessThanOrEqual(before + 2);
  });

  it.each([
    ['no headers', { headers: (answer: Headers) => ({ ...answer, headers: '' }) }],
    ['a tip of long ago', { tip: (tip: Tip) => ({ ...tip, height: 3 }), headers: (answer: Headers) => ({ ...answer, headers: '' }) }],
    ['a tip without end', { tip: (tip: Tip) => ({ ...tip, height: 2 ** 40, hash: 'ab'.repeat(32) }), tx: (tx: Tx) => ({ raw: tx.raw }) }],
  ])('%s: no news, and not without end', async (_, one) => {
    await heard(one, 'chain/tip');
    expect(asked.length).toBeLessThan(30);
  });

  const flip = (hex: string): string => (hex.startsWith('00') ? `ff${hex.slice(2)}` : `00${hex.slice(2)}`);
  const proofs: Record<string, (tx: Tx) => Tx> = {
    'a transaction without a proof': ({ raw }) => ({ raw }),
    'a proof of another transaction': (tx) => ({ ...tx, raw: tx.coinbase ?? '' }),
    'a whole proof, of the coinbase': (tx) => ({ ...tx, raw: tx.coinbase ?? '', pos: 0, siblings: tx.coinbaseSiblings }),
    'a transaction that pays another amount': (tx) => {
      const at = tx.raw.indexOf('409c000000000000');
      if (at < 0) throw new Error('no output of 40,000 sat');
      return { ...tx, raw: `${tx.raw.slice(0, at)}419c${tx.raw.slice(at + 4)}` };
    },
    'a transaction that pays another script': (tx) => {
      const at = tx.raw.indexOf('220020', tx.raw.indexOf('409c000000000000')) + 6;
      return { ...tx, raw: tx.raw.slice(0, at) + flip(tx.raw.slice(at)) };
    },
    'half a transaction': (tx) => ({ ...tx, raw: tx.raw.slice(0, 100) }),
    'no transaction': (tx) => ({ ...tx, raw: '' }),
    '64 bytes that could be two hashes': (tx) => ({ ...tx, raw: `${tx.siblings?.[0] ?? '00'.repeat(32)}${'00'.repeat(32)}` }),
    'another sibling': (tx) => ({ ...tx, siblings: tx.siblings?.map(flip) }),
    'no siblings': (tx) => ({ ...tx, siblings: [], coinbaseSiblings: [] }),
    'one sibling more': (tx) => ({
      ...tx,
      siblings: [...(tx.siblings ?? []), '00'.repeat(32)],
      coinbaseSiblings: [...(tx.coinbaseSiblings ?? []), '00'.repeat(32)],
    }),
    'another depth for the coinbase': (tx) => ({ ...tx, coinbaseSiblings: [...(tx.coinbaseSiblings ?? []), '00'.repeat(32)] }),
    'another coinbase': (tx) => ({ ...tx, coinbase: tx.raw }),
    'another place in the block': (tx) => ({ ...tx, pos: (tx.pos ?? 0) + 1 }),
    'a place beyond the block': (tx) => ({ ...tx, pos: 2 ** 31 }),
    'another block': (tx) => ({ ...tx, height: (tx.height ?? 0) - 1 }),
    'a block that is not there yet': (tx) => ({ ...tx, height: 2 ** 31 }),
  };
  it.each(Object.entries(proofs))('the headers are right, and the proof is %s', async (_, tx) => {
    await heard({ tx }, 'chain/tx');
    expect((await view()).chain.height).toBe(world.chain.height());
  });

  it('the truth makes it ready', async () => {
    lie = {};
    await wakeUntil(self, 'the channel to be ready', async () => {
      await self.call('refresh', null);
      return (await channel())?.tag === 'normal';
    });
    expect(await channel()).toMatchObject({ tag: 'normal', confirmations: 3 });
    expect((await view()).chain.error).toBeUndefined();
  });
});

describe('branches', () => {
  it('one with less work changes nothing; one with more takes the confirmation away, and gives it back', { timeout: 40_000 }, async () => {
    await openOne();
    await world.chain.mine(1);
    await world.alice.settled();
    await caughtUp();
    expect(await channel()).toMatchObject({ tag: 'wait-for-funding-confirmed', confirmations: 1 });
    const height = world.chain.height();

    // A branch of one block, in place of the last two.
    lie = {
      headers: (answer) => {
        const under = height - 2 - answer.from;
        const headers = headersOf(answer.headers);
        const base = headers[under];
        const next = headers[under + 1];
        if (base === undefined || next === undefined) return answer;
        const branch = Uint8Array.from(next);
        branch.fill(1, 36, 68);
        return { ...answer, headers: [...headers.slice(0, under + 1), mined(branch)].map(toHex).join('') };
      },
      tip: (tip) => ({ ...tip, height: height - 3, hash: display(new Uint8Array(32).fill(3)) }),
    };
    await self.call('refresh', null);
    lie = {};
    expect((await view()).chain.height).toBe(height);
    expect(await channel()).toMatchObject({ tag: 'wait-for-funding-confirmed', confirmations: 1 });

    await world.chain.reorg(2);
    await caughtUp();
    expect((await view()).chain.height).toBe(height + 1);
    expect(await channel()).toMatchObject({ tag: 'wait-for-funding-confirmed', confirmations: 0 });
    expect((await view()).channels[0]).toMatchObject({ tag: 'normal' });

    await world.chain.mine(3);
    await world.alice.settled();
    await wakeUntil(self, 'the channel to be ready after all', async () => {
      await self.call('refresh', null);
      return (await channel())?.tag === 'normal';
    });
  });
});
