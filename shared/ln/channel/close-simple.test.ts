/** `closing_complete` and `closing_sig`: each side pays for its own transaction. BOLT 2 § Closing Negotiation. */
import { describe, expect, it } from 'vitest';
import { type Closer, Closers, type ClosersOptions } from '../testing/closers.ts';
import { closingWeight, simpleClosing } from '../tx/closing.ts';
import { parseTransaction } from '../tx/parse.ts';
import { p2wsh } from '../tx/scripts.ts';
import type { Transaction } from '../tx/transaction.ts';
import { partiesOf } from './close.ts';
import type { ClosingComplete, ClosingSig, OutMessage } from './message.ts';

const opReturn = new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6]);
const txOf = (raw: Uint8Array): Omit<Transaction, 'inputs'> => {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error('not a transaction');
  return parsed.value;
};
const paid = (raw: Uint8Array): readonly bigint[] => txOf(raw).outputs.map(({ amountSat }) => amountSat);
const ended = (effects: readonly { readonly tag: string }[]): boolean => effects.some(({ tag }) => tag === 'disconnect');

/** Both said `shutdown`; both `closing_complete`s are on the wire. */
function proposed(options: ClosersOptions = {}, bobScript?: Uint8Array): Closers {
  const closers = new Closers({ simpleClose: true, ...options }).connect().settle();
  closers.alice.close();
  if (bobScript) closers.bob.wire.push({ name: 'shutdown', channelId: closers.bob.commitments.channelId, scriptpubkey: bobScript });
  else closers.deliver('bob');
  closers.deliver('alice');
  return closers;
}
const complete = (side: Closer): ClosingComplete => {
  const found = side.wire.find((msg): msg is ClosingComplete => msg.name === 'closing_complete');
  if (!found) throw new Error(`no closing_complete in ${side.says.join()}`);
  return found;
};
const sig = (side: Closer): ClosingSig => {
  const found = side.wire.findLast((msg): msg is ClosingSig => msg.name === 'closing_sig');
  if (!found) throw new Error(`no closing_sig in ${side.says.join()}`);
  return found;
};
const fields = (msg: ClosingComplete | ClosingSig): readonly string[] =>
  (['closerOutputOnly', 'closeeOutputOnly', 'closerAndCloseeOutputs'] as const).filter((name) => msg[name] !== undefined);

describe('closing_complete of ours', () => {
  it('offers the fee that the user chose, at our height, from our script to the peer’s', () => {
    const closers = proposed();
    const { closerScriptpubkey, closeeScriptpubkey, locktime } = complete(closers.alice);
    expect([closerScriptpubkey, closeeScriptpubkey]).toEqual([closers.alice.script, closers.bob.script]);
    expect(locktime).toBe(1_000);
  });

  it('carries the variants that the balances allow', () => {
    // The side with less may not keep the other's output out; it leaves out its own only as dust.
    const poor = proposed({ pushMsat: 2_000_000n, reserveSat: 0n, fundingSat: 100_000n });
    expect(fields(complete(poor.bob))).toEqual(['closerAndCloseeOutputs']);
    expect(fields(complete(poor.alice))).toEqual(['closerOutputOnly', 'closerAndCloseeOutputs']);
    const dusty = proposed({ pushMsat: 150_000n, reserveSat: 0n, fundingSat: 100_000n });
    expect(fields(complete(dusty.alice))).toEqual(['closerOutputOnly']);
    // Bob's 150 sat pay for no transaction.
    expect(dusty.bob.says).not.toContain('closing_complete');
    dusty.settle();
    expect(dusty.bob.signed).toEqual(dusty.alice.signed);
    expect(dusty.bob.signed.map((raw) => paid(raw).length)).toEqual([1]);
  });

  it('leaves our dust to the fee', () => {
    const closers = new Closers({ simpleClose: true, pushMsat: 1_900_000n, reserveSat: 0n, fundingSat: 100_000n }).connect().settle();
    closers.bob.close(2_500);
    closers.deliver('alice');
    closers.deliver('bob');
    expect(fields(complete(closers.bob))).toEqual(['closeeOutputOnly']);
    closers.settle();
    expect(closers.bob.signed.map(paid)).toContainEqual([98_100n]);
  });

  it('gives nothing to a peer that would burn it', () => {
    const closers = proposed({}, opReturn);
    expect(complete(closers.alice).closeeScriptpubkey).toEqual(opReturn);
    expect(fields(complete(closers.alice))).toEqual(['closerOutputOnly', 'closerAndCloseeOutputs']);
  });

  it('never pays more than there is, and keeps an output', () => {
    const closers = new Closers({ simpleClose: true }).connect().settle();
    closers.alice.close(5_000_000);
    closers.settle();
    expect(closers.alice.signed.map(paid).map((amounts) => [...amounts].sort())).toContainEqual([294n, 500_000n].sort());
  });

  it('is replaced by one that pays more when the user says so, after its closing_sig', () => {
    const closers = proposed();
    const { alice } = closers;
    alice.close(5_000);
    expect(alice.says).toEqual(['closing_complete']);
    closers.settle();
    const fees = alice.signed.map((raw) => 1_000_000n - paid(raw).reduce((sum, amount) => sum + amount, 0n));
    // Both sides' first, and our second, which pays the most and stands last.
    expect(fees.length).toBe(3);
    expect(fees[2]).toBeGreaterThan(fees[1] ?? 0n);
    alice.close(4_000);
    expect(alice.says).toEqual([]);
    alice.close(10_000);
    expect(alice.says).toEqual(['closing_complete']);
  });
});

describe('closing_complete of the peer', () => {
  it('is answered with one signature, of the variant that pays us', () => {
    const closers = proposed();
    closers.deliver('alice');
    const { closerScriptpubkey, closeeScriptpubkey } = sig(closers.alice);
    expect(fields(sig(closers.alice))).toEqual(['closerAndCloseeOutputs']);
    expect([closerScriptpubkey, closeeScriptpubkey]).toEqual([closers.bob.script, closers.alice.script]);
    expect(closers.alice.signed.map(closers.spendsFunding.bind(closers))).toEqual([true]);
  });

  it('may be to a script that is not the one of its shutdown, and ours follows', () => {
    const closers = new Closers({ simpleClose: true }).connect().settle();
    const { alice, bob } = closers;
    const before = p2wsh(new Uint8Array(33));
    alice.close();
    closers.deliver('bob');
    closers.deliver('alice', (msg) => (msg.name === 'shutdown' ? { ...msg, scriptpubkey: before } : msg));
    expect(alice.commitments.remoteShutdownScript).toEqual(before);
    closers.deliver('alice');
    expect(alice.commitments.remoteShutdownScript).toEqual(bob.script);
    expect(alice.signed.map(closers.spendsFunding.bind(closers))).toEqual([true]);
    // Ours crossed it, and is for the script of before: that ends the connection, and the next one starts from the new scripts.
    closers.deliver('bob');
    expect(closers.connected).toBe(false);
    closers.connect().settle();
    expect(alice.signed.length).toBe(2);
    expect(bob.signed.length).toBe(2);
  });

  it('is refused if anything in it is wrong', () => {
    const right = (closers: Closers): ClosingComplete => complete(closers.bob);
    const wrongs: readonly ((closers: Closers) => OutMessage)[] = [
      (closers) => ({ ...right(closers), feeSatoshis: 500_001n }),
      (closers) => ({ ...right(closers), feeSatoshis: 1n }),
      (closers) => ({ ...right(closers), locktime: 0 }),
      (closers) => ({ ...right(closers), closeeScriptpubkey: p2wsh(new Uint8Array(33)) }),
      (closers) => ({ ...right(closers), closerScriptpubkey: new Uint8Array(5) }),
      (closers) => ({ ...right(closers), closerAndCloseeOutputs: new Uint8Array(64) }),
      (closers) => {
        const { closerAndCloseeOutputs: _, ...without } = right(closers);
        return without;
      },
    ];
    for (const wrong of wrongs) {
      const closers = proposed();
      expect(ended(closers.alice.hear(wrong(closers)))).toBe(true);
      expect(closers.alice.signed).toEqual([]);
      expect(closers.alice.says).not.toContain('closing_sig');
    }
    const closers = proposed();
    expect(ended(closers.alice.hear(right(closers)))).toBe(false);
  });

  it('is signed but not relied on if no node would relay it', () => {
    const closers = new Closers({ simpleClose: true }).connect().settle();
    closers.bob.height = 5_000;
    closers.bob.close();
    closers.settle(2);
    closers.deliver('alice');
    expect(complete(closers.alice).locktime).toBe(1_000);
    expect(sig(closers.alice).locktime).toBe(5_000);
    expect(closers.alice.signed).toEqual([]);
  });

  it('has no place without option_simple_close, nor closing_signed with it', () => {
    const closers = proposed();
    const { alice } = closers;
    const msg = complete(closers.bob);
    expect(
      ended(alice.hear({ name: 'closing_signed', channelId: alice.commitments.channelId, feeSatoshis: 1n, signature: new Uint8Array(64) })),
    ).toBe(true);
    const old = new Closers().connect().settle();
    old.alice.close();
    old.deliver('bob');
    old.deliver('alice');
    expect(ended(old.alice.hear(msg))).toBe(true);
  });
});

describe('closing_sig', () => {
  it('must be for what we sent, with one of our signatures', () => {
    const wrongs: readonly ((right: ClosingSig) => OutMessage)[] = [
      (right) => ({ ...right, feeSatoshis: right.feeSatoshis + 1n }),
      (right) => ({ ...right, locktime: right.locktime + 1 }),
      (right) => ({ ...right, closerScriptpubkey: p2wsh(new Uint8Array(33)) }),
      (right) => ({ ...right, closeeScriptpubkey: p2wsh(new Uint8Array(33)) }),
      (right) => ({ ...right, closerAndCloseeOutputs: new Uint8Array(64) }),
      (right) => ({ ...right, closerOutputOnly: new Uint8Array(64) }),
      ({ closerAndCloseeOutputs: moved = new Uint8Array(64), ...right }) => ({ ...right, closeeOutputOnly: moved }),
      ({ closerAndCloseeOutputs: _, ...right }) => right,
    ];
    for (const wrong of wrongs) {
      const closers = proposed();
      closers.deliver('bob');
      const right = sig(closers.bob);
      const { alice } = closers;
      expect(ended(alice.hear(wrong(right)))).toBe(true);
      expect(alice.signed).toEqual([]);
    }
    const dusty = proposed({ pushMsat: 150_000n, reserveSat: 0n, fundingSat: 100_000n });
    dusty.deliver('bob');
    expect(fields(sig(dusty.bob))).toEqual(['closerOutputOnly']);
    expect(ended(dusty.alice.hear({ ...sig(dusty.bob), closerAndCloseeOutputs: new Uint8Array(64) }))).toBe(true);
    const closers = proposed();
    closers.deliver('bob');
    closers.alice.hear(sig(closers.bob));
    expect(closers.alice.signed.map(closers.spendsFunding.bind(closers))).toEqual([true]);
    // And only once.
    expect(ended(closers.alice.hear(sig(closers.bob)))).toBe(true);
  });
});

it('closing_sig of a variant that we did not offer is refused, valid or not', () => {
  const closers = proposed({ pushMsat: 700_000_000n });
  const { alice, bob } = closers;
  const { closerScriptpubkey, closeeScriptpubkey, feeSatoshis, locktime, channelId } = complete(alice);
  const { channel, local: closer, remote: closee } = partiesOf(alice.commitments);
  const tx = simpleClosing({ channel, closer, closee, feeSat: feeSatoshis, lockTime: locktime, variant: 'closer_output_only' });
  if (!tx.ok) throw new Error(tx.error.detail);
  // Bob gives away all that he has.
  const balances = { toUsMsat: closee.balanceMsat, maxFeeSat: closee.balanceMsat / 1000n };
  const { fundingOutpoint, fundingAmountSat, localFundingPubkey: remoteFundingPubkey } = channel;
  const { terms, guard } = bob.commitments;
  const signed = bob.keys
    .openSigner(terms.keyPath)
    .signClosing({ fundingOutpoint, fundingAmountSat, remoteFundingPubkey, transaction: tx.value.transaction, ...balances }, guard);
  if (!signed.ok) throw new Error(signed.error.detail);
  const both = { closerScriptpubkey, closeeScriptpubkey, feeSatoshis, locktime, channelId };
  expect(ended(alice.hear({ name: 'closing_sig', ...both, closerOutputOnly: signed.value }))).toBe(true);
  expect(alice.signed).toEqual([]);
});

it('what pays the most stands last, whenever it was signed', () => {
  const closers = new Closers({ simpleClose: true }).connect().settle();
  const { alice, bob } = closers;
  bob.feerate = 20_000;
  alice.close(2_500);
  closers.settle();
  alice.close(5_000);
  closers.settle();
  expect(alice.signed.map((raw) => 1_000_000n - paid(raw).reduce((sum, amount) => sum + amount, 0n))).toEqual(
    [2.5, 5, 20].map((perWeight) => BigInt(Math.ceil(perWeight * closingWeight([alice.script, bob.script])))),
  );
});

it('a peer that signs for ever fills nothing, and does not push out what pays the most', () => {
  const closers = proposed();
  const { alice, bob } = closers;
  closers.settle();
  for (let feerate = 3_000; feerate < 3_000 + 20 * 100; feerate += 100) {
    bob.close(feerate);
    closers.settle();
  }
  expect(alice.signed.length).toBe(8);
  const totals = alice.signed.map((raw) => paid(raw).reduce((sum, amount) => sum + amount, 0n));
  expect(totals).toEqual([...totals].sort((a, b) => Number(b - a)));
  expect(alice.signed.at(-1)).toEqual(bob.signed.at(-1));
});
