/**
 * BOLT 9: what nodes can do, as bits. A feature vector is bytes, big-endian as on the wire: bit 0 is the last bit of the last byte.
 * Also our own vector. Whether a peer's chain fits is read from `init` elsewhere.
 */
import { err, ok, type Result } from '../../lib/result.ts';

type Feature = {
  /** The even bit: required. The next one says the same as optional. */
  readonly bit: number;
  /** Where it may stand: `I`nit, `N`ode announcement, `9` invoice (BOLT 11), channel `T`ype. */
  readonly context: string;
  readonly needs?: readonly string[];
  /** BOLT 9: "`ASSUMED` to be present by all nodes, and can be safely ignored". */
  readonly assumed?: true;
};

export const features = {
  option_data_loss_protect: { bit: 0, context: '', assumed: true },
  option_upfront_shutdown_script: { bit: 4, context: 'IN' },
  gossip_queries: { bit: 6, context: '' },
  var_onion_optin: { bit: 8, context: '', assumed: true },
  gossip_queries_ex: { bit: 10, context: 'IN' },
  option_static_remotekey: { bit: 12, context: '', assumed: true },
  payment_secret: { bit: 14, context: '', assumed: true },
  basic_mpp: { bit: 16, context: 'IN9', needs: ['payment_secret'] },
  option_support_large_channel: { bit: 18, context: 'IN' },
  option_anchors: { bit: 22, context: 'INT' },
  option_route_blinding: { bit: 24, context: 'IN9' },
  option_shutdown_anysegwit: { bit: 26, context: 'IN' },
  option_dual_fund: { bit: 28, context: 'IN' },
  option_quiesce: { bit: 34, context: 'IN' },
  option_attribution_data: { bit: 36, context: 'IN9' },
  option_onion_messages: { bit: 38, context: 'IN' },
  option_provide_storage: { bit: 42, context: 'IN' },
  option_channel_type: { bit: 44, context: '', assumed: true },
  option_scid_alias: { bit: 46, context: 'INT' },
  option_payment_metadata: { bit: 48, context: '9' },
  option_zeroconf: { bit: 50, context: 'INT', needs: ['option_scid_alias'] },
  option_simple_close: { bit: 60, context: 'IN', needs: ['option_shutdown_anysegwit'] },
  option_splice: { bit: 62, context: 'IN' },
} as const satisfies Record<string, Feature>;
export type FeatureName = keyof typeof features;

const table: Readonly<Record<FeatureName, Feature>> = features;
const names = Object.keys(features).filter((name): name is FeatureName => name in features);

/** Of any bit; beyond the vector it is not set. */
export function hasBit(vector: Uint8Array, bit: number): boolean {
  const byte = vector[vector.length - 1 - Math.floor(bit / 8)] ?? 0;
  return ((byte >> (bit % 8)) & 1) === 1;
}

/** The bits that are set, rising. */
export function parseFeatures(vector: Uint8Array): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < vector.length * 8; bit++) if (hasBit(vector, bit)) bits.push(bit);
  return bits;
}

/** BOLT 1: "SHOULD use the minimum length required to represent the `features` field". */
export function encodeFeatures(bits: readonly number[]): Uint8Array {
  const vector = new Uint8Array(Math.ceil((bits.reduce((most, bit) => Math.max(most, bit), -1) + 1) / 8));
  for (const bit of bits) {
    const at = vector.length - 1 - Math.floor(bit / 8);
    vector[at] = (vector[at] ?? 0) | (1 << (bit % 8));
  }
  return vector;
}

/** Offered at all, as required or as optional. */
export const has = (vector: Uint8Array, name: FeatureName): boolean => hasBit(vector, table[name].bit) || isOptional(vector, name);
const isOptional = (vector: Uint8Array, name: FeatureName): boolean => hasBit(vector, table[name].bit + 1);

/** BOLT 9: "if both the optional and the mandatory feature bits in a pair are set, the feature should be treated as mandatory". */
export const isRequired = (vector: Uint8Array, name: FeatureName): boolean => hasBit(vector, table[name].bit);

/** BOLT 1: "A feature is *negotiated* if either both peers offered it, or the local node offered it as even". ASSUMED ones always are. */
export const negotiated = (local: Uint8Array, remote: Uint8Array, name: FeatureName): boolean =>
  table[name].assumed === true || isRequired(local, name) || (has(local, name) && has(remote, name));

/** Required bits (even) of `vector` that a node offering `local` does not serve. */
export function unknownRequired(vector: Uint8Array, local: Uint8Array = ourFeatures()): number[] {
  const served = new Set(names.filter((name) => has(local, name) || isHarmless(name)).map((name) => table[name].bit));
  return parseFeatures(vector).filter((bit) => bit % 2 === 0 && !served.has(bit));
}
/** BOLT 7: the query messages "are universally supported"; `gossip_queries` only says who is worth asking. */
const isHarmless = (name: FeatureName): boolean => table[name].assumed === true || name === 'gossip_queries';

export type MissingDependency = { readonly feature: FeatureName; readonly needs: string };

/** Features that are offered without one that they rest on. ASSUMED ones need no bit. */
export function missingDependencies(vector: Uint8Array): MissingDependency[] {
  const lacks = (needed: string) => names.some((name) => name === needed && !table[name].assumed && !has(vector, name));
  return names
    .filter((feature) => has(vector, feature))
    .flatMap((feature) => (table[feature].needs ?? []).filter(lacks).map((needs) => ({ feature, needs })));
}

export type FeatureError =
  | { readonly code: 'unknown-required'; readonly bits: readonly number[] }
  | { readonly code: 'missing-dependency'; readonly missing: readonly MissingDependency[] };

/** May a node that offers `local` keep a connection to one that offers `remote`? An error means: close it. */
export function compatible(local: Uint8Array, remote: Uint8Array): Result<undefined, FeatureError> {
  // BOLT 1: "upon receiving unknown _even_ feature bits that are non-zero: MUST close the connection."
  const bits = unknownRequired(remote, local);
  if (bits.length > 0) return err({ code: 'unknown-required', bits });
  // BOLT 1: "if the feature vector does not set all known, transitive dependencies: MUST close the connection."
  const missing = missingDependencies(remote);
  return missing.length > 0 ? err({ code: 'missing-dependency', missing }) : ok(undefined);
}

/** BOLT 1: "MUST combine (bitwise OR) the two feature bitmaps into one logical `features` map." */
export function initFeatures(init: { readonly globalfeatures: Uint8Array; readonly features: Uint8Array }): Uint8Array {
  const [short, long] =
    init.features.length < init.globalfeatures.length ? [init.features, init.globalfeatures] : [init.globalfeatures, init.features];
  const offset = long.length - short.length;
  return long.map((byte, i) => byte | (short[i - offset] ?? 0));
}

/**
 * What we put in `init`. BOLT 9: "MUST NOT set feature bits it does not support". Left out with a reason:
 * `gossip_queries` (we keep no gossip that is worth a question), `basic_mpp` (our invoices offer it, and nobody asks a peer),
 * `option_route_blinding`, `option_onion_messages`, `option_splice`, `option_dual_fund`,
 * `option_provide_storage` (not built), `option_support_large_channel` (no reason to keep 16.8 million sat in a browser).
 */
const ours: readonly (readonly [FeatureName, 'required' | 'optional'])[] = [
  // LND closes the connection without it. We send and read its fields in every `channel_reestablish`.
  ['option_data_loss_protect', 'required'],
  // `accept_channel` always carries the record, and the peer's script is kept.
  ['option_upfront_shutdown_script', 'optional'],
  // BOLT 9: "MUST support: `var_onion_optin`"; `payment_secret` rests on it in LND's table.
  ['var_onion_optin', 'optional'],
  // LDK closes the connection without it. There is no code for commitments with a tweaked `to_remote`.
  ['option_static_remotekey', 'required'],
  // Every node has it; nothing may reach us without one once HTLCs are taken.
  ['payment_secret', 'optional'],
  // The channel type that we prefer.
  ['option_anchors', 'optional'],
  // Checks of shutdown scripts know versions past 0.
  ['option_shutdown_anysegwit', 'optional'],
  // An `open_channel` without `channel_type` is refused.
  ['option_channel_type', 'required'],
  // An alias goes out with `channel_ready`.
  ['option_scid_alias', 'optional'],
  // Understood; taken only from peers for whom the user's policy allows it.
  ['option_zeroconf', 'optional'],
  // Silence is kept when it is asked for; we ask for none.
  ['option_quiesce', 'optional'],
  // Every answer to an HTLC carries it, of our own or passed on; what payments of ours get back is read.
  ['option_attribution_data', 'optional'],
  // Each side closes with its own fee, and may raise it.
  ['option_simple_close', 'optional'],
];

export const ourFeatures = (): Uint8Array =>
  encodeFeatures(ours.map(([name, level]) => (level === 'required' ? table[name].bit : table[name].bit + 1)));
