/**
 * What stands behind the port of `secp.ts`: the operations that take long. All implementations answer with the same bytes. The port
 * has seen to the form of what they are given: digests, secrets, tweaks and multipliers are 32 bytes and below n, secrets not 0;
 * the scalar of `multiply` not 0 either; points are 33 bytes and signatures 64, of any content. The functions of the port say what each has to answer.
 */
export type Curve = {
  readonly sign: (digest: Uint8Array, secret: Uint8Array) => Uint8Array;
  readonly verify: (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array) => boolean;
  /** `recovery` is 0, 1, 2 or 3. */
  readonly recover: (signature: Uint8Array, recovery: number, digest: Uint8Array) => Uint8Array | undefined;
  readonly pointFromSecret: (secret: Uint8Array) => Uint8Array;
  readonly isPoint: (bytes: Uint8Array) => boolean;
  readonly addTweak: (point: Uint8Array, tweak: Uint8Array) => Uint8Array | undefined;
  readonly multiply: (point: Uint8Array, scalar: Uint8Array) => Uint8Array | undefined;
  readonly combine: (a: Uint8Array, m: Uint8Array, b: Uint8Array, n: Uint8Array) => Uint8Array | undefined;
};
