/** BOLT 4, route-blinding-test.json, and the paths of blinded-onion-message-onion-test.json and blinded-payment-onion-test.json. */
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import messageVectors from '../vectors/bolt04/blinded-onion-message-onion-test.json' with { type: 'json' };
import paymentVectors from '../vectors/bolt04/blinded-payment-onion-test.json' with { type: 'json' };
import routeVectors from '../vectors/bolt04/route-blinding-test.json' with { type: 'json' };
import { encodeFeatures } from '../wire/features.ts';
import { decodeTlvs } from '../wire/tlv.ts';
import { blindPath, type EncryptedData, encryptedDataTlvs, payinfoOf, relayedAmountMsat, unblind } from './blinding.ts';
import { peelOnion } from './sphinx.ts';

function decoded(hex: string): EncryptedData {
  const result = decodeTlvs(encryptedDataTlvs, fromHex(hex));
  if (!result.ok) throw new Error(result.error.detail);
  return result.value;
}
function blinded(pathSecret: string, hops: readonly { readonly nodeId: string; readonly data: string }[]) {
  const path = blindPath({
    pathSecret: fromHex(pathSecret),
    hops: hops.map(({ nodeId, data }) => ({ nodeId: fromHex(nodeId), data: decoded(data) })),
  });
  if (!path.ok) throw new Error(path.error.code);
  return path.value;
}
const scid = (text: string): bigint => BigInt(text.split('x')[2] ?? '');

describe('route-blinding-test.json', () => {
  const { hops } = routeVectors.generate;

  test('what is encrypted reads as the vector names it, in 4 hops', () => {
    for (const { tlvs, encoded_tlvs } of hops) {
      const data = decoded(encoded_tlvs);
      expect(data.padding && toHex(data.padding)).toBe(tlvs.padding);
      expect(data.shortChannelId).toBe(tlvs.short_channel_id === undefined ? undefined : scid(tlvs.short_channel_id));
      expect(data.pathId && toHex(data.pathId)).toBe(tlvs.path_id);
      expect(data.nextPathKeyOverride && toHex(data.nextPathKeyOverride)).toBe(tlvs.next_path_key_override);
      expect(data.allowedFeatures).toEqual(encodeFeatures(tlvs.allowed_features.features));
      const relay = tlvs.payment_relay;
      expect(data.paymentRelay).toEqual(
        relay && {
          cltvExpiryDelta: relay.cltv_expiry_delta,
          feeProportionalMillionths: relay.fee_proportional_millionths,
          feeBaseMsat: 'fee_base_msat' in relay ? relay.fee_base_msat : 0,
        },
      );
      expect(data.paymentConstraints).toEqual({
        maxCltvExpiry: tlvs.payment_constraints.max_cltv_expiry,
        htlcMinimumMsat: BigInt(tlvs.payment_constraints.htlc_minimum_msat),
      });
    }
  });

  // Bob and Carol's path, then Dave and Eve's: two that are one after the other.
  test.each([
    ['Bob and Carol', 0],
    ['Dave and Eve', 2],
  ])('the path over %s is made', (_, from) => {
    const part = hops.slice(from, from + 2);
    const path = blinded(
      part[0]?.session_key ?? '',
      part.map(({ node_id, encoded_tlvs }) => ({ nodeId: node_id, data: encoded_tlvs })),
    );
    expect(toHex(path.firstNodeId)).toBe(part[0]?.node_id);
    expect(toHex(path.firstPathKey)).toBe(part[0]?.path_key);
    const { hops: expected } = routeVectors.route;
    expect(path.hops.map((hop) => [toHex(hop.blindedNodeId), toHex(hop.encryptedRecipientData)])).toEqual(
      expected.slice(from, from + 2).map((hop) => [hop.blinded_node_id, hop.encrypted_data]),
    );
  });

  test('each of 4 nodes reads its part and has the next path key', () => {
    for (const [i, hop] of routeVectors.unblind.hops.entries()) {
      const result = unblind({
        pathKey: fromHex(hop.path_key),
        encryptedRecipientData: fromHex(routeVectors.route.hops[i]?.encrypted_data ?? ''),
        nodeSecret: fromHex(hop.node_privkey),
      });
      if (!result.ok) throw new Error(result.error.code);
      expect(result.value.data).toEqual(decoded(hop.decrypted_data));
      expect(toHex(result.value.nextPathKey)).toBe(hop.next_path_key_override ?? hop.next_path_key);
    }
  });
});

describe('blinded-onion-message-onion-test.json', () => {
  const { hops } = messageVectors.generate;

  test('the path over Bob, Carol and Dave is made, and the hop to Alice', () => {
    const all = hops.map(({ encrypted_data_tlv }, i) => ({
      nodeId: nodeIds[i] ?? '',
      data: encrypted_data_tlv,
    }));
    const [alice, bob] = hops;
    const paths = [blinded(alice?.path_key_secret ?? '', all.slice(0, 1)), blinded(bob?.path_key_secret ?? '', all.slice(1))];
    expect(paths.map((path) => toHex(path.firstPathKey))).toEqual([alice?.E, bob?.E]);
    expect(paths.flatMap((path) => path.hops).map((hop) => [toHex(hop.blindedNodeId), toHex(hop.encryptedRecipientData)])).toEqual(
      hops.map((hop) => [hop.blinded_node_id, hop.encrypted_recipient_data]),
    );
  });

  test('4 nodes take off their layer and read whom to send to', () => {
    const { hops: nodes } = messageVectors.decrypt;
    for (const [i, node] of nodes.entries()) {
      // type, path key, length, packet
      const [pathKey, packet] = split(node.onion_message);
      const nodeSecret = fromHex(node.privkey);
      const peeled = peelOnion({ packet, associatedData: new Uint8Array(0), nodeSecret, pathKey });
      if (!peeled.ok) throw new Error(JSON.stringify(peeled.error));
      const payload = decodeTlvs({ encrypted: { ...encryptedDataTlvs.padding, type: 4n } }, peeled.value.payload);
      if (!payload.ok || payload.value.encrypted === undefined) throw new Error('no encrypted data');
      const read = unblind({ pathKey, encryptedRecipientData: payload.value.encrypted, nodeSecret });
      if (!read.ok) throw new Error(read.error.code);
      const { nextNodeId } = read.value.data;
      expect(nextNodeId && toHex(nextNodeId)).toBe(node.next_node_id);
      const next = nodes[i + 1];
      expect(peeled.value.next && [toHex(read.value.nextPathKey), toHex(peeled.value.next)]).toEqual(
        next && split(next.onion_message).map(toHex),
      );
      if (next === undefined) expect(read.value.data.pathId && toHex(read.value.data.pathId)).toBe(hops[i]?.tlvs.path_id);
    }
  });

  const nodeIds = [messageVectors.route.first_node_id, ...hops.slice(0, -1).map(({ tlvs }) => tlvs.next_node_id ?? '')];
  const split = (onionMessage: string): [Uint8Array, Uint8Array] => {
    const bytes = fromHex(onionMessage);
    return [bytes.subarray(2, 35), bytes.subarray(37)];
  };
});

test('blinded-payment-onion-test.json: what 4 relays cost together, and what each of 3 forwards', () => {
  const { blinded_payinfo, full_route, final_amount_msat, blinded_route } = paymentVectors.generate;
  const relays = blinded_route.hops.slice(0, -1).map((hop, i) => {
    const node = paymentVectors.decrypt.hops[i + 1];
    const before = i === 0 ? blinded_route.first_path_key : paymentVectors.decrypt.hops[i]?.next_path_key;
    const read = unblind({
      pathKey: fromHex(before ?? ''),
      encryptedRecipientData: fromHex(hop.encrypted_data),
      nodeSecret: fromHex(node?.node_privkey ?? ''),
    });
    if (!read.ok || read.value.data.paymentRelay === undefined) throw new Error(`hop ${i}`);
    expect(toHex(read.value.nextPathKey)).toBe(node?.next_path_key);
    return read.value.data.paymentRelay;
  });
  expect(payinfoOf(relays, 0)).toEqual({
    feeBaseMsat: BigInt(blinded_payinfo.fee_base_msat),
    feeProportionalMillionths: BigInt(blinded_payinfo.fee_proportional_millionths),
    cltvExpiryDelta: blinded_payinfo.cltv_expiry_delta,
  });
  const sent = BigInt(full_route.hops[0]?.tlvs.amt_to_forward ?? 0);
  const arrived = relays.reduce((amount, relay) => relayedAmountMsat(amount, relay) ?? -1n, sent);
  expect(arrived).toBeGreaterThanOrEqual(BigInt(final_amount_msat));
  expect(arrived - BigInt(final_amount_msat)).toBeLessThan(3n);
});
