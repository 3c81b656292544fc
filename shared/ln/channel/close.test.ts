/** The negotiation of a close, message by message, with peers that are old, stubborn, forgetful, or mean. BOLT 2 § Channel Close. */
import { describe, expect, it } from 'vitest';
import { equal, toHex } from '../../lib/bytes.ts';
import { broadcasts } from '../peer/machine.ts';
import { type Closer, Closers, type ClosersOptions } from '../testing/closers.ts';
import { Pair } from '../testing/pair.ts';
import { closingWeight, type LegacyClosing, legacyClosing } from '../tx/closing.ts';
import { parseTransaction } from '../tx/parse.ts';
import type { Transaction } from '../tx/transaction.ts';
import { partiesOf } from './close.ts';
import type { ClosingSigned, OutMessage } from './message.ts';

type Range = NonNullable<ClosingSigned['feeRange']>;
const range = (minFeeSatoshis: bigint, maxFeeSatoshis: bigint): Range => ({ minFeeSatoshis, maxFeeSatoshis });

const find = <N extends OutMessage['name']>(side: Closer, name: N): Extract<OutMessage, { name: N }> => {
  const found = side.wire.findLast((msg): msg is Extract<OutMessage, { name: N }> => msg.name === name);
  if (!found) throw new Error(`no ${name} in ${side.says.join()}`);
  return found;
};
const shutdownOf = ({ script, commitments: { channelId } }: Closer) => ({ name: 'shutdown', channelId, scriptpubkey: script }) as const;
const tagsOf = (effects: readonly { readonly tag: string }[]): readonly string[] => effects.map(({ tag }) => tag);
const ended = (effects: readonly { readonly tag: string }[]): boolean => tagsOf(effects).includes('disconnect');
const outputsOf = (raw: Uint8Array): Transaction['outputs'] => {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error('not a transaction');
  return parsed.value.outputs;
};
const only = (side: Closer): Uint8Array => {
  const [first, ...more] = side.signed;
  if (!first || more.length > 0) throw new Error(`${side.signed.length} signed closes`);
  return first;
};

/** Alice is our engine in `negotiating`. Bob's own engine is thrown away: the test signs for him. */
function againstBob(options: ClosersOptions = {}): Closers {
  const closers = new Closers(options).connect().settle();
  const { alice, bob } = closers;
  alice.close();
  closers.deliver('bob');
  closers.deliver('alice');
  bob.wire.length = 0;
  return closers;
}

/** Bob's `closing_signed` at that fee, honest unless changed. */
function bobSays({ bob }: Closers, feeSat: bigint, feeRange?: Range, change: Partial<LegacyClosing> = {}): OutMessage {
  const { commitments } = bob;
  const { terms, guard } = commitments;
  const parties = partiesOf(commitments);
  const tx = legacyClosing({ ...parties, localIsOpener: terms.localIsOpener, feeSat, dustLimitSat: terms.local.dustLimitSat, ...change });
  if (!tx.ok) throw new Error(tx.error.detail);
  const signed = bob.keys.openSigner(terms.keyPath).signClosing(
    {
      fundingOutpoint: parties.channel.fundingOutpoint,
      fundingAmountSat: parties.channel.fundingAmountSat,
      remoteFundingPubkey: parties.channel.remoteFundingPubkey,
      transaction: tx.value.transaction,
      toUsMsat: parties.local.balanceMsat,
      maxFeeSat: parties.local.balanceMsat / 1000n,
    },
    guard,
  );
  if (!signed.ok) throw new Error(signed.error.detail);
  return {
    name: 'closing_signed',
    channelId: commitments.channelId,
    feeSatoshis: feeSat,
    signature: signed.value,
    ...(feeRange ? { feeRange } : {}),
  };
}

/** At 2,500 sat/kw, paying two P2WPKH. */
const weight = closingWeight([new Uint8Array(22), new Uint8Array(22)]);
const wanted = BigInt(Math.ceil((2_500 * weight) / 1000));
const relayed = BigInt(Math.ceil((250 * (weight - 4)) / 1000));

describe('closing_signed, as opener', () => {
  it('comes first, with the fee that the user chose and a range that leaves room above it', () => {
    const { alice } = againstBob();
    const { feeSatoshis, feeRange } = find(alice, 'closing_signed');
    expect(feeSatoshis).toBe(wanted);
    expect(feeRange).toEqual(range(relayed, 2n * wanted));
  });

  it('agrees to the same fee, and says no more', () => {
    const closers = againstBob();
    const { alice } = closers;
    const before = alice.wire.length;
    alice.hear(bobSays(closers, wanted, range(0n, 100_000n)));
    expect(alice.wire.length).toBe(before);
    expect(closers.spendsFunding(only(alice))).toBe(true);
    expect(alice.notes).toContain('channel-closing');
  });

  it('repeats any fee of its range', () => {
    const closers = againstBob();
    closers.alice.hear(bobSays(closers, relayed, range(0n, 100_000n)));
    expect(find(closers.alice, 'closing_signed').feeSatoshis).toBe(relayed);
    expect(outputsOf(only(closers.alice)).reduce((sum, { amountSat }) => sum + amountSat, 0n)).toBe(1_000_000n - relayed);
  });

  it('pays no fee outside its range, whoever asks for it and however', () => {
    for (const feeSat of [relayed - 1n, 2n * wanted + 1n, 400_000n]) {
      const closers = againstBob();
      expect(ended(closers.alice.hear(bobSays(closers, feeSat, range(0n, 500_000n))))).toBe(true);
      expect(closers.alice.signed).toEqual([]);
    }
  });

  it('warns of a range that has nothing in common with its own, and stays', () => {
    const closers = againstBob();
    const effects = closers.alice.hear(bobSays(closers, 400_000n, range(300_000n, 500_000n)));
    expect(tagsOf(effects)).toEqual(['send', 'note']);
    expect(find(closers.alice, 'warning')).toBeDefined();
    expect(closers.alice.tag).toBe('negotiating');
    closers.alice.hear(bobSays(closers, wanted, range(relayed, wanted)));
    expect(closers.alice.signed.length).toBe(1);
  });

  it('meets a peer without fee_range half way, as far as it would pay', () => {
    const closers = againstBob();
    const { alice } = closers;
    alice.hear(bobSays(closers, 3n * wanted));
    expect(find(alice, 'closing_signed').feeSatoshis).toBe(2n * wanted);
    // Nothing lies between that it would pay: the user is told, and the channel waits.
    expect(tagsOf(alice.hear(bobSays(closers, 2n * wanted + 10n)))).toEqual(['send', 'note']);
    expect(alice.tag).toBe('negotiating');
    expect(alice.signed).toEqual([]);
  });

  it('goes as far as a fast transaction costs, where the user chose a slow one', () => {
    const closers = againstBob();
    const { alice } = closers;
    closers.cut();
    alice.close(500);
    alice.feerate = 10_000;
    closers.connect().settle(2);
    alice.hear(shutdownOf(closers.bob));
    expect(find(alice, 'closing_signed').feeRange).toEqual(range(relayed, 4n * wanted));
  });

  it('keeps an output, however much the user would pay', () => {
    const closers = new Closers({ pushMsat: 0n, reserveSat: 0n }).connect().settle();
    closers.alice.close(5_000_000);
    closers.settle();
    expect(outputsOf(only(closers.alice)).map(({ amountSat }) => amountSat)).toEqual([354n]);
    expect(closers.bob.signed).toEqual(closers.alice.signed);
  });

  it('expects of a peer without fee_range that it moves', () => {
    const closers = againstBob();
    const { alice } = closers;
    expect(ended(alice.hear(bobSays(closers, 3n * wanted)))).toBe(false);
    expect(ended(alice.hear(bobSays(closers, 3n * wanted)))).toBe(true);
  });
});

describe('closing_signed, as the side that does not pay', () => {
  const funded = (options: ClosersOptions = {}): Closers => againstBob({ opener: 'bob', ...options });

  it('waits for the opener', () => {
    expect(funded().alice.says).toEqual([]);
  });

  it('takes the opener’s fee, even a high one', () => {
    for (const feeSat of [relayed, wanted, 300_000n]) {
      const closers = funded();
      closers.alice.hear(bobSays(closers, feeSat, range(relayed, 300_000n)));
      expect(find(closers.alice, 'closing_signed').feeSatoshis).toBe(feeSat);
      expect(outputsOf(only(closers.alice)).some(({ amountSat }) => amountSat === 500_000n)).toBe(true);
    }
  });

  it('names the least that is relayed where the opener would pay less', () => {
    const closers = funded();
    const { alice } = closers;
    alice.hear(bobSays(closers, 10n, range(1n, 1_000n)));
    expect(find(alice, 'closing_signed').feeSatoshis).toBe(relayed);
    expect(alice.signed).toEqual([]);
    expect(ended(alice.hear(bobSays(closers, 11n, range(1n, 1_000n))))).toBe(true);
    expect(alice.signed).toEqual([]);
  });

  it('warns where the opener’s whole range is below that', () => {
    const closers = funded();
    const effects = closers.alice.hear(bobSays(closers, 10n, range(1n, 20n)));
    expect(tagsOf(effects)).toEqual(['send', 'note']);
    expect(closers.alice.tag).toBe('negotiating');
  });
});

describe('signatures and outputs', () => {
  it('takes a peer that leaves out its own output, and one with a higher dust limit', () => {
    const left = againstBob();
    left.alice.hear(bobSays(left, wanted, undefined, { omitted: 'local' }));
    expect(outputsOf(only(left.alice)).length).toBe(1);
    const dusty = againstBob({ pushMsat: 700_000n, reserveSat: 0n, dustLimitSat: { alice: 354n, bob: 1_000n } });
    dusty.alice.hear(bobSays(dusty, wanted));
    expect(outputsOf(only(dusty.alice)).map(({ amountSat }) => amountSat)).toEqual([999_300n - wanted]);
  });

  it('takes no signature for anything else', () => {
    const closers = againstBob();
    const { alice } = closers;
    const right = bobSays(closers, wanted);
    if (right.name !== 'closing_signed') throw new Error('closing_signed');
    const wrong: readonly OutMessage[] = [
      { ...right, feeSatoshis: wanted + 1n },
      { ...right, signature: new Uint8Array(64) },
      { ...right, signature: highS(right.signature) },
      // Without our output, which only we may leave out.
      bobSays(closers, wanted, undefined, { omitted: 'remote' }),
    ];
    for (const msg of wrong) {
      const effects = alice.hear(msg);
      expect(ended(effects)).toBe(true);
      expect(alice.signed).toEqual([]);
      expect(find(alice, 'warning')).toBeDefined();
    }
  });

  it('takes nothing before both shutdowns of this connection', () => {
    const closers = againstBob();
    const { alice } = closers;
    const msg = bobSays(closers, wanted);
    closers.cut().connect();
    closers.deliver('alice');
    expect(alice.tag).toBe('negotiating');
    expect(ended(alice.hear(msg))).toBe(true);
  });

  it('has no place for updates', () => {
    const { alice } = againstBob();
    expect(ended(alice.hear({ name: 'update_fee', channelId: alice.commitments.channelId, feeratePerKw: 3_000 }))).toBe(true);
  });
});

const groupOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
function highS(signature: Uint8Array): Uint8Array {
  const s = signature.slice(32).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const high = (groupOrder - s).toString(16).padStart(64, '0');
  return Uint8Array.from([...signature.slice(0, 32), ...(high.match(/../g) ?? []).map((hex) => Number.parseInt(hex, 16))]);
}

describe('a close that both signed', () => {
  /** Alice has heard Bob's agreement; Bob may have missed hers. */
  const agreed = (): Closers => {
    const closers = againstBob({ opener: 'bob' });
    closers.bob.feerate = 2_500;
    closers.alice.hear(bobSays(closers, wanted, range(relayed, wanted)));
    expect(closers.alice.signed.length).toBe(1);
    return closers;
  };

  it('is finished on the next connection by a peer that missed the last word', () => {
    const closers = agreed().cut().connect().settle();
    for (const side of closers.sides) expect(side.tag).toBe('negotiating');
    expect(closers.bob.signed.length).toBeGreaterThan(0);
    expect(closers.alice.signed.some((one) => closers.bob.signed.some((other) => equal(one, other)))).toBe(true);
  });

  it('is not undone by a peer that forgot the channel, nor by an error in its name', () => {
    const forgets: readonly ((closers: Closers) => void)[] = [
      ({ alice }) => alice.step({ tag: 'peer-error', detail: 'no such channel' }),
      (closers) => closers.cut().connect().alice.step({ tag: 'peer-error', detail: 'no such channel' }),
      (closers) =>
        closers
          .cut()
          .connect()
          .alice.hear({
            name: 'channel_reestablish',
            channelId: closers.alice.commitments.channelId,
            nextCommitmentNumber: 0n,
            nextRevocationNumber: 0n,
            yourLastPerCommitmentSecret: new Uint8Array(32),
            myCurrentPerCommitmentPoint: closers.alice.commitments.terms.remoteFirstPerCommitmentPoint,
          }),
    ];
    for (const forget of forgets) {
      const closers = agreed();
      const { alice } = closers;
      const before = alice.signed;
      forget(closers);
      alice.height += 3_000;
      alice.now += 3_000 * 600_000;
      alice.step({ tag: 'tick' });
      if (alice.state.tag !== 'closing') throw new Error(`closing, not ${alice.tag}`);
      expect(alice.state.cause.code).toBe('mutual');
      expect(alice.state.mutual).toEqual(before);
      expect(alice.state.onchain.publishing).toBe(false);
      expect(alice.notes).not.toContain('channel-failed');
      expect(alice.notes.filter((kind) => kind === 'channel-closing').length).toBe(1);
    }
  });

  it('ends with the chain', () => {
    const { alice } = agreed();
    const transaction = only(alice);
    const { fundingOutpoint: outpoint } = alice.commitments;
    const parsed = parseTransaction(transaction);
    if (!parsed.ok) throw new Error('not a transaction');
    alice.step({ tag: 'chain', event: { tag: 'spent', outpoint, txid: parsed.value.txid, transaction, height: 1_001 } });
    if (alice.state.tag !== 'closing') throw new Error(`closing, not ${alice.tag}`);
    expect(alice.state.cause.code).toBe('mutual');
    expect(alice.notes.filter((kind) => kind === 'channel-closing').length).toBe(1);
  });

  it('can be overruled by the user', () => {
    const { alice } = agreed();
    alice.step({ tag: 'force-close' });
    if (alice.state.tag !== 'closing') throw new Error(`closing, not ${alice.tag}`);
    expect(alice.state.onchain.publishing).toBe(true);
    expect(alice.state.mutual.length).toBe(1);
  });

  it('is given up after two weeks if it was never signed', () => {
    const { alice } = againstBob();
    alice.height += 2_015;
    alice.now += 3_000 * 600_000;
    alice.step({ tag: 'tick' });
    expect(alice.tag).toBe('negotiating');
    alice.height += 1;
    alice.step({ tag: 'tick' });
    expect(alice.tag).toBe('failed');
  });
});

it('through the peer machine: both publish the same transactions, over connections, until the chain has one', () => {
  const pair = new Pair();
  const { alice, bob } = pair;
  pair.connect();
  pair.settle();
  alice.ask({ tag: 'close', feeratePerKw: 2_500 });
  pair.settle();
  // Simple close: each side has one at its own fee.
  const published = broadcasts(alice.state);
  const [transaction] = published;
  if (!transaction) throw new Error('nothing to publish');
  expect(published).toHaveLength(2);
  const inOrder = (transactions: readonly Uint8Array[]): readonly string[] => transactions.map(toHex).sort();
  expect(inOrder(broadcasts(bob.state))).toEqual(inOrder(published));
  pair.cut();
  expect(broadcasts(alice.state)).toEqual(published);
  pair.connect();
  pair.settle();
  expect(inOrder(broadcasts(alice.state))).toEqual(inOrder(published));
  const parsed = parseTransaction(transaction);
  if (!parsed.ok) throw new Error('not a transaction');
  const { fundingOutpoint: outpoint } = alice.commitments;
  for (const side of pair.parties) {
    side.step({ tag: 'chain', event: { tag: 'spent', outpoint, txid: parsed.value.txid, transaction, height: 1_001 } });
    expect(side.channel.tag).toBe('closing');
    expect(broadcasts(side.state)).toEqual([]);
    side.height = 1_200;
    side.step({ tag: 'tick' });
    expect(side.state.channels).toEqual([]);
  }
});
