/** BOLT 1 § The `init` Message: ours, and what we make of theirs. */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Negotiated } from '../channel/negotiated.ts';
import { compatible, initFeatures, negotiated, ourFeatures } from '../wire/features.ts';
import { encode, type Init } from './wire.ts';

/** Whole message, type included. It goes out with the handshake, before the first numbered frame. */
export const ourInit = (chainHash: Uint8Array): Uint8Array =>
  // BOLT 1: "SHOULD NOT set features greater than 13 in `globalfeatures`.": we set none there.
  encode({ name: 'init', globalfeatures: new Uint8Array(0), features: ourFeatures(), networks: [chainHash] });

/** The peer's features, or in words why we cannot talk. */
export function checkInit(msg: Init, chainHash: Uint8Array): Result<Uint8Array, string> {
  // BOLT 1: "upon receiving `networks` containing no common chains MAY close the connection."
  if (msg.networks && !msg.networks.some((chain) => equal(chain, chainHash))) return err('init: no common chain');
  const remote = initFeatures(msg);
  const fits = compatible(ourFeatures(), remote);
  if (fits.ok) return ok(remote);
  switch (fits.error.code) {
    case 'unknown-required':
      return err(`init: required feature bits that we do not serve: ${fits.error.bits.slice(0, 16).join(', ')}`);
    case 'missing-dependency':
      return err(`init: ${fits.error.missing.map(({ feature, needs }) => `${feature} needs ${needs}`).join(', ')}`);
  }
}

export function negotiatedWith(remote: Uint8Array): Negotiated {
  const ours = ourFeatures();
  return {
    largeChannels: negotiated(ours, remote, 'option_support_large_channel'),
    anchors: negotiated(ours, remote, 'option_anchors'),
    scidAlias: negotiated(ours, remote, 'option_scid_alias'),
    zeroConf: negotiated(ours, remote, 'option_zeroconf'),
    anySegwit: negotiated(ours, remote, 'option_shutdown_anysegwit'),
    simpleClose: negotiated(ours, remote, 'option_simple_close'),
    quiesce: negotiated(ours, remote, 'option_quiesce'),
  };
}
