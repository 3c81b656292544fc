/**
 * A scripted funder for tests: the other end of a connection, with real keys and real signatures. It speaks and hears messages
 * (`BOLT 2 § Channel Establishment v1` from the opener's side) and checks what the accepting side signs.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { encodeChannelType } from '../channel/channel-type.ts';
import { channelIdFrom } from '../channel/commitments.ts';
import type { AcceptChannel, ChannelReady, ChannelReestablish, FundingCreated, OpenChannel } from '../channel/message.ts';
import { pointFromSecret, verify } from '../keys/secp.ts';
import { walletKeyFromSeed } from '../keys/seed.ts';
import { openSignerFrom } from '../signer/memory.ts';
import { type ChannelSigner, freshGuard, type OpenSigner } from '../signer/signer.ts';
import { openWalletSigner } from '../signer/wallet.ts';
import { type Basepoints, buildCommitment, type ChannelKind, type CommitmentTemplate, type Outpoint } from '../tx/commitment.ts';

export const hash = (text: string): Uint8Array => sha256(utf8ToBytes(text));
export const regtestChain = hash('the chain of these tests');
/** A signer remembers the points it was asked for: each is computed once for all tests of a file. */
export function remembering(open: OpenSigner): OpenSigner {
  const signers = new Map<string, ChannelSigner>();
  return (path) => {
    const signer = signers.get(path.join()) ?? open(path);
    signers.set(path.join(), signer);
    return signer;
  };
}

/** Our node's own signer, from a fixed seed. */
const ourKey = walletKeyFromSeed(hash('our seed'), 1);
export const ourOpenSigner = remembering(openSignerFrom(ourKey));
export const ourWallet = openWalletSigner(ourKey);
const openOpener = remembering(openSignerFrom(walletKeyFromSeed(hash('opener seed'), 1)));
export const peerId = pointFromSecret(hash('the peer'));

export type Opener = {
  readonly signer: ChannelSigner;
  readonly open: OpenChannel;
  readonly outpoint: Outpoint;
  readonly channelId: Uint8Array;
  /** Signs the accepting side's first commitment. */
  fundingCreated(accept: AcceptChannel): FundingCreated;
  /** Does the signature in `funding_signed` spend the funding output into the opener's first commitment? */
  checksFundingSigned(accept: AcceptChannel, signature: Uint8Array): boolean;
  channelReady(alias?: bigint): ChannelReady;
  reestablish(change?: Partial<ChannelReestablish>): ChannelReestablish;
};

export type OpenerOptions = {
  readonly kind?: ChannelKind;
  readonly scidAlias?: boolean;
  readonly zeroConf?: boolean;
  readonly open?: Partial<OpenChannel>;
  /** Names the opener's keys, its temporary id and its funding transaction. */
  readonly name?: string;
};

export function makeOpener(options: OpenerOptions = {}): Opener {
  const { kind = 'anchors_zero_fee_htlc_tx', scidAlias = false, zeroConf = false, name = 'one' } = options;
  const [a = 0, b = 0] = hash(name);
  const signer = openOpener([a, b]);
  const { basepoints } = signer;
  const open: OpenChannel = {
    name: 'open_channel',
    chainHash: regtestChain,
    temporaryChannelId: hash(`temporary ${name}`),
    fundingSatoshis: 200_000n,
    pushMsat: 0n,
    dustLimitSatoshis: 354n,
    maxHtlcValueInFlightMsat: 200_000_000n,
    channelReserveSatoshis: 2_000n,
    htlcMinimumMsat: 1n,
    feeratePerKw: 2_500,
    toSelfDelay: 144,
    maxAcceptedHtlcs: 50,
    ...pointsOf(basepoints),
    firstPerCommitmentPoint: signer.perCommitmentPoint(0n),
    channelFlags: 0,
    upfrontShutdownScript: new Uint8Array(0),
    channelType: encodeChannelType({ kind, scidAlias, zeroConf }),
    ...options.open,
  };
  const outpoint = { txid: hash(`funding ${name}`), vout: 1 };
  const channelId = channelIdFrom(outpoint);

  const templates = (accept: AcceptChannel): { readonly theirs: CommitmentTemplate; readonly mine: CommitmentTemplate } => {
    const shared = {
      kind,
      number: 0n,
      fundingOutpoint: outpoint,
      fundingAmountSat: open.fundingSatoshis,
      htlcs: [],
      feeratePerKw: open.feeratePerKw,
    };
    const openerMsat = open.fundingSatoshis * 1000n - open.pushMsat;
    const mine = pointsOf(open);
    const theirs = pointsOf(accept);
    return {
      theirs: {
        ...shared,
        holderIsOpener: false,
        toHolderMsat: open.pushMsat,
        toCounterpartyMsat: openerMsat,
        dustLimitSat: accept.dustLimitSatoshis,
        toSelfDelay: open.toSelfDelay,
        holder: theirs,
        counterparty: mine,
        perCommitmentPoint: accept.firstPerCommitmentPoint,
      },
      mine: {
        ...shared,
        holderIsOpener: true,
        toHolderMsat: openerMsat,
        toCounterpartyMsat: open.pushMsat,
        dustLimitSat: open.dustLimitSatoshis,
        toSelfDelay: accept.toSelfDelay,
        holder: mine,
        counterparty: theirs,
        perCommitmentPoint: open.firstPerCommitmentPoint,
      },
    };
  };

  return {
    signer,
    open,
    outpoint,
    channelId,
    fundingCreated(accept) {
      const signed = signer.signRemoteCommitment(templates(accept).theirs, [], freshGuard);
      if (!signed.ok) throw new Error(`opener: ${signed.error.code} ${signed.error.detail}`);
      return {
        name: 'funding_created',
        temporaryChannelId: open.temporaryChannelId,
        fundingTxid: outpoint.txid,
        fundingOutputIndex: outpoint.vout,
        signature: signed.value.signature,
      };
    },
    checksFundingSigned(accept, signature) {
      const built = buildCommitment(templates(accept).mine);
      return built.ok && verify(signature, built.value.sighash, accept.fundingPubkey);
    },
    channelReady(alias) {
      const ready = { name: 'channel_ready', channelId, secondPerCommitmentPoint: signer.perCommitmentPoint(1n) } as const;
      return alias === undefined ? ready : { ...ready, shortChannelId: alias };
    },
    reestablish: (change = {}) => ({
      name: 'channel_reestablish',
      channelId,
      nextCommitmentNumber: 1n,
      nextRevocationNumber: 0n,
      yourLastPerCommitmentSecret: new Uint8Array(32),
      myCurrentPerCommitmentPoint: signer.perCommitmentPoint(0n),
      ...change,
    }),
  };
}

const pointsOf = (from: Basepoints): Basepoints => ({
  fundingPubkey: from.fundingPubkey,
  revocationBasepoint: from.revocationBasepoint,
  paymentBasepoint: from.paymentBasepoint,
  delayedPaymentBasepoint: from.delayedPaymentBasepoint,
  htlcBasepoint: from.htlcBasepoint,
});
