/** BOLT 4, onion-error-test.json and the traces of § Test Vector: an error on its way back, with attribution, and a success. */
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import attributed from '../vectors/bolt04/attribution-test.json' with { type: 'json' };
import simple from '../vectors/bolt04/onion-error-test.json' with { type: 'json' };
import { type AttributionData, attribute, readHoldTimes } from './attribution.ts';
import { decodeFailure, encodeFailure, type Failure } from './failure.ts';
import { type FailureReturn, failHtlc, readFailure, relayFailure } from './failure-packet.ts';
import { deriveKey } from './stream.ts';

const bytesOf = ({ htlcHoldTimes, truncatedHmacs }: AttributionData): string =>
  toHex(concat(...htlcHoldTimes.map((time) => fromHex(time.toString(16).padStart(8, '0'))), truncatedHmacs));

describe('onion-error-test.json: the last of 5 hops fails', () => {
  const { hops, failure_message } = simple.generate;
  const secrets = hops.map((hop) => fromHex(hop.hop_shared_secret));
  const failure = decodeFailure(fromHex(failure_message));

  test('the 5 ammag keys and the um key', () => {
    expect(secrets.map((secret) => toHex(deriveKey('ammag', secret)))).toEqual(hops.map((hop) => hop.ammag_key));
    expect(secrets.slice(4).map((secret) => toHex(deriveKey('um', secret)))).toEqual([hops[4]?.um_key]);
  });

  test('the packet as it comes back to the origin, and what the origin reads', () => {
    const [erring = new Uint8Array(0), ...others] = secrets.toReversed();
    const reason = others.reduce(
      (packet, sharedSecret) => relayFailure({ sharedSecret, reason: packet, holdTime: 0 }).reason,
      failHtlc({ sharedSecret: erring, failure, holdTime: 0 }).reason,
    );
    expect(toHex(reason)).toBe(simple.errorpacket);
    expect(readFailure({ sharedSecrets: secrets, reason })).toEqual({
      source: { hop: 4, failure: { name: 'temporary_node_failure' } },
      holdTimes: [],
    });
  });
});

describe('attribution data over 5 hops', () => {
  const { hops, failure: given } = attributed;
  const secrets = hops.map((hop) => fromHex(hop.shared_secret));
  const failure: Failure = {
    name: 'incorrect_or_unknown_payment_details',
    htlcMsat: BigInt(given.htlc_msat),
    height: given.height,
    extension: concat(fromHex('fd84d1fd012c'), fromHex(given.tlv.value)),
  };

  test('a failure: 5 packets and 5 blocks', () => {
    expect(encodeFailure(failure).length).toBe(320);
    let back: FailureReturn | undefined;
    for (const hop of [4, 3, 2, 1, 0]) {
      const sharedSecret = secrets[hop] ?? new Uint8Array(0);
      const holdTime = hops[hop]?.hold_time ?? 0;
      // The vector is padded to 1024 bytes.
      back = back ? relayFailure({ sharedSecret, ...back, holdTime }) : failHtlc({ sharedSecret, failure, holdTime, paddedBytes: 1024 });
      expect(toHex(back.reason)).toBe(attributed.error_packets[hop]);
      expect(bytesOf(back.attributionData)).toBe(attributed.error_attribution[hop]);
    }
    if (back === undefined) throw new Error('no failure');
    expect(readFailure({ sharedSecrets: secrets, ...back })).toEqual({ source: { hop: 4, failure }, holdTimes: [5, 4, 3, 2, 1] });
  });

  test('a success: 5 blocks, and their hold times', () => {
    let data: AttributionData | undefined;
    for (const hop of [4, 3, 2, 1, 0]) {
      const sharedSecret = secrets[hop] ?? new Uint8Array(0);
      const downstream = data === undefined ? {} : { downstream: data };
      data = attribute({ sharedSecret, packet: new Uint8Array(0), holdTime: hops[hop]?.hold_time ?? 0, ...downstream });
      expect(bytesOf(data)).toBe(attributed.success_attribution[hop]);
    }
    expect(data && readHoldTimes(secrets, data)).toEqual([5, 4, 3, 2, 1]);
  });
});
