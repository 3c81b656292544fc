/**
 * Where header checking starts and by which rules, per network.
 *
 * Each start is the whole header of the first block of a difficulty period, so the next retarget can be computed exactly; its
 * height, work and hash are those of bitcoinj's checkpoint file, and the hash before it is the one in Electrum's list.
 * Test networks: the block signatures of signet (BIP 325) are not verified, so there a relay can invent a chain at the price of
 * its low work.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex } from '../../lib/bytes.ts';

/** All that must be known of a block to judge its child. */
export type ChainTip = {
  readonly height: number;
  readonly hash: Uint8Array;
  /** Of the whole chain up to this block. */
  readonly work: bigint;
  readonly time: number;
  readonly bits: number;
  /** `bits` of the last block in this period that did not use the 20-minute rule of the test networks. */
  readonly realBits: number;
  /** Time of the first block of this difficulty period. */
  readonly periodFirstTime: number;
  /** Times of the last 11 blocks, this one last; fewer right after a start. */
  readonly times: readonly number[];
};

export type Network = 'mainnet' | 'testnet' | 'signet' | 'regtest';
export type ChainRules = {
  /** Largest target allowed, in compact form. */
  readonly limitBits: number;
  /** testnet3 and regtest: a block 20 minutes after its parent may have the largest target. */
  readonly minDifficultyAfterGap: boolean;
  readonly retargets: boolean;
  readonly start: ChainTip;
};

function start(height: number, work: bigint, header: string): ChainTip {
  const bytes = fromHex(header);
  const view = new DataView(bytes.buffer);
  const time = view.getUint32(68, true);
  const bits = view.getUint32(72, true);
  return { height, hash: sha256(sha256(bytes)), work, time, bits, realBits: bits, periodFirstTime: time, times: [time] };
}

export const networks: { readonly [N in Network]: ChainRules } = {
  /** 00000000000000000002819359a9af460f342404bec23e7478512a619584083b, 12 January 2025. */
  mainnet: {
    limitBits: 0x1d00ffff,
    minDifficultyAfterGap: false,
    retargets: true,
    start: start(
      878_976,
      0xa6e78db05939f5b7a956f47bn,
      '0080cb2a84fa5fcdb3c448a0dc7f38c6a7e55f1261fcec2f0b6d00000000000000000000a2282f81592e007e389fa35ed4a9f5559c2ebf12fa76b54f0316668dcba6d961af1f8467618c02178c74d981',
    ),
  },
  /** testnet3; 00000000000000000b030eae079897a2f81ec5da0b623bad6808bd64537cc103. */
  testnet: {
    limitBits: 0x1d00ffff,
    minDifficultyAfterGap: true,
    retargets: true,
    start: start(
      3_612_672,
      0x14ce853925a9e33901fan,
      '00404b2878f7adc4720f60656d31fd5111fa1b526026bf1084d496c90300000000000000552135cb71df767cb6425e703e8223dce06e4f8b60fece9aef7ad54e5e2361fa37ba7d679a0a011953099de5',
    ),
  },
  /** 000000bac742cfc8d76fda4ad387b7aafa577b17d3684c61d8a089dcd08fa374. */
  signet: {
    limitBits: 0x1e0377ae,
    minDifficultyAfterGap: false,
    retargets: true,
    start: start(
      229_824,
      0x29c18351044n,
      '000000204e1723c21130b4b77d390200eda865cb048c5586a701ac1e2e4d14fddf000000eb17b9fe7e04f19d26ed5860829edafcd8a217d22b18fdc74bff36da9ae76d1105477d67ad46011ec2283200',
    ),
  },
  /** The genesis block. */
  regtest: {
    limitBits: 0x207fffff,
    minDifficultyAfterGap: true,
    retargets: false,
    start: start(
      0,
      2n,
      '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000',
    ),
  },
};
