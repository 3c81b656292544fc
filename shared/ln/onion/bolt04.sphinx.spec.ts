/** BOLT 4, onion-test.json, and the packets of the blinded payment and of the onion message: made and peeled byte for byte. */
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import blindedPayment from '../vectors/bolt04/blinded-payment-onion-test.json' with { type: 'json' };
import errors from '../vectors/bolt04/onion-error-test.json' with { type: 'json' };
import plain from '../vectors/bolt04/onion-test.json' with { type: 'json' };
import { buildOnion, type PeeledOnion, peelOnion } from './sphinx.ts';

/** The vectors' payloads have their length in front. */
const unframed = (payload: string): Uint8Array => fromHex(payload).subarray(payload.startsWith('fd') ? 3 : 1);
const hopsOf = (hops: readonly { readonly pubkey: string; readonly payload: string }[]) =>
  hops.map(({ pubkey, payload }) => ({ nodeId: fromHex(pubkey), payload: unframed(payload) }));

function peeled(packet: Uint8Array, secret: string, associatedData: string, pathKey?: string): PeeledOnion {
  const result = peelOnion({
    packet,
    associatedData: fromHex(associatedData),
    nodeSecret: fromHex(secret),
    ...(pathKey === undefined ? {} : { pathKey: fromHex(pathKey) }),
  });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

describe('onion-test.json: a route of 5, one payload of 275 bytes', () => {
  const { session_key, associated_data, hops } = plain.generate;
  const built = buildOnion({ sessionKey: fromHex(session_key), hops: hopsOf(hops), associatedData: fromHex(associated_data) });

  test('the packet is made', () => {
    expect(built.ok && toHex(built.value.packet)).toBe(plain.onion);
  });

  test('5 shared secrets are those of onion-error-test.json', () => {
    expect(built.ok && built.value.sharedSecrets.map(toHex)).toEqual(errors.generate.hops.map((hop) => hop.hop_shared_secret));
  });

  test('5 layers are taken off', () => {
    let packet: Uint8Array | undefined = fromHex(plain.onion);
    for (const [i, secret] of plain.decode.entries()) {
      if (packet === undefined) throw new Error('ended early');
      const layer: PeeledOnion = peeled(packet, secret, associated_data);
      expect(toHex(layer.payload)).toBe(toHex(unframed(hops[i]?.payload ?? '')));
      expect(toHex(layer.sharedSecret)).toBe(errors.generate.hops[i]?.hop_shared_secret);
      packet = layer.next;
    }
    expect(packet).toBeUndefined();
  });
});

describe('blinded-payment-onion-test.json: a plain hop, then four blinded ones', () => {
  const { session_key, associated_data, full_route, onion } = blindedPayment.generate;

  test('the packet is made', () => {
    const hops = hopsOf(full_route.hops);
    const built = buildOnion({ sessionKey: fromHex(session_key), hops, associatedData: fromHex(associated_data) });
    expect(built.ok && toHex(built.value.packet)).toBe(onion);
  });

  test('5 layers are taken off, three of them with a path key', () => {
    const { hops } = blindedPayment.decrypt;
    // The path key comes in `update_add_htlc` from the third node on; the introduction node has it in its payload.
    const pathKeyOf = (i: number) => (i < 2 ? undefined : hops[i - 1]?.next_path_key);
    for (const [i, hop] of hops.entries()) {
      const layer = peeled(fromHex(hop.onion), hop.node_privkey, associated_data, pathKeyOf(i));
      expect(toHex(layer.payload)).toBe(toHex(unframed(full_route.hops[i]?.payload ?? '')));
      expect(layer.next && toHex(layer.next)).toBe(hops[i + 1]?.onion);
    }
  });
});

test('payloads of 253 bytes and more have a longer length', () => {
  const nodeId = fromHex(plain.generate.hops[0]?.pubkey ?? '');
  const sessionKey = fromHex(plain.generate.session_key);
  for (const length of [2, 252, 253, 1265]) {
    const payload = new Uint8Array(length).fill(7);
    const built = buildOnion({ sessionKey, hops: [{ nodeId, payload }], associatedData: concat() });
    expect(built.ok && peeled(built.value.packet, '41'.repeat(32), '').payload).toEqual(payload);
  }
});
