/** `shutdown`: when it may be said, what it may hold, and what follows. BOLT 2 § Closing Initiation. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { type Closer, Closers, type ClosersOptions } from '../../testing/closers.ts';
import { hash } from '../../testing/opener.ts';
import { closingWeight } from '../../tx/closing.ts';
import { parseTransaction } from '../../tx/parse.ts';
import { p2wpkh, p2wsh } from '../../tx/scripts.ts';
import type { ChannelTerms } from '../terms.ts';

const preimage = hash('preimage');
const add = (side: Closer) =>
  side.step({
    tag: 'add',
    request: 'one',
    amountMsat: 10_000_000n,
    paymentHash: sha256(preimage),
    cltvExpiry: 1_500,
    onion: new Uint8Array(1366),
  });
const ready = (options: ClosersOptions = {}): Closers => new Closers(options).connect().settle();
const elsewhere = p2wsh(new Uint8Array(33));
const shutdownOf = (side: Closer, scriptpubkey: Uint8Array) =>
  ({ name: 'shutdown', channelId: side.commitments.channelId, scriptpubkey }) as const;
const warns = (side: Closer): string =>
  side.wire.flatMap((msg) => (msg.name === 'warning' ? [String.fromCharCode(...msg.data)] : [])).join();
const tags = (closers: Closers): readonly string[] => closers.sides.map(({ tag }) => tag);

/** The same channel with other terms, on both sides alike. */
function withTerms(closers: Closers, change: (terms: ChannelTerms, side: Closer) => ChannelTerms): Closers {
  for (const side of closers.sides) {
    if (side.state.tag !== 'offline') throw new Error('before the connection, please');
    const { was } = side.state;
    side.state = { tag: 'offline', was: { ...was, commitments: { ...was.commitments, terms: change(was.commitments.terms, side) } } };
  }
  return closers;
}

describe('shutdown of ours', () => {
  it('names our wallet unless the user says otherwise, and the signer pays nowhere else from then on', () => {
    const { alice, bob } = ready();
    alice.close();
    expect(alice.wire).toEqual([shutdownOf(alice, alice.script)]);
    expect(alice.commitments.guard.closeScript).toEqual(alice.script);
    bob.close(2_500, elsewhere);
    expect(bob.wire).toEqual([shutdownOf(bob, elsewhere)]);
    expect(bob.commitments.guard.closeScript).toEqual(elsewhere);
  });

  it('is said once', () => {
    const { alice } = ready();
    alice.close();
    alice.close();
    alice.step({ tag: 'flush' });
    expect(alice.says).toEqual(['shutdown']);
  });

  it('keeps to the first script: another is refused, and the peer hears nothing of it', () => {
    const { alice } = ready();
    alice.close();
    alice.close(2_500, elsewhere);
    expect(alice.says).toEqual(['shutdown']);
    expect(alice.notes.at(-1)).toBe('fault');
  });

  it('keeps to the upfront script', () => {
    const upfront = p2wpkh(hash('upfront'));
    const unbound = new Closers();
    const closers = withTerms(unbound, (terms, side) =>
      side === unbound.alice ? { ...terms, local: { ...terms.local, upfrontShutdownScript: upfront } } : terms,
    )
      .connect()
      .settle();
    const { alice } = closers;
    alice.close(2_500, elsewhere);
    expect(alice.says).toEqual([]);
    alice.close();
    expect(alice.wire).toEqual([shutdownOf(alice, upfront)]);
  });

  it('does not burn the money, nor pay what is no shutdown script', () => {
    const { alice } = ready({ simpleClose: true });
    alice.close(2_500, new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6]));
    alice.close(2_500, new Uint8Array([0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac]));
    expect(alice.says).toEqual([]);
    expect(alice.commitments).not.toHaveProperty('localShutdownScript');
  });

  it('waits until our updates are signed', () => {
    const { alice } = ready();
    add(alice);
    alice.close();
    expect(alice.says).toEqual(['update_add_htlc']);
    alice.step({ tag: 'flush' });
    expect(alice.says).toEqual(['update_add_htlc', 'commitment_signed', 'shutdown']);
  });

  it('is kept without a connection, and said after channel_reestablish, again on each connection', () => {
    const closers = new Closers();
    const { alice } = closers;
    alice.close();
    expect(alice.says).toEqual([]);
    closers.connect();
    expect(alice.says).toEqual(['channel_reestablish']);
    closers.deliver('alice');
    expect(alice.says).toEqual(['channel_reestablish', 'channel_ready', 'shutdown']);
    closers.cut().connect();
    closers.deliver('alice');
    expect(alice.says).toEqual(['channel_reestablish', 'channel_ready', 'shutdown']);
  });

  it('is kept until the channel stands on something', () => {
    const { alice, bob } = new Closers();
    for (const side of [alice, bob]) {
      if (side.state.tag !== 'offline') throw new Error('offline, to begin with');
      side.state = { tag: 'wait-for-funding-confirmed', commitments: side.commitments, since: { height: 990, ms: 0 } };
    }
    alice.close();
    expect(alice.says).toEqual([]);
    bob.hear(shutdownOf(alice, alice.script));
    expect(bob.says).toEqual([]);
    const { fundingOutpoint: outpoint } = bob.commitments;
    bob.step({ tag: 'chain', event: { tag: 'funding-confirmed', outpoint, height: 1_000, txIndex: 1, depth: 1 } });
    bob.step({ tag: 'flush' });
    expect(bob.says).toEqual(['channel_ready', 'shutdown']);
    expect(bob.tag).toBe('negotiating');
  });

  it('ends what may be added', () => {
    const closers = ready();
    const { alice, bob } = closers;
    alice.close();
    expect(add(alice).map(({ tag }) => tag)).toEqual(['add-refused']);
    closers.deliver('bob');
    expect(add(bob).map(({ tag }) => tag)).toEqual(['add-refused']);
  });
});

it('ends updates of the feerate, when nothing is pending', () => {
  const { alice } = ready();
  alice.close();
  alice.step({ tag: 'set-fee', feeratePerKw: 3_000 });
  expect(alice.says).toEqual(['shutdown']);
});

describe('shutdown of the peer', () => {
  it('is answered, told to the user once, and leads to the negotiation', () => {
    const closers = ready();
    closers.alice.close();
    closers.deliver('bob');
    expect(closers.bob.says).toEqual(['shutdown']);
    expect(closers.bob.notes).toContain('peer-shutdown');
    expect(closers.bob.tag).toBe('negotiating');
    closers.settle();
    expect(closers.alice.notes).not.toContain('peer-shutdown');
    expect(tags(closers)).toEqual(['negotiating', 'negotiating']);
  });

  it('is answered only when our own updates are signed', () => {
    const closers = ready();
    add(closers.bob);
    closers.alice.close();
    closers.deliver('bob');
    expect(closers.bob.says).toEqual(['update_add_htlc']);
    closers.bob.step({ tag: 'flush' });
    expect(closers.bob.says).toEqual(['update_add_htlc', 'commitment_signed', 'shutdown']);
  });

  it('must name a script that closes take: what depends on a feature, only with it', () => {
    const taproot = new Uint8Array([0x51, 32, ...new Uint8Array(32)]);
    const opReturn = new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6]);
    const p2pkh = new Uint8Array([0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac]);
    for (const script of [p2pkh, opReturn]) {
      const { alice } = ready();
      alice.hear(shutdownOf(alice, script));
      expect(warns(alice)).toContain('not of a valid form');
      expect(alice.tag).toBe('normal');
      expect(alice.commitments).not.toHaveProperty('remoteShutdownScript');
    }
    for (const script of [taproot, opReturn]) {
      const { alice } = ready({ simpleClose: true });
      alice.hear(shutdownOf(alice, script));
      expect(warns(alice)).toBe('');
      expect(alice.tag).toBe('negotiating');
    }
    const { alice } = ready();
    alice.negotiated = { ...alice.negotiated, anySegwit: false };
    alice.hear(shutdownOf(alice, taproot));
    expect(alice.tag).toBe('normal');
  });

  it('must name its upfront script', () => {
    const closers = withTerms(new Closers(), (terms) => ({ ...terms, remote: { ...terms.remote, upfrontShutdownScript: elsewhere } }))
      .connect()
      .settle();
    const { alice } = closers;
    const effects = alice.hear(shutdownOf(alice, p2wpkh(hash('another'))));
    expect(effects.map(({ tag }) => tag)).toEqual(['send', 'note', 'disconnect']);
    expect(alice.commitments).not.toHaveProperty('remoteShutdownScript');
    alice.hear(shutdownOf(alice, elsewhere));
    expect(alice.tag).toBe('negotiating');
  });

  it('may come twice if it says the same, and may change with the connection', () => {
    const closers = ready();
    const { alice } = closers;
    alice.hear(shutdownOf(alice, elsewhere));
    expect(alice.hear(shutdownOf(alice, elsewhere))).toEqual([]);
    expect(alice.hear(shutdownOf(alice, p2wpkh(hash('another')))).map(({ tag }) => tag)).toContain('disconnect');
    closers.cut().connect();
    closers.deliver('alice');
    alice.hear(shutdownOf(alice, p2wpkh(hash('another'))));
    expect(alice.commitments.remoteShutdownScript).toEqual(p2wpkh(hash('another')));
  });

  it('is no place for an HTLC that comes after it', () => {
    const closers = ready();
    const { alice, bob } = closers;
    add(bob);
    const [late] = bob.wire;
    if (!late) throw new Error('no update_add_htlc');
    alice.hear(shutdownOf(bob, bob.script));
    expect(alice.hear(late).map(({ tag }) => tag)).toContain('disconnect');
  });
});

it('a feerate that is not in both commitments yet is settled first, too', () => {
  const closers = ready();
  const { alice, bob } = closers;
  alice.step({ tag: 'set-fee', feeratePerKw: 3_000 });
  alice.step({ tag: 'flush' });
  alice.close();
  for (let messages = 0; messages < 3; messages += 1) closers.deliver('bob');
  expect(bob.says).toEqual(['revoke_and_ack', 'shutdown']);
  expect(bob.tag).toBe('shutting-down');
  closers.settle();
  expect(tags(closers)).toEqual(['negotiating', 'negotiating']);
  expect(alice.signed).toEqual(bob.signed);
});

describe('HTLCs that are pending', () => {
  const pending = (): Closers => {
    const closers = ready();
    add(closers.alice);
    closers.settle();
    closers.alice.close();
    return closers.settle();
  };

  it('are settled first, and then the close is agreed', () => {
    const closers = pending();
    expect(tags(closers)).toEqual(['shutting-down', 'shutting-down']);
    closers.bob.step({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage } });
    closers.settle();
    expect(tags(closers)).toEqual(['negotiating', 'negotiating']);
    expect(closers.alice.signed).toEqual(closers.bob.signed);
    expect(closers.alice.commitments.toLocalMsat).toBe(490_000_000n);
    expect(closers.alice.signed.length).toBe(1);
  });

  it('are settled first wherever the wire is cut', () => {
    for (let at = 0; at < 8; at += 1) {
      const closers = pending();
      closers.bob.step({ tag: 'remove', id: 0n, removal: { kind: 'fail', reason: new Uint8Array(292) } });
      closers.settle(at).cut().connect().settle();
      expect(tags(closers)).toEqual(['negotiating', 'negotiating']);
      expect(closers.alice.signed).toEqual(closers.bob.signed);
      expect(closers.alice.commitments.toLocalMsat).toBe(500_000_000n);
    }
  });

  it('leave time to change the fee of the close', () => {
    const closers = pending();
    closers.alice.close(7_000);
    expect(closers.alice.says).toEqual([]);
    closers.bob.step({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage } });
    closers.settle();
    const [transaction] = closers.alice.signed;
    const parsed = parseTransaction(transaction ?? new Uint8Array(0));
    if (!parsed.ok) throw new Error('no closing transaction');
    const feeSat = 1_000_000n - parsed.value.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    expect(feeSat).toBe(BigInt(Math.ceil(7 * closingWeight([closers.alice.script, closers.bob.script]))));
  });

  it('may change the feerate meanwhile', () => {
    const closers = pending();
    closers.alice.step({ tag: 'set-fee', feeratePerKw: 3_000 });
    closers.settle();
    closers.bob.step({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage } });
    closers.settle();
    expect(closers.alice.signed).toEqual(closers.bob.signed);
    expect(closers.alice.signed.length).toBe(1);
  });
});
