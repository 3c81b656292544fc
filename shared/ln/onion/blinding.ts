/**
 * BOLT 4 § Route Blinding: a path to a node that hides who is on it, made by its end; and what one node of it reads.
 *
 * Callers must still: take a fresh random path secret for every path, compare `pathId` with what they put into the path they made,
 * and hold the data against the payment (`htlc.ts`) before they act on it.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { ecdh, multiply, multiplySecret, pointFromSecret } from '../keys/secp.ts';
import { point, rest, shortChannelId, struct, tu32, tu64, u16, u32 } from '../wire/codec.ts';
import { decodeTlvs, encodeTlvs, type TlvValues, tlv } from '../wire/tlv.ts';
import { deriveKey, ZERO_NONCE } from './stream.ts';

export const encryptedDataTlvs = {
  padding: tlv(1, rest),
  shortChannelId: tlv(2, shortChannelId),
  nextNodeId: tlv(4, point),
  pathId: tlv(6, rest),
  nextPathKeyOverride: tlv(8, point),
  paymentRelay: tlv(10, struct({ cltvExpiryDelta: u16, feeProportionalMillionths: u32, feeBaseMsat: tu32 })),
  paymentConstraints: tlv(12, struct({ maxCltvExpiry: u32, htlcMinimumMsat: tu64 })),
  allowedFeatures: tlv(14, rest),
};
export type EncryptedData = TlvValues<typeof encryptedDataTlvs>;
export type PaymentRelay = NonNullable<EncryptedData['paymentRelay']>;

export type BlindedHop = { readonly blindedNodeId: Uint8Array; readonly encryptedRecipientData: Uint8Array };
export type BlindedPath = { readonly firstNodeId: Uint8Array; readonly firstPathKey: Uint8Array; readonly hops: readonly BlindedHop[] };
/** `hop` counts from the introduction node, 0. */
export type BlindError = { readonly code: 'bad-node-id'; readonly hop: number } | { readonly code: 'no-hops' };

/** `pathSecret` is e_0. Throws if it is no secret: a bug of ours. */
export function blindPath(input: {
  readonly pathSecret: Uint8Array;
  readonly hops: readonly { readonly nodeId: Uint8Array; readonly data: EncryptedData }[];
}): Result<BlindedPath, BlindError> {
  const hops: BlindedHop[] = [];
  let secret = input.pathSecret;
  for (const [hop, { nodeId, data }] of input.hops.entries()) {
    const shared = ecdh(nodeId, secret);
    const blindedNodeId = shared && multiply(nodeId, deriveKey('blinded_node_id', shared));
    if (shared === undefined || blindedNodeId === undefined) return err({ code: 'bad-node-id', hop });
    hops.push({ blindedNodeId, encryptedRecipientData: cipherOf(shared).encrypt(encodeTlvs(encryptedDataTlvs, data)) });
    secret = multiplySecret(secret, sha256(concat(pointFromSecret(secret), shared)));
  }
  const firstNodeId = input.hops[0]?.nodeId;
  return firstNodeId ? ok({ firstNodeId, firstPathKey: pointFromSecret(input.pathSecret), hops }) : err({ code: 'no-hops' });
}

const cipherOf = (shared: Uint8Array) => chacha20poly1305(deriveKey('rho', shared), ZERO_NONCE);

/** BOLT 4: "SHOULD add padding data to ensure all `encrypted_data_tlv[i]` have the same length". */
export function padded(hops: readonly EncryptedData[]): EncryptedData[] {
  const bare = hops.map((data) => ({ ...data, padding: new Uint8Array(0) }));
  const lengths = bare.map((data) => encodeTlvs(encryptedDataTlvs, data).length);
  const sizes = (target: number) => lengths.map((length) => paddingFor(target - length));
  let target = Math.max(0, ...lengths);
  while (sizes(target).includes(undefined)) target++;
  return bare.map((data, i) => ({ ...data, padding: new Uint8Array(sizes(target)[i] ?? 0) }));
}
/** The padding that makes a stream with an empty one `more` bytes longer. From 253 bytes on its length takes two bytes more. */
function paddingFor(more: number): number | undefined {
  if (more < 253) return more;
  return more < 255 ? undefined : more - 2;
}

export type Unblinded = {
  readonly data: EncryptedData;
  /** Goes with the onion to the next node. */
  readonly nextPathKey: Uint8Array;
};
/** All of them are answered alike; the codes are for tests and logs. */
export type UnblindError = { readonly code: 'bad-path-key' | 'not-for-us' | 'malformed' };

/** What the end of the path wrote for the node of `nodeSecret`. Never throws on what others sent. */
export function unblind(input: {
  readonly pathKey: Uint8Array;
  readonly encryptedRecipientData: Uint8Array;
  readonly nodeSecret: Uint8Array;
}): Result<Unblinded, UnblindError> {
  const { pathKey, encryptedRecipientData, nodeSecret } = input;
  const shared = ecdh(pathKey, nodeSecret);
  if (shared === undefined) return err({ code: 'bad-path-key' });
  const plain = opened(shared, encryptedRecipientData);
  if (plain === undefined) return err({ code: 'not-for-us' });
  // BOLT 4: "cannot be decrypted into an `encrypted_data_tlv` or contains unknown even fields: MUST return an error"
  const decoded = decodeTlvs(encryptedDataTlvs, plain);
  if (!decoded.ok) return err({ code: 'malformed' });
  // BOLT 4: "If the `encrypted_data_tlv` contains a `next_path_key_override`: MUST use it as the next `path_key`"
  const nextPathKey = decoded.value.nextPathKeyOverride ?? multiply(pathKey, sha256(concat(pathKey, shared)));
  return nextPathKey ? ok({ data: decoded.value, nextPathKey }) : err({ code: 'bad-path-key' });
}

function opened(shared: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return cipherOf(shared).decrypt(sealed);
  } catch {
    return undefined;
  }
}

const MILLION = 1_000_000n;

/** BOLT 4: "`amt_to_forward = ((amount_msat - fee_base_msat) * 1000000 + 1000000 + fee_proportional_millionths - 1) / (1000000 + fee_proportional_millionths)`" */
export function relayedAmountMsat(amountMsat: bigint, relay: PaymentRelay): bigint | undefined {
  const afterBase = amountMsat - BigInt(relay.feeBaseMsat);
  if (afterBase < 0n) return undefined;
  const whole = MILLION + BigInt(relay.feeProportionalMillionths);
  return (afterBase * MILLION + whole - 1n) / whole;
}

/** What a blinded path costs as a whole: the sender sees this and no single relay. */
export type BlindedPayinfo = { readonly feeBaseMsat: bigint; readonly feeProportionalMillionths: bigint; readonly cltvExpiryDelta: number };

/** BOLT 4: "MUST compute the total fees and CLTV delta of the route as follows and communicate them to the sender". From the introduction node on. */
export function payinfoOf(relays: readonly PaymentRelay[], minFinalCltvExpiryDelta: number): BlindedPayinfo {
  const up = (value: bigint) => (value + MILLION - 1n) / MILLION;
  return relays.reduceRight<BlindedPayinfo>(
    (total, relay) => {
      const proportional = BigInt(relay.feeProportionalMillionths);
      return {
        feeBaseMsat: up(BigInt(relay.feeBaseMsat) * MILLION + total.feeBaseMsat * (MILLION + proportional)),
        feeProportionalMillionths: up(
          (total.feeProportionalMillionths + proportional) * MILLION + total.feeProportionalMillionths * proportional,
        ),
        cltvExpiryDelta: total.cltvExpiryDelta + relay.cltvExpiryDelta,
      };
    },
    { feeBaseMsat: 0n, feeProportionalMillionths: 0n, cltvExpiryDelta: minFinalCltvExpiryDelta },
  );
}
