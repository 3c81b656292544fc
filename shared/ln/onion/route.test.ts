/** From a route to an onion, and through the hands of each of its nodes. */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { pointFromSecret } from '../keys/secp.ts';
import vectors from '../vectors/bolt04/blinded-payment-onion-test.json' with { type: 'json' };
import { blindPath } from './blinding.ts';
import { type IncomingHtlc, type Receipt, readHtlc } from './htlc.ts';
import { paymentOnion, type Recipient, type RouteHtlc, routeHops } from './route.ts';

const secretAt = (i: number): Uint8Array => sha256(Uint8Array.of(i));
const paymentHash = new Uint8Array(32).fill(4);
const htlcs: readonly RouteHtlc[] = [1, 2, 3].map((i) => ({
  nodeId: pointFromSecret(secretAt(i)),
  shortChannelId: BigInt(i),
  amountMsat: 1_000_000n - 1000n * BigInt(i),
  cltvExpiry: 900 - 40 * i,
}));

/** What each node sees, and what the last one is given. */
function walked(
  recipient: Recipient,
  secrets: readonly Uint8Array[],
  route = htlcs,
): { readonly seen: readonly unknown[]; readonly receipt: Receipt } {
  const built = paymentOnion({ sessionKey: new Uint8Array(32).fill(5), paymentHash, htlcs: route, recipient });
  if (!built.ok) throw new Error(built.error.code);
  const seen: unknown[] = [];
  let htlc: IncomingHtlc = {
    amountMsat: route[0]?.amountMsat ?? 0n,
    cltvExpiry: route[0]?.cltvExpiry ?? 0,
    paymentHash,
    onionRoutingPacket: built.value.packet,
  };
  for (const secret of secrets) {
    const read = readHtlc(htlc, secret);
    if (!read.ok) throw new Error(JSON.stringify(read.error.reply));
    if (read.value.tag === 'receipt') return { seen, receipt: read.value };
    const { to, amtToForward: amountMsat, outgoingCltvValue: cltvExpiry, next: onionRoutingPacket, nextPathKey } = read.value;
    seen.push({ to, amountMsat, cltvExpiry });
    htlc = { amountMsat, cltvExpiry, paymentHash, onionRoutingPacket, ...(nextPathKey ? { pathKey: nextPathKey } : {}) };
  }
  throw new Error('nobody was paid');
}

describe('a route to a node', () => {
  const paymentSecret = new Uint8Array(32).fill(6);
  const secrets = [1, 2, 3].map(secretAt);

  test('tells each hop of the next HTLC, and the last of the payment', () => {
    const { seen, receipt } = walked({ tag: 'node', totalMsat: 2_000_000n, paymentSecret, paymentMetadata: Uint8Array.of(1) }, secrets);
    expect(seen).toEqual([
      { to: { shortChannelId: 2n }, amountMsat: 998_000n, cltvExpiry: 820 },
      { to: { shortChannelId: 3n }, amountMsat: 997_000n, cltvExpiry: 780 },
    ]);
    expect(receipt).toMatchObject({
      amtToForward: 997_000n,
      outgoingCltvValue: 780,
      totalMsat: 2_000_000n,
      paymentSecret,
      paymentMetadata: Uint8Array.of(1),
    });
  });

  test('without an invoice carries the preimage and records of the sender', () => {
    const keysendPreimage = new Uint8Array(32).fill(7);
    const customRecords = [{ type: 7_629_169n, value: Uint8Array.of(9) }];
    const { receipt } = walked({ tag: 'node', totalMsat: 997_000n, keysendPreimage, customRecords }, secrets);
    expect(receipt).toMatchObject({ keysendPreimage, customRecords, totalMsat: 997_000n });
    expect(receipt.paymentSecret).toBeUndefined();
  });
});

describe('a route to a blinded path', () => {
  const relay = { cltvExpiryDelta: 10, feeProportionalMillionths: 0, feeBaseMsat: 500 };
  const end = { amountMsat: 996_000n, totalMsat: 1_992_000n, cltvExpiry: 760 };

  test('goes on behind it as its maker wrote', () => {
    const path = blindPath({
      pathSecret: new Uint8Array(32).fill(8),
      hops: [
        { nodeId: pointFromSecret(secretAt(3)), data: { shortChannelId: 70n, paymentRelay: relay } },
        { nodeId: pointFromSecret(secretAt(4)), data: { nextNodeId: pointFromSecret(secretAt(5)), paymentRelay: relay } },
        { nodeId: pointFromSecret(secretAt(5)), data: { pathId: Uint8Array.of(1, 2) } },
      ],
    });
    if (!path.ok) throw new Error(path.error.code);
    const { seen, receipt } = walked({ tag: 'blinded', path: path.value, ...end }, [1, 2, 3, 4, 5].map(secretAt));
    expect(seen.slice(2)).toEqual([
      { to: { shortChannelId: 70n }, amountMsat: 996_500n, cltvExpiry: 770 },
      { to: { nextNodeId: pointFromSecret(secretAt(5)) }, amountMsat: 996_000n, cltvExpiry: 760 },
    ]);
    expect(receipt).toMatchObject({ blinded: true, pathId: Uint8Array.of(1, 2), totalMsat: 1_992_000n, answer: { voice: 'blinded' } });
  });

  test('of one node, who is its introduction and its end', () => {
    const hops = [{ nodeId: pointFromSecret(secretAt(3)), data: { pathId: Uint8Array.of(1, 2) } }];
    const path = blindPath({ pathSecret: new Uint8Array(32).fill(8), hops });
    if (!path.ok) throw new Error(path.error.code);
    const { receipt } = walked({ tag: 'blinded', path: path.value, ...end }, [1, 2, 3].map(secretAt));
    expect(receipt).toMatchObject({ blinded: true, amtToForward: 996_000n, answer: { voice: 'plain' } });
  });

  test('has the 5 payloads and the packet of blinded-payment-onion-test.json', () => {
    const { blinded_route, full_route, session_key, associated_data, onion, final_amount_msat, final_cltv } = vectors.generate;
    const path = {
      firstNodeId: fromHex(blinded_route.first_node_id),
      firstPathKey: fromHex(blinded_route.first_path_key),
      hops: blinded_route.hops.map((hop) => ({
        blindedNodeId: fromHex(hop.blinded_node_id),
        encryptedRecipientData: fromHex(hop.encrypted_data),
      })),
    };
    const [alice, bob] = full_route.hops.map(({ pubkey }) => fromHex(pubkey));
    const terms = { amountMsat: 110_125n, cltvExpiry: 749_150 };
    const route = [
      { nodeId: alice ?? paymentHash, shortChannelId: 1n, ...terms },
      { nodeId: bob ?? paymentHash, shortChannelId: 10n, ...terms },
    ];
    const recipient: Recipient = {
      tag: 'blinded',
      path,
      amountMsat: BigInt(final_amount_msat),
      totalMsat: 150_000n,
      cltvExpiry: final_cltv,
    };
    expect(routeHops(route, recipient).map(({ payload }) => toHex(payload))).toEqual(
      full_route.hops.map(({ payload }) => payload.slice(2)),
    );
    const built = paymentOnion({ sessionKey: fromHex(session_key), paymentHash: fromHex(associated_data), htlcs: route, recipient });
    expect(built.ok && toHex(built.value.packet)).toBe(onion);
  });
});
