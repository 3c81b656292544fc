/** BOLT 2 § Defined Channel Types: an explicit enumeration, not a set of features. */
import type { ChannelKind } from '../tx/commitment.ts';
import { encodeFeatures, features, parseFeatures } from '../wire/features.ts';

export type ChannelType = { readonly kind: ChannelKind; readonly scidAlias: boolean; readonly zeroConf: boolean };

const staticRemotekey = features.option_static_remotekey.bit;
const anchors = features.option_anchors.bit;
const scidAlias = features.option_scid_alias.bit;
const zeroConf = features.option_zeroconf.bit;

/** Undefined for anything that BOLT 2 does not list, a vector with leading zeros included ("MUST use the smallest bitmap possible"). */
export function parseChannelType(vector: Uint8Array): ChannelType | undefined {
  if (vector.length === 0 || vector.length > 8 || vector[0] === 0) return undefined;
  const bits = parseFeatures(vector);
  const basic = bits.filter((bit) => bit !== scidAlias && bit !== zeroConf).join();
  if (basic !== `${staticRemotekey}` && basic !== `${staticRemotekey},${anchors}`) return undefined;
  return {
    kind: bits.includes(anchors) ? 'anchors_zero_fee_htlc_tx' : 'static_remotekey',
    scidAlias: bits.includes(scidAlias),
    zeroConf: bits.includes(zeroConf),
  };
}

export const encodeChannelType = (type: ChannelType): Uint8Array =>
  encodeFeatures([
    staticRemotekey,
    ...(type.kind === 'anchors_zero_fee_htlc_tx' ? [anchors] : []),
    ...(type.scidAlias ? [scidAlias] : []),
    ...(type.zeroConf ? [zeroConf] : []),
  ]);
