/** What a person does wrong, two tabs do at once, or a browser loses: a typed answer, and what remains is as it was. */
import { describe, expect, test } from 'vitest';
import { equal, toHex } from '../../shared/lib/bytes.ts';
import { freeze, thaw } from '../../shared/lib/freeze.ts';
import { pointFromSecret } from '../../shared/ln/keys/secp.ts';
import type { ChannelSigner } from '../../shared/ln/signer/signer.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { parseAddress } from './requests.ts';
import {
  checkNothingLost,
  FakeRelay,
  peerAddress,
  peerIdHex,
  rules,
  storedPeer,
  type TestNode,
  testNode,
  wakeUntilSettled,
  walletNode,
  walletOf,
} from './testing.ts';

const errorOf = (code: string) => ({ ok: false, error: { code } });

/** A node whose user is being asked. */
async function asked(relay = new FakeRelay()): Promise<{ node: TestNode; answer: { peerId: string; channelId: string; always: boolean } }> {
  const node = await walletNode({ relay, onOpen: 'ask' });
  await node.call('connect-peer', { address: peerAddress });
  const view = await node.call('snapshot', null);
  const prompt = view.ok ? view.value.prompts[0] : undefined;
  if (prompt === undefined) throw new Error('nobody asked');
  return { node, answer: { peerId: peerIdHex, channelId: prompt.channelId, always: false } };
}

async function settled(relay = new FakeRelay()): Promise<TestNode> {
  const node = await walletNode({ relay });
  await node.call('connect-peer', { address: peerAddress });
  await wakeUntilSettled(node);
  return node;
}

describe('node addresses', () => {
  const id = peerIdHex;
  const good: readonly [string, string, number][] = [
    [`${id}@host.example:9735`, 'host.example', 9735],
    [`${id}@host.example`, 'host.example', 9735],
    [`  ${id}@host.example:1 \n`, 'host.example', 1],
    [`${id.toUpperCase()}@HOST.Example:65535`, 'host.example', 65_535],
    [`lightning:${id}@127.0.0.1:9735`, '127.0.0.1', 9735],
    [`LIGHTNING://${id}@127.0.0.1`, '127.0.0.1', 9735],
    [`${id}@[2001:db8::1]:9736`, '2001:db8::1', 9736],
    [`${id}@[::1]`, '::1', 9735],
    [`${id}@under_score.example:9735`, 'under_score.example', 9735],
  ];
  test.each(good)('%s', (text, host, port) => expect(parseAddress(text)).toEqual({ peerId: id, host, port }));

  const notOnCurve = `02${'00'.repeat(31)}05`;
  const bad = [
    '',
    ' ',
    '@',
    'alice',
    id,
    `${id}@`,
    `@host:9735`,
    `host:9735`,
    `${id} host:9735`,
    `${id}@ host:9735`,
    `${id}@host:`,
    `${id}@host:0`,
    `${id}@host:65536`,
    `${id}@host:99999`,
    `${id}@host:123456`,
    `${id}@host:-1`,
    `${id}@host:+1`,
    `${id}@host:1e3`,
    `${id}@host:0x10`,
    `${id}@host:9735/`,
    `${id}@host:9735:9735`,
    `${id}@host/path`,
    `${id}@host?x`,
    `${id}@user:pass@host:9735`,
    `${id}@@host`,
    `${id}@2001:db8::1`,
    `${id}@[2001:db8::1`,
    `${id}@2001:db8::1]`,
    `${id}@[fe80::1%eth0]:9735`,
    `${id}@[]:9735`,
    `${id}@h\u00f6st:9735`,
    `${id}@host\u0000:9735`,
    `${id}@ho\nst:9735`,
    `${id}@\u202ehost:9735`,
    `${id}@${'a'.repeat(254)}`,
    `${id.slice(2)}@host:9735`,
    `${id}00@host:9735`,
    `04${id.slice(2)}@host:9735`,
    `00${id.slice(2)}@host:9735`,
    `${'zz'.repeat(33)}@host:9735`,
    `${notOnCurve}@host:9735`,
    `02${'ff'.repeat(32)}@host:9735`,
    `https://${id}@host:9735`,
    `lightning:lnbc1pvjluezpp5`,
    `${id}@${'x'.repeat(100_000)}`,
  ];
  test('what is none is refused, nothing is stored and nobody is dialled', async () => {
    const node = await walletNode();
    for (const address of bad)
      expect([address, await node.call('connect-peer', { address })]).toMatchObject([address, errorOf('address-invalid')]);
    const view = await node.call('snapshot', null);
    expect(view.ok && view.value.peers).toEqual([]);
    expect(node.relay.ops).toEqual([]);
  });

  test('our own address', async () => {
    const node = await walletNode();
    const view = await node.call('snapshot', null);
    const nodeId = view.ok ? view.value.nodeId : '';
    expect(await node.call('connect-peer', { address: `${nodeId}@127.0.0.1:9735` })).toMatchObject(errorOf('address-invalid'));
  });

  test('before there is a wallet', async () => {
    const node = await testNode();
    expect(await node.call('connect-peer', { address: peerAddress })).toMatchObject(errorOf('no-wallet'));
    expect(await node.call('words', null)).toMatchObject(errorOf('no-wallet'));
    expect(await node.call('refresh', null)).toMatchObject(errorOf('no-wallet'));
    expect(await node.call('relay-socket', null)).toMatchObject(errorOf('no-wallet'));
  });
});

describe('wallets, rules and the relay', () => {
  test.each([
    ['entropy of 15 bytes', { entropy: '00'.repeat(15) }],
    ['entropy of 24 bytes', { entropy: '00'.repeat(24) }],
    ['entropy in capitals', { entropy: 'AA'.repeat(16) }],
    ['a short key', { walletKey: '00'.repeat(63) }],
    ['a key that is no hex', { walletKey: 'zz'.repeat(64) }],
    ['an unknown network', { network: 'fakenet' }],
    ['a network named like a part of every object', { network: 'constructor' }],
  ])('%s makes no wallet', async (_, wrong) => {
    const node = await testNode();
    expect(await node.call('create-wallet', { ...walletOf('one'), ...wrong })).toMatchObject(errorOf('words-invalid'));
    expect(await node.call('snapshot', null)).toMatchObject({ ok: true, value: { wallet: 'none' } });
  });

  test('a second wallet does not replace the first', async () => {
    const node = await walletNode();
    const before = await node.call('words', null);
    expect(await node.call('create-wallet', walletOf('two'))).toMatchObject(errorOf('wallet-exists'));
    expect(await (await node.again()).call('words', null)).toEqual(before);
  });

  test.each([
    ['a minimum above the maximum', { minFundingSat: '2', maxFundingSat: '1' }],
    ['an amount below zero', { minFundingSat: '-1' }],
    ['an amount with a point', { minFundingSat: '1.5' }],
    ['an amount of words', { maxFundingSat: 'all' }],
    ['an amount without end', { maxFundingSat: '9'.repeat(17) }],
    ['no confirmation', { minDepth: 0 }],
    ['a thousand confirmations', { minDepth: 1_000 }],
    ['half a confirmation', { minDepth: 1.5 }],
    ['a prompt of no minutes', { promptMinutes: 0 }],
    ['a prompt longer than peers wait', { promptMinutes: 10 }],
    ['not a number', { promptMinutes: Number.NaN }],
    ['an unknown choice', { onOpen: 'always' as 'ask' }],
  ])('a policy with %s is refused and changes nothing', async (_, wrong) => {
    const node = await walletNode();
    expect(await node.call('set-policy', { ...rules, ...wrong })).toMatchObject(errorOf('policy-invalid'));
    expect(await node.call('snapshot', null)).toMatchObject({ ok: true, value: { policy: rules } });
  });

  test('rules for a peer: unknown choices and unknown peers', async () => {
    const node = await settled();
    const set = (change: object) => node.call('set-peer-policy', { peerId: peerIdHex, onOpen: 'ask', zeroConf: false, ...change });
    expect(await set({ onOpen: 'yes' })).toMatchObject(errorOf('policy-invalid'));
    expect(await set({ zeroConf: 'no' })).toMatchObject(errorOf('policy-invalid'));
    expect(await set({ peerId: 'nobody' })).toMatchObject(errorOf('peer-unknown'));
    expect(await set({})).toMatchObject({ ok: true });
    expect(await node.call('rename-peer', { peerId: 'nobody', alias: 'x' })).toMatchObject(errorOf('peer-unknown'));
    expect(await node.call('forget-peer', { peerId: 'nobody' })).toMatchObject(errorOf('peer-unknown'));
    expect(await node.call('forget-peer', { peerId: peerIdHex })).toMatchObject(errorOf('peer-refused'));
  });

  test.each(['', 'relay', 'ftp://relay.example', 'http://relay.example', 'javascript:alert(1)', 'data:text/html,x'])(
    'a relay at "%s" is refused, and the old one stays',
    async (url) => {
      const node = await walletNode();
      expect(await node.call('set-relay', { url })).toMatchObject(errorOf('relay-refused'));
      expect(await node.call('snapshot', null)).toMatchObject({ ok: true, value: { relay: { url: 'http://relay.test' } } });
    },
  );
});

describe('prompts', () => {
  test('answered twice: the second has nothing to answer, and one accept_channel went out', async () => {
    const { node, answer } = await asked();
    expect(await node.call('answer-prompt', { ...answer, approve: true })).toMatchObject({ ok: true });
    expect(await node.call('answer-prompt', { ...answer, approve: true })).toMatchObject(errorOf('prompt-unknown'));
    expect(await node.call('answer-prompt', { ...answer, approve: false })).toMatchObject(errorOf('prompt-unknown'));
    await wakeUntilSettled(node);
    expect(node.relay.peer.heard.filter(({ name }) => name === 'accept_channel')).toHaveLength(1);
  });

  test('approved after its time: not approved, the peer is told, and no rule is kept', async () => {
    const { node, answer } = await asked();
    node.later(5 * 60_000);
    expect(await node.call('answer-prompt', { ...answer, approve: true, always: true })).toMatchObject(errorOf('prompt-unknown'));
    expect(node.relay.peer.heard.map(({ name }) => name)).toEqual(['error']);
    expect(node.notices.at(-1)?.title).toMatch(/^Missed/);
    expect((await node.ports.db.get('peers', peerIdHex))?.onOpen).toBe('default');
  });

  test.each(['', 'zz', '00'.repeat(31), '00'.repeat(32), 'AB'.repeat(32), 'x'.repeat(10_000)])(
    'the prompt "%.20s" is none, and no rule is kept',
    async (channelId) => {
      const { node } = await asked();
      const wrong = { peerId: peerIdHex, channelId, approve: true, always: true };
      expect(await node.call('answer-prompt', wrong)).toMatchObject(errorOf('prompt-unknown'));
      expect((await node.ports.db.get('peers', peerIdHex))?.onOpen).toBe('default');
    },
  );

  test('of a peer that is none', async () => {
    const { node, answer } = await asked();
    expect(await node.call('answer-prompt', { ...answer, peerId: 'nobody', approve: true })).toMatchObject(errorOf('prompt-unknown'));
  });

  test('of a connection that ended meanwhile', async () => {
    const { node, answer } = await asked();
    node.relay.peer.offers = false;
    node.relay.lose();
    await node.wake();
    expect(await node.call('answer-prompt', { ...answer, approve: true })).toMatchObject(errorOf('prompt-unknown'));
    expect(node.relay.peer.heard).toEqual([]);
  });
});

describe('two contexts on one database, neither waiting for the other', () => {
  test('approve and approve: one accept_channel, one signature', async () => {
    const { node, answer } = await asked();
    const other = await node.again();
    const both = await Promise.all([
      node.call('answer-prompt', { ...answer, approve: true }),
      other.call('answer-prompt', { ...answer, approve: true }),
    ]);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
    await wakeUntilSettled(node);
    const names = node.relay.peer.heard.map(({ name }) => name);
    expect(names).toEqual(['accept_channel', 'funding_signed']);
  });

  test('approve and deny: one of them, never both', async () => {
    const { node, answer } = await asked();
    const other = await node.again();
    const both = await Promise.all([
      node.call('answer-prompt', { ...answer, approve: true }),
      other.call('answer-prompt', { ...answer, approve: false }),
    ]);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
    await node.wake();
    const names = node.relay.peer.heard.map(({ name }) => name);
    expect(names.filter((name) => name === 'accept_channel' || name === 'error')).toHaveLength(1);
  });

  test('waking at once, again and again: the channel goes on and nothing is said twice', async () => {
    const node = await walletNode();
    await node.call('connect-peer', { address: peerAddress });
    const others = await Promise.all([node.again(), node.again()]);
    for (let i = 0; i < 4; i += 1) {
      await Promise.all([node, ...others].map((one) => one.wake()));
      await checkNothingLost(node);
      node.later(3_600_000);
    }
    await wakeUntilSettled(node);
    expect(node.relay.peer.heard.filter(({ name }) => name === 'funding_signed')).toHaveLength(1);
  });
});

describe('the browser lost a part of the database', () => {
  test('the peers: it is told, nobody is met as a stranger, and the copy at the relay brings the channel back', async () => {
    const node = await settled();
    const before = (await storedPeer(node))?.channels;
    await node.ports.db.clear('peers');
    const after = await node.again();
    await after.wake();
    expect(after.notices.length).toBeGreaterThan(0);
    expect(await after.call('snapshot', null)).toMatchObject({
      ok: true,
      value: { wallet: 'ready', peers: [], channels: [], missingPeers: 1 },
    });
    expect(await after.call('connect-peer', { address: peerAddress })).toMatchObject(errorOf('storage-lost'));
    expect(await after.call('restore-peers', null)).toEqual({ ok: true, value: { restored: 1 } });
    expect(await after.call('snapshot', null)).toMatchObject({ ok: true, value: { channels: [{}], missingPeers: 0 } });
    expect((await storedPeer(after))?.channels).toHaveLength(before?.length ?? 0);
    await wakeUntilSettled(after);
    await checkNothingLost(after);
  });

  test('the settings: the channel and its money are as they were, and nothing is signed for another chain', async () => {
    const node = await settled();
    const before = (await storedPeer(node))?.channels;
    await node.ports.db.clear('settings');
    const after = await node.again();
    await after.wake();
    expect(after.notices.length).toBeGreaterThan(0);
    expect(await after.call('snapshot', null)).toMatchObject({ ok: true, value: { wallet: 'ready', channels: [{}] } });
    expect((await storedPeer(after))?.channels).toEqual(before);
    await checkNothingLost(after);
  });

  test('the vault: no key, no step; the same words bring everything back', async () => {
    const node = await settled();
    const before = await node.ports.db.get('peers', peerIdHex);
    await node.ports.db.clear('vault');
    const after = await node.again();
    after.relay.lose();
    await after.wake();
    expect(after.notices.length).toBeGreaterThan(0);
    expect(await after.call('snapshot', null)).toMatchObject({ ok: true, value: { wallet: 'none', channels: [{}] } });
    expect(await after.call('connect-peer', { address: peerAddress })).toMatchObject(errorOf('no-wallet'));
    expect(await after.ports.db.get('peers', peerIdHex)).toEqual(before);
    // Other words would stand beside channels that they have no keys for.
    expect(await after.call('create-wallet', walletOf('two'))).toMatchObject(errorOf('wallet-exists'));
    expect(await after.call('create-wallet', walletOf('one'))).toMatchObject({ ok: true });
    await after.wake();
    await wakeUntilSettled(after);
    expect(after.relay.peer.heard.at(-1)?.name).toBe('channel_reestablish');
  });

  test('the vault cannot be opened any more: the same, and the sealed words are not overwritten', async () => {
    const node = await settled();
    const record = await node.ports.db.get('vault', 'wallet');
    if (record === undefined) throw new Error('no vault');
    await node.ports.db.put('vault', { ...record, iv: new Uint8Array(12) }, 'wallet');
    const after = await node.again();
    expect(await after.call('snapshot', null)).toMatchObject({ ok: true, value: { wallet: 'none' } });
    expect(await after.call('create-wallet', walletOf('one'))).toMatchObject(errorOf('wallet-exists'));
    expect((await node.ports.db.get('vault', 'wallet'))?.sealed).toEqual(record.sealed);
  });

  test('all of it: the first page again', async () => {
    const node = await settled();
    for (const store of ['peers', 'settings', 'vault', 'activity', 'headers'] as const) await node.ports.db.clear(store);
    const after = await node.again();
    await after.wake();
    expect(after.notices.length).toBeGreaterThan(0);
    expect(await after.call('snapshot', null)).toMatchObject({ ok: true, value: { wallet: 'none', peers: [], channels: [] } });
  });

  test('closed under a wake: it still shows something', async () => {
    const node = await settled();
    const shown = node.notices.length;
    node.ports.db.close();
    await node.wake().catch(() => undefined);
    expect(node.notices.length).toBeGreaterThan(shown);
  });
});

describe('bytes of a peer that cannot be read', () => {
  const otherId = toHex(pointFromSecret(hash('another peer')));
  const mangle: Record<string, (frozen: Uint8Array) => Uint8Array> = {
    truncated: (frozen) => frozen.slice(0, frozen.length - 1),
    empty: () => new Uint8Array(0),
    'one bit turned in the first byte': (frozen) => frozen.map((byte, i) => (i === 0 ? byte ^ 0x80 : byte)),
    'of a newer version': (frozen) => {
      const thawed = thaw(frozen);
      if (!thawed.ok) throw new Error('not ours');
      return freeze({ ...(thawed.value as Record<string, never>), version: 3 });
    },
  };
  test.each(Object.entries(mangle))('%s: shown so, kept as it is; the others go on', async (_, change) => {
    const node = await settled();
    const record = await node.ports.db.get('peers', peerIdHex);
    if (record === undefined) throw new Error('no peer');
    const broken = { ...record, peerId: otherId, session: 'broken', frozen: change(record.frozen) };
    await node.ports.db.put('peers', broken);
    node.relay.lose();
    await node.wake();
    await wakeUntilSettled(node);
    const frames = [{ session: 'broken', epoch: 1, n: 1, bytes: 'AAAA' }];
    await node.wake(JSON.stringify({ v: 1, wakeId: 'w', reason: 'message', sentAtMs: 1, frames }));
    const view = await node.call('snapshot', null);
    expect(view.ok && view.value.peers.find(({ peerId }) => peerId === otherId)).toMatchObject({ link: 'offline', reason: 'unreadable' });
    expect(await node.call('rename-peer', { peerId: otherId, alias: 'x' })).toMatchObject(errorOf('storage-failed'));
    expect(await node.call('connect-peer', { address: `${otherId}@127.0.0.1:9735` })).toMatchObject(errorOf('storage-failed'));
    expect(await node.call('forget-peer', { peerId: otherId })).toMatchObject(errorOf('peer-refused'));
    const kept = await node.ports.db.get('peers', otherId);
    expect(kept && equal(kept.frozen, broken.frozen)).toBe(true);
  });
});

test('a step that throws: that peer is left alone, told once, its bytes as before; the others go on', async () => {
  let broken = false;
  const node = await walletNode({
    wrap: (ports) => ({
      ...ports,
      keys: async () => {
        const keys = await ports.keys();
        if (keys === undefined) return undefined;
        return {
          ...keys,
          openSigner: (path) => {
            const signer: ChannelSigner = keys.openSigner(path);
            return {
              ...signer,
              basepoints: signer.basepoints,
              signRemoteCommitment: (template, settled, guard) => {
                if (broken) throw new Error('a bug of ours');
                return signer.signRemoteCommitment(template, settled, guard);
              },
            };
          },
        };
      },
    }),
  });
  const { relay } = node;
  broken = true;
  await node.call('connect-peer', { address: peerAddress });
  await node.wake();
  expect(relay.peer.heard.map(({ name }) => name)).toEqual(['accept_channel']);
  const record = await node.ports.db.get('peers', peerIdHex);
  expect(record?.quarantined).toContain('a bug of ours');
  expect((await storedPeer(node))?.channels.map(({ tag }) => tag)).toEqual(['wait-for-funding-created']);
  const view = await node.call('snapshot', null);
  expect(view.ok && view.value.peers[0]).toMatchObject({ reason: 'quarantined' });

  // Left alone for good, even when the bug is gone: nothing is signed before somebody has looked.
  broken = false;
  const shown = node.notices.filter(({ title }) => title.includes('fault')).length;
  await node.wake();
  await node.wake();
  expect(await node.ports.db.get('peers', peerIdHex)).toEqual(record);
  expect(node.notices.filter(({ title }) => title.includes('fault'))).toHaveLength(shown);
  expect(shown).toBe(1);
  const log = await node.call('activity', { limit: 50, kind: 'fault' });
  expect(log.ok && log.value).toHaveLength(1);
  const other = toHex(pointFromSecret(hash('another peer')));
  expect(await node.call('connect-peer', { address: `${other}@127.0.0.1:9735` })).not.toMatchObject(errorOf('internal'));
});
