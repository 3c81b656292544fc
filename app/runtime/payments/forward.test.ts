/** Payments of others between two channels of ours: passed on whole, back with the exact failure, and through the end of a worker. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { encodeChannelType } from '../../../shared/ln/channel/channel-type.ts';
import type { RemovalRequest } from '../../../shared/ln/channel/htlc.ts';
import type { AnyFailure } from '../../../shared/ln/onion/failure.ts';
import { failHtlc } from '../../../shared/ln/onion/failure-packet.ts';
import { endOfFulfilment } from '../../../shared/ln/payment/htlc-end.ts';
import { freezePeer } from '../../../shared/ln/peer/freeze.ts';
import { hash } from '../../../shared/ln/testing/opener.ts';
import { commit, loadPeer, loadReceiving } from '../../store/store.ts';
import { noticesOf } from '../notices.ts';
import type { PagePorts } from '../requests.ts';
import { round } from '../round.ts';
import { defaultForwarding } from './forward-record.ts';
import { settleSets } from './receive-sets.ts';
import { AMOUNT, DELTA, FEE, Line, PAID, preimage, type Sending } from './testing-forward.ts';
import { aliasOf, HEIGHT, idOf } from './testing-send.ts';

/** What is still being passed on. */
const open = async ({ world }: Line) => (await loadReceiving(world.node.ports.db)).forwards.map(({ life }) => life.stage.state);
const kept = async ({ world }: Line) => (await world.node.ports.db.getAll('forwards')).map(({ life }) => life.stage.state);
const of = (failure: AnyFailure['name'], hop: number): string => `${failure} of ${hop}`;

describe('a payment of others', () => {
  test('switched off, as it is at first, goes back at once and leaves nothing behind', async () => {
    const line = await Line.start({ on: false });
    expect(await line.world.node.call('snapshot', null)).toMatchObject({ ok: true, value: { forwarding: { on: false } } });
    await line.send();
    expect(line.end()).toBe(of('unknown_next_peer', 0));
    expect([line.world.arrivals, await kept(line)]).toEqual([[], []]);
  });

  test('passed on with what the onion says, paid, the fee earned, and told in the activity and nowhere else', async () => {
    const line = await Line.start();
    const { world } = line;
    const before = { anna: await world.ours('anna'), bob: await world.ours('bob') };
    await line.send();
    expect(line.arrival.htlc).toMatchObject({ amountMsat: AMOUNT, cltvExpiry: HEIGHT + 60 });
    expect(line.arrival.atPeer).toMatchObject({ tag: 'receipt', totalMsat: AMOUNT });
    expect([line.end(), await open(line)]).toEqual(['held', ['offered']]);
    await world.fulfil(line.arrival, preimage);
    expect([line.end(), await open(line), await kept(line)]).toEqual([PAID, [], ['settled']]);
    expect((await world.ours('anna')) - before.anna).toBe(10_002n);
    expect(before.bob - (await world.ours('bob'))).toBe(10_000n);
    const note = { kind: 'payment-forwarded', amountSat: 10_000n, detail: FEE.toString() };
    expect(world.into.notes).toMatchObject([{ peerId: idOf('anna'), note }]);
    expect(await noticesOf(world.node.ports, world.into.notes)).toEqual([]);
    const listed = await world.node.call('activity', { limit: 10, kind: 'payment-forwarded' });
    expect(listed.ok && listed.value).toMatchObject([{ amountSat: '10000', detail: '2000', peerId: idOf('anna') }]);
    expect(await world.node.call('payments', null)).toEqual({ ok: true, value: [] });
  });

  test('two of one hash, each of its own', async () => {
    const line = await Line.start();
    await line.offer('one');
    await line.offer('two', { amountMsat: AMOUNT / 2n });
    await line.world.settle();
    const [first, second] = line.world.arrivals;
    if (!first || !second) throw new Error('not two');
    await line.world.fail(first, { name: 'mpp_timeout' });
    await line.world.fulfil(second, preimage);
    expect([line.end('one'), line.end('two')]).toEqual([of('mpp_timeout', 1), PAID]);
  });
});

test('two contexts that look at once offer it once', async () => {
  const line = await Line.start();
  const { world } = line;
  world.node.later(3 * 3_600_000);
  await line.send();
  expect(await open(line)).toEqual(['planned']);
  const chain = { state: new Uint8Array(0), height: HEIGHT, tipTimeMs: world.node.ports.now(), checkedAtMs: world.node.ports.now() };
  await commit(world.node.ports.db, { settings: { chain } });
  await Promise.all([1, 2].map(() => settleSets(world.node.ports, world.into)));
  await world.settle();
  expect([world.arrivals.length, await open(line)]).toEqual([1, ['offered']]);
  await world.fulfil(line.arrival, preimage);
  expect(line.end()).toBe(PAID);
});

test('terms that would cost us are not taken', async () => {
  const { world } = await Line.start();
  for (const wrong of [{ cltvExpiryDelta: 41 }, { feeBaseMsat: -1 }, { feeProportionalMillionths: 0.5 }, { htlcMinimumMsat: 'much' }])
    expect(await world.node.call('set-forwarding', { ...defaultForwarding, ...wrong })).toMatchObject({
      ok: false,
      error: { code: 'policy-invalid' },
    });
});

describe('refused by us', () => {
  test('each for its reason', async () => {
    const line = await Line.start();
    await line.passOn({ htlcMinimumMsat: '5000' });
    const refused = async (name: string, sending: Sending) => {
      await line.send(name, { paymentHash: sha256(hash(name)), ...sending });
      return line.end(name);
    };
    const answers = {
      unknown: await refused('unknown', { shortChannelId: 77n }),
      little: await refused('little', { amountMsat: 4_999n }),
      cheap: await refused('cheap', { feeMsat: FEE - 1n }),
      late: await refused('late', { delta: DELTA - 1 }),
      soon: await refused('soon', { cltvExpiry: HEIGHT + 5 }),
      far: await refused('far', { cltvExpiry: HEIGHT + 2_000 }),
    };
    expect(answers).toEqual({
      unknown: of('unknown_next_peer', 0),
      little: of('amount_below_minimum', 0),
      cheap: of('fee_insufficient', 0),
      late: of('incorrect_cltv_expiry', 0),
      soon: of('expiry_too_soon', 0),
      far: of('expiry_too_far', 0),
    });
    await line.world.cut('bob');
    expect(await refused('away', {})).toBe(of('temporary_channel_failure', 0));
    expect([line.world.arrivals, await kept(line)]).toEqual([[], []]);
  });

  test('more than the channel can send', async () => {
    const line = await Line.start({ pushMsat: 900_000_000n });
    await line.send('all', { amountMsat: 495_000_000n, feeMsat: 100_000n });
    expect(line.end('all')).toBe(of('temporary_channel_failure', 0));
    await line.send('less', { amountMsat: 450_000_000n, feeMsat: 100_000n });
    expect(line.end('less')).toBe('held');
  });
});

describe('failed behind us', () => {
  test('is read by the payer as if it came from there', async () => {
    const line = await Line.start();
    await line.send();
    await line.world.fail(line.arrival, { name: 'incorrect_or_unknown_payment_details', htlcMsat: AMOUNT, height: HEIGHT });
    expect([line.end(), await kept(line)]).toEqual([of('incorrect_or_unknown_payment_details', 1), []]);
  });

  test('an onion that the next node cannot read is told by us', async () => {
    const line = await Line.start();
    await line.send();
    const { id } = line.arrival.htlc;
    const removal = { kind: 'fail-malformed', sha256OfOnion: hash('onion'), failureCode: 0xc005 } as const;
    line.world.party('bob').ask({ tag: 'remove', id, removal });
    await line.world.settle();
    expect([line.end(), await kept(line)]).toEqual([of('invalid_onion_hmac', 0), []]);
  });

  test('is not told before it is back for good', async () => {
    const line = await Line.start();
    await line.send();
    const { htlc, atPeer } = line.arrival;
    const { world } = line;
    world.party('bob').ask({ tag: 'remove', id: htlc.id, removal: { kind: 'fail', reason: new Uint8Array(292) } });
    // The word is here, its signature is not: bob takes it back with the connection.
    const [word] = world.party('bob').wire.splice(0);
    if (word === undefined) throw new Error(atPeer.tag);
    const { epoch, lastInSeq } = await world.state('bob');
    await round(world.node.ports, idOf('bob'), [{ tag: 'frame', epoch, n: lastInSeq + 1, bytes: word }]);
    expect((await world.state('bob')).channels[0]).toMatchObject({ commitments: { htlcs: [{ removal: { kind: 'fail' } }] } });
    await world.cut('bob');
    await world.settle();
    expect([line.end(), await open(line)]).toEqual(['held', ['offered']]);
  });
});

describe('the time that it took, as anna reads it', () => {
  const bobsOwn = (line: Line, holdTime: number) => {
    const { sharedSecret } = line.arrival.atPeer;
    const { reason, attributionData: attribution } = failHtlc({ sharedSecret, failure: { name: 'mpp_timeout' }, holdTime });
    return { kind: 'fail', reason, attribution } as const;
  };
  const ended = async (line: Line, removal: RemovalRequest): Promise<Line> => {
    line.world.node.later(1_250);
    line.world.party('bob').ask({ tag: 'remove', id: line.arrival.htlc.id, removal });
    await line.world.settle();
    return line;
  };
  const sent = async (): Promise<Line> => {
    const line = await Line.start();
    await line.send();
    return line;
  };

  test('of a failure: ours and what bob says is his', async () => {
    const line = await sent();
    await ended(line, bobsOwn(line, 4));
    expect([line.end(), line.told.get('it')]).toEqual([of('mpp_timeout', 1), { holdTimes: [12, 4] }]);
  });

  test('of a failure that is said again after a connection that ended: the same', async () => {
    const line = await sent();
    await line.world.cut('anna');
    await ended(line, bobsOwn(line, 4));
    line.world.node.later(5_000);
    await line.world.again();
    await line.world.connect('anna');
    await line.world.settle();
    expect([line.end(), line.told.get('it')]).toEqual([of('mpp_timeout', 1), { holdTimes: [12, 4] }]);
  });

  test('bob takes no part in it: he is found by his failure, and suspected where that cannot be read', async () => {
    const plainly = await sent();
    await ended(plainly, { kind: 'fail', reason: bobsOwn(plainly, 4).reason });
    expect([plainly.end(), plainly.told.get('it')]).toEqual([of('mpp_timeout', 1), { holdTimes: [12], suspect: 1 }]);
    const spoilt = await sent();
    await ended(spoilt, { kind: 'fail', reason: hash('nobody reads this') });
    expect([spoilt.end(), spoilt.told.get('it')]).toEqual(['unreadable', { holdTimes: [12], suspect: 1 }]);
  });

  test('bob spoils his answer and has it attributed: he is suspected', async () => {
    const line = await sent();
    await ended(line, { ...bobsOwn(line, 4), reason: hash('nobody reads this') });
    expect([line.end(), line.told.get('it')]).toEqual(['unreadable', { holdTimes: [12], suspect: 1 }]);
  });

  test('of a failure of ours', async () => {
    const line = await Line.start();
    await line.send('it', { feeMsat: FEE - 1n });
    expect([line.end(), line.told.get('it')]).toEqual([of('fee_insufficient', 0), { holdTimes: [0] }]);
  });

  test('of a payment: both, or ours alone where bob tells none', async () => {
    const line = await sent();
    await ended(line, endOfFulfilment(line.arrival.atPeer.sharedSecret, { preimage }, 450));
    expect([line.end(), line.told.get('it')]).toEqual([PAID, { holdTimes: [12, 4] }]);
    const silent = await sent();
    await ended(silent, { kind: 'fulfill', preimage });
    expect([silent.end(), silent.told.get('it')]).toEqual([PAID, { holdTimes: [12] }]);
  });
});

describe('a connection that ends', () => {
  test('to the payer, before the preimage comes: it is said when the payer is back', async () => {
    const line = await Line.start();
    await line.send();
    await line.world.cut('anna');
    await line.world.fulfil(line.arrival, preimage);
    expect([line.end(), await open(line)]).toEqual(['held', ['fulfilled']]);
    await line.world.again();
    await line.world.connect('anna');
    await line.world.settle();
    expect([line.end(), await open(line), await kept(line)]).toEqual([PAID, [], ['settled']]);
  });

  test('to the payer, before the failure comes', async () => {
    const line = await Line.start();
    await line.send();
    await line.world.cut('anna');
    await line.world.fail(line.arrival, { name: 'mpp_timeout' });
    await line.world.again();
    await line.world.connect('anna');
    await line.world.settle();
    expect([line.end(), await kept(line)]).toEqual([of('mpp_timeout', 1), []]);
  });

  test('to the payee while it has the HTLC: it is waited for', async () => {
    const line = await Line.start();
    await line.send();
    await line.world.cut('bob');
    await line.world.settle();
    expect(line.end()).toBe('held');
    await line.world.connect('bob');
    await line.world.settle();
    await line.world.fulfil(line.arrival, preimage);
    expect(line.end()).toBe(PAID);
  });

  test('to the payer for ever: the preimage goes to the claim on chain', async () => {
    const line = await Line.start();
    const { world } = line;
    await line.send();
    const { channelId } = world.party('anna').commitments;
    await round(world.node.ports, idOf('anna'), [{ tag: 'channel', channelId, command: { tag: 'force-close' } }]);
    await world.fulfil(line.arrival, preimage);
    expect((await world.state('anna')).channels).toMatchObject([{ tag: 'closing', onchain: { preimages: [preimage] } }]);
    expect(await open(line)).toEqual(['fulfilled']);
  });
});

/** Ends a life before its write number `at`: it and every later one throw. */
const killedAt = (at: number) => {
  const state = { passed: 0 };
  const wrap = (ports: PagePorts): PagePorts => ({
    ...ports,
    db: new Proxy(ports.db, {
      get: (db, name) => {
        const value: unknown = Reflect.get(db, name);
        if (name !== 'transaction') return typeof value === 'function' ? value.bind(db) : value;
        return (stores: never, mode: 'readonly' | 'readwrite', options: IDBTransactionOptions) => {
          if (mode === 'readwrite') state.passed += 1;
          if (mode === 'readwrite' && state.passed >= at) throw new Error('killed');
          return db.transaction(stores, mode, options);
        };
      },
    }),
  });
  return { wrap, state };
};

describe('a worker killed before any of its writes', () => {
  test.each(['paid', 'failed'] as const)(
    'anna hears one end, bob gets one HTLC, nothing is left over: %s',
    { timeout: 60_000 },
    async (end) => {
      const line = await Line.start();
      const { world } = line;
      const seen = new Set<string>();
      for (let at = 1, survived = false; !survived; at += 1) {
        expect(at).toBeLessThan(40);
        const name = `${at}`;
        const before = { anna: await world.ours('anna'), bob: await world.ours('bob') };
        world.arrivals.length = 0;
        const play = async (): Promise<void> => {
          await world.settle();
          if (world.arrivals.length === 0) return;
          if (end === 'paid') await world.fulfil(line.arrival, preimage);
          else await world.fail(line.arrival, { name: 'mpp_timeout' });
        };
        const axe = killedAt(at);
        await world.again(axe.wrap);
        await line.offer(name);
        survived = await play().then(
          () => axe.state.passed < at,
          () => false,
        );
        // Another life finds both connections gone, makes new ones, and goes on.
        await world.again();
        for (const peer of ['anna', 'bob']) {
          await world.cut(peer);
          await world.connect(peer);
        }
        await play();
        seen.add(line.end(name));
        expect([at, await open(line), world.arrivals.length <= 1]).toEqual([at, [], true]);
        // Whoever paid bob was paid by anna; else nothing moved.
        const moved = [(await world.ours('anna')) - before.anna, before.bob - (await world.ours('bob'))];
        expect([at, ...moved]).toEqual([at, ...(line.end(name) === PAID ? [10_002n, 10_000n] : [0n, 0n])]);
      }
      // An HTLC of anna's, or of ours, that was not signed before the end never was.
      const [last] = end === 'paid' ? [PAID] : [of('mpp_timeout', 1)];
      expect([...seen].filter((one) => one !== 'not sent' && one !== of('temporary_channel_failure', 0))).toEqual([last]);
    },
  );
});

describe('the channel that the onion names', () => {
  test('by the alias that we gave its peer', async () => {
    const line = await Line.start();
    await line.send('it', { shortChannelId: aliasOf('bob') });
    expect(line.end()).toBe('held');
    expect(line.world.arrivals).toHaveLength(1);
  });

  test('not by where it is in the chain, if that is not to be known', async () => {
    const line = await Line.start();
    const { db } = line.world.node.ports;
    const { channels, ...state } = await line.world.state('bob');
    const record = await loadPeer(db, idOf('bob'));
    const [channel] = channels;
    if (!record || channel?.tag !== 'normal') throw new Error('no channel');
    const { commitments } = channel;
    const channelType = encodeChannelType({ kind: commitments.terms.kind, scidAlias: true, zeroConf: false });
    const hidden = { ...channel, commitments: { ...commitments, terms: { ...commitments.terms, channelType } } };
    await commit(db, { peer: { ...record, frozen: freezePeer({ ...state, channels: [hidden] }) } });
    await line.send('chain');
    await line.send('alias', { shortChannelId: aliasOf('bob') });
    expect([line.end('chain'), line.end('alias')]).toEqual([of('unknown_next_peer', 0), 'held']);
  });
});

test('by a height of hours ago nothing is passed on, and what waited too long goes back', async () => {
  const line = await Line.start();
  const { world } = line;
  world.node.later(3 * 3_600_000);
  await line.send();
  const { wantsChain, due } = await settleSets(world.node.ports, world.into);
  expect([line.end(), world.arrivals, wantsChain, due]).toEqual(['held', [], true, { atMs: world.node.ports.now() + 60_000 }]);
  world.node.later(60_000);
  await world.settle();
  expect([line.end(), world.arrivals]).toEqual([of('temporary_channel_failure', 0), []]);
});

describe('after a restore, which brings no records of forwards', () => {
  test('what bob has is taken up again, and paid', async () => {
    const line = await Line.start();
    await line.send();
    await line.world.node.ports.db.clear('forwards');
    await line.world.settle();
    expect([line.end(), await open(line)]).toEqual(['held', ['offered']]);
    await line.world.fulfil(line.arrival, preimage);
    expect([line.end(), await kept(line)]).toEqual([PAID, ['settled']]);
  });

  test('what bob has, and whose preimage he gave before', async () => {
    const line = await Line.start();
    const { world } = line;
    await line.send();
    world.party('bob').ask({ tag: 'remove', id: line.arrival.htlc.id, removal: { kind: 'fulfill', preimage } });
    const [word] = world.party('bob').wire.splice(0);
    if (word === undefined) throw new Error('he gave none');
    const { epoch, lastInSeq } = await world.state('bob');
    await round(world.node.ports, idOf('bob'), [{ tag: 'frame', epoch, n: lastInSeq + 1, bytes: word }]);
    await world.node.ports.db.clear('forwards');
    await world.cut('bob');
    await world.settle();
    expect([line.end(), await kept(line)]).toEqual([PAID, ['settled']]);
  });

  test('what never left goes back, once every peer can be asked for it', async () => {
    const line = await Line.start();
    const { world } = line;
    const { db } = world.node.ports;
    world.node.later(3 * 3_600_000);
    await line.send();
    expect(await open(line)).toEqual(['planned']);
    await db.clear('forwards');
    const quarantine = async (quarantined: string | undefined) => {
      const record = await loadPeer(db, idOf('bob'));
      if (record) await commit(db, { peer: { ...record, quarantined } });
    };
    await quarantine('a bug of ours');
    await settleSets(world.node.ports, world.into);
    await quarantine(undefined);
    expect((await world.state('anna')).channels[0]).toMatchObject({ commitments: { htlcs: [{ added: 'locked' }] } });
    expect((await world.state('anna')).channels[0]).not.toMatchObject({ commitments: { htlcs: [{ removal: {} }] } });
    await world.settle();
    expect([line.end(), world.arrivals]).toEqual([of('temporary_node_failure', 0), []]);
  });
});
