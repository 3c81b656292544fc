import { describe, expect, test } from 'vitest';
import { request } from '../testing/acceptor.ts';
import { optional, peerInit, TestNode } from '../testing/node.ts';
import { regtestChain } from '../testing/opener.ts';
import { encodeChannelType } from './channel-type.ts';
import { acceptChannelMs } from './limits.ts';
import type { OpenChannel } from './message.ts';
import type { Negotiated } from './negotiated.ts';
import { type OpenRequest, offerChannel } from './offer.ts';

const all: Negotiated = {
  largeChannels: false,
  anchors: true,
  scidAlias: true,
  zeroConf: true,
  anySegwit: true,
  simpleClose: true,
  quiesce: true,
};
const p2wpkh = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)]);

/** The code of the refusal, or undefined. Nothing is said then. */
function refused(change: Partial<OpenRequest>, negotiated: Partial<Negotiated> = {}): string | undefined {
  const offered = offerChannel(
    { ...request, ...change },
    { negotiated: { ...all, ...negotiated }, pendingChannels: 0 },
    new TestNode().channelEnv(),
  );
  return offered.ok ? undefined : offered.error.code;
}

function said(change: Partial<OpenRequest> = {}, init = peerInit): OpenChannel {
  const node = new TestNode();
  node.connect(init);
  const heard = node.step({ tag: 'open', request: 'one', open: { ...request, ...change } });
  expect(heard.names).toEqual(['open_channel']);
  expect(node.channel).toMatchObject({ tag: 'wait-for-accept-channel', deadlineMs: node.now + acceptChannelMs });
  return heard.message('open_channel');
}

describe('send open_channel', () => {
  test('obeys BOLT 2', () => {
    const open = said({ pushMsat: 1_234n });
    expect(open).toMatchObject({
      chainHash: regtestChain,
      fundingSatoshis: 200_000n,
      pushMsat: 1_234n,
      dustLimitSatoshis: 354n,
      maxHtlcValueInFlightMsat: 200_000_000n,
      channelReserveSatoshis: 2_000n,
      feeratePerKw: 2_500,
      toSelfDelay: 720,
      maxAcceptedHtlcs: 30,
      channelFlags: 0,
      upfrontShutdownScript: new Uint8Array(0),
    });
    expect(open.channelType).toEqual(encodeChannelType({ kind: 'anchors_zero_fee_htlc_tx', scidAlias: false, zeroConf: false }));
  });

  test('the reserve that we ask for leaves room for the dust limit of any peer that is taken', () => {
    expect(said({ fundingAmountSat: 20_000n }).channelReserveSatoshis).toBe(1_000n);
    expect(said({ fundingAmountSat: 1_000_000n }).channelReserveSatoshis).toBe(10_000n);
  });

  test('announce_channel is the only flag', () => {
    expect(said({ isPublic: true }).channelFlags).toBe(1);
  });

  test('the upfront script goes with it', () => {
    expect(said({ upfrontShutdownScript: p2wpkh }).upfrontShutdownScript).toEqual(p2wpkh);
  });

  test('channel_type: without option_anchors the older one; zero-conf if it is asked for', () => {
    const older = said({}, { ...peerInit, features: optional('option_static_remotekey') });
    expect(older.channelType).toEqual(Uint8Array.from([0x10, 0x00]));
    expect(said({ kind: 'static_remotekey' }).channelType).toEqual(Uint8Array.from([0x10, 0x00]));
    expect(said({ zeroConf: true }).channelType).toEqual(
      encodeChannelType({ kind: 'anchors_zero_fee_htlc_tx', scidAlias: false, zeroConf: true }),
    );
  });

  test('every offer has an id and keys of its own', () => {
    const node = new TestNode();
    node.connect();
    const [a, b] = ['a', 'b'].map((name) => node.step({ tag: 'open', request: name, open: request }).message('open_channel'));
    expect(a?.temporaryChannelId).not.toEqual(b?.temporaryChannelId);
    expect(a?.fundingPubkey).not.toEqual(b?.fundingPubkey);
    expect(a?.firstPerCommitmentPoint).not.toEqual(b?.firstPerCommitmentPoint);
    expect(node.tags).toEqual(['wait-for-accept-channel', 'wait-for-accept-channel']);
  });
});

describe('what cannot be asked is not said', () => {
  const most = (1n << 24n) - 1n;
  test('funding_satoshis', () => {
    expect(refused({ fundingAmountSat: most })).toBeUndefined();
    expect(refused({ fundingAmountSat: most + 1n })).toBe('funding-too-large');
    expect(refused({ fundingAmountSat: most + 1n }, { largeChannels: true })).toBeUndefined();
    expect(refused({ fundingAmountSat: 2_100_000_000_000_001n }, { largeChannels: true })).toBe('funding-too-large');
    expect(refused({ fundingAmountSat: 0n })).toBe('funder-cannot-pay-fee');
  });

  test('push_msat', () => {
    expect(refused({ pushMsat: 200_000_001n })).toBe('push-too-large');
    expect(refused({ pushMsat: 200_000_000n })).toBe('funder-cannot-pay-fee');
  });

  test('the fee of the first commitment, the anchors and the reserve are covered', () => {
    // 1124 weight at 2500 sat/kw is 2810 sat, 660 for the anchors, and 2000 to keep.
    expect(refused({ pushMsat: 200_000_000n - 5_470_000n })).toBeUndefined();
    expect(refused({ pushMsat: 200_000_000n - 5_469_999n })).toBe('cannot-afford');
    expect(refused({ pushMsat: 200_000_000n - 3_470_000n })).toBe('cannot-afford');
    expect(refused({ pushMsat: 200_000_000n - 3_469_000n })).toBe('funder-cannot-pay-fee');
    // 724 weight: 1810 sat.
    expect(refused({ kind: 'static_remotekey', pushMsat: 200_000_000n - 3_810_000n })).toBeUndefined();
    expect(refused({ kind: 'static_remotekey', pushMsat: 200_000_000n - 3_809_999n })).toBe('cannot-afford');
  });

  test('feerate_per_kw', () => {
    expect(refused({ feeratePerKw: 253 })).toBeUndefined();
    expect(refused({ feeratePerKw: 252 })).toBe('feerate-too-low');
    expect(refused({ feeratePerKw: 50_000 })).toBeUndefined();
    expect(refused({ feeratePerKw: 50_001 })).toBe('feerate-too-high');
  });

  test('the fee of the first commitment is no more than half of the channel', () => {
    // 1124 weight at 10000 sat/kw is 11240 sat.
    expect(refused({ fundingAmountSat: 22_480n, feeratePerKw: 10_000 })).toBeUndefined();
    expect(refused({ fundingAmountSat: 22_479n, feeratePerKw: 10_000 })).toBe('fee-over-half');
  });

  test('channel_type: nothing that was not negotiated', () => {
    expect(refused({ kind: 'anchors_zero_fee_htlc_tx' }, { anchors: false })).toBe('channel-type-unsuitable');
    expect(refused({ zeroConf: true }, { zeroConf: false })).toBe('channel-type-unsuitable');
    expect(refused({}, { anchors: false, zeroConf: false })).toBeUndefined();
  });

  test('upfront_shutdown_script', () => {
    const taproot = Uint8Array.from([0x51, 32, ...new Uint8Array(32)]);
    expect(refused({ upfrontShutdownScript: p2wpkh })).toBeUndefined();
    expect(refused({ upfrontShutdownScript: p2wpkh.slice(1) })).toBe('shutdown-script-invalid');
    expect(refused({ upfrontShutdownScript: taproot })).toBeUndefined();
    expect(refused({ upfrontShutdownScript: taproot }, { anySegwit: false })).toBe('shutdown-script-invalid');
  });

  test('open -- refused: no channel and not a word', () => {
    const node = new TestNode();
    node.connect();
    const heard = node.step({ tag: 'open', request: 'one', open: { ...request, pushMsat: 200_000_001n } });
    expect(heard.said).toEqual([]);
    expect(node.tags).toEqual([]);
  });
});
