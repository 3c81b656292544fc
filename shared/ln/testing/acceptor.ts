/**
 * A scripted fundee for tests: it answers the `open_channel` of our node with real keys and real signatures, and builds both commitments
 * from the messages alone. Below it: the shortest ways to each state of an opening of ours.
 */
import { toHex } from '../../lib/bytes.ts';
import { parseChannelType } from '../channel/channel-type.ts';
import { channelIdFrom } from '../channel/commitments.ts';
import type { AcceptChannel, ChannelReady, FundingCreated, FundingSigned, OpenChannel } from '../channel/message.ts';
import type { OpenRequest } from '../channel/offer.ts';
import { verify } from '../keys/secp.ts';
import { walletKeyFromSeed } from '../keys/seed.ts';
import { openSignerFrom } from '../signer/memory.ts';
import { type ChannelSigner, freshGuard } from '../signer/signer.ts';
import { type Basepoints, buildCommitment, type CommitmentTemplate, type Outpoint } from '../tx/commitment.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import { serializeTransaction, type Transaction, txidOf } from '../tx/transaction.ts';
import { TestNode } from './node.ts';
import { hash, remembering } from './opener.ts';

const openAcceptor = remembering(openSignerFrom(walletKeyFromSeed(hash('acceptor seed'), 1)));

export type Acceptor = {
  readonly signer: ChannelSigner;
  readonly accept: AcceptChannel;
  /** What the funding output must be. */
  readonly scriptPubKey: Uint8Array;
  /** Does the signature in `funding_created` spend the funding output into the acceptor's first commitment? */
  checksFundingCreated(created: FundingCreated): boolean;
  /** Signs the opener's first commitment. */
  fundingSigned(created: FundingCreated): FundingSigned;
  channelReady(created: FundingCreated): ChannelReady;
};

/** `change`: what it says otherwise in `accept_channel`. */
export function makeAcceptor(open: OpenChannel, change: Partial<AcceptChannel> = {}): Acceptor {
  const signer = openAcceptor([1, 2]);
  const type = open.channelType && parseChannelType(open.channelType);
  if (!type) throw new Error('acceptor: open_channel without a channel type');
  const accept: AcceptChannel = {
    name: 'accept_channel',
    temporaryChannelId: open.temporaryChannelId,
    dustLimitSatoshis: 354n,
    maxHtlcValueInFlightMsat: open.fundingSatoshis * 1000n,
    channelReserveSatoshis: open.fundingSatoshis / 100n,
    htlcMinimumMsat: 1n,
    minimumDepth: 3,
    toSelfDelay: 144,
    maxAcceptedHtlcs: 50,
    ...pointsOf(signer.basepoints),
    firstPerCommitmentPoint: signer.perCommitmentPoint(0n),
    upfrontShutdownScript: new Uint8Array(0),
    ...(open.channelType ? { channelType: open.channelType } : {}),
    ...change,
  };

  /** The opener's commitment, or ours. */
  const template = (fundingOutpoint: Outpoint, ofOpener: boolean): CommitmentTemplate => {
    const openerMsat = open.fundingSatoshis * 1000n - open.pushMsat;
    const [mine, other] = ofOpener ? [open, accept] : [accept, open];
    return {
      kind: type.kind,
      number: 0n,
      fundingOutpoint,
      fundingAmountSat: open.fundingSatoshis,
      htlcs: [],
      feeratePerKw: open.feeratePerKw,
      holderIsOpener: ofOpener,
      toHolderMsat: ofOpener ? openerMsat : open.pushMsat,
      toCounterpartyMsat: ofOpener ? open.pushMsat : openerMsat,
      dustLimitSat: mine.dustLimitSatoshis,
      toSelfDelay: other.toSelfDelay,
      holder: pointsOf(mine),
      counterparty: pointsOf(other),
      perCommitmentPoint: mine.firstPerCommitmentPoint,
    };
  };

  return {
    signer,
    accept,
    scriptPubKey: fundingScriptPubKey(open.fundingPubkey, accept.fundingPubkey),
    checksFundingCreated(created) {
      const built = buildCommitment(template(outpointOf(created), false));
      return built.ok && verify(created.signature, built.value.sighash, open.fundingPubkey);
    },
    fundingSigned(created) {
      const signed = signer.signRemoteCommitment(template(outpointOf(created), true), [], freshGuard);
      if (!signed.ok) throw new Error(`acceptor: ${signed.error.code} ${signed.error.detail}`);
      return { name: 'funding_signed', channelId: channelIdFrom(outpointOf(created)), signature: signed.value.signature };
    },
    channelReady: (created) => ({
      name: 'channel_ready',
      channelId: channelIdFrom(outpointOf(created)),
      secondPerCommitmentPoint: signer.perCommitmentPoint(1n),
    }),
  };
}

const outpointOf = (created: FundingCreated): Outpoint => ({ txid: created.fundingTxid, vout: created.fundingOutputIndex });

const pointsOf = (from: Basepoints): Basepoints => ({
  fundingPubkey: from.fundingPubkey,
  revocationBasepoint: from.revocationBasepoint,
  paymentBasepoint: from.paymentBasepoint,
  delayedPaymentBasepoint: from.delayedPaymentBasepoint,
  htlcBasepoint: from.htlcBasepoint,
});

/** A funding transaction as a wallet hands it over: one signed input, change first. */
export function fundingTransaction(scriptPubKey: Uint8Array, amountSat: bigint, change: Partial<Transaction> = {}) {
  const transaction: Transaction = {
    version: 2,
    lockTime: 0,
    inputs: [{ outpoint: { txid: hash('a coin'), vout: 3 }, sequence: 0xffff_fffd, witness: [new Uint8Array(71), new Uint8Array(33)] }],
    outputs: [
      { amountSat: 77_777n, scriptPubKey: Uint8Array.from([0, 20, ...new Uint8Array(20)]) },
      { amountSat, scriptPubKey },
    ],
    ...change,
  };
  return { bytes: serializeTransaction(transaction), outpoint: { txid: txidOf(transaction), vout: 1 } };
}

export const request: OpenRequest = { fundingAmountSat: 200_000n, pushMsat: 0n, feeratePerKw: 2_500, isPublic: false };

type Asked = { readonly ask?: Partial<OpenRequest>; readonly accept?: Partial<AcceptChannel> };
export type Offered = { readonly node: TestNode; readonly open: OpenChannel; readonly acceptor: Acceptor };
export type Created = Offered & {
  readonly created: FundingCreated;
  readonly funding: { readonly bytes: Uint8Array; readonly outpoint: Outpoint };
};

/** Each way is walked once: states are values. */
function remembered<S extends { readonly node: TestNode }>(walk: (asked: Asked) => S): (asked?: Asked) => S {
  const scenes = new Map<string, S>();
  return (asked = {}) => {
    const key = JSON.stringify(asked, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value instanceof Uint8Array ? toHex(value) : value,
    );
    const scene = scenes.get(key) ?? walk(asked);
    scenes.set(key, scene);
    return { ...scene, node: scene.node.copy() };
  };
}

/** Our `open_channel` is out. */
export const reachOffered = remembered((asked): Offered => {
  const node = new TestNode();
  node.connect();
  const open = node.step({ tag: 'open', request: 'one', open: { ...request, ...asked.ask } }).message('open_channel');
  return { node, open, acceptor: makeAcceptor(open, asked.accept) };
});

/** The money is asked for. */
export const reachFunding = remembered((asked): Offered => {
  const scene = reachOffered(asked);
  scene.node.hear(scene.acceptor.accept);
  return scene;
});

/** Our `funding_created` is out. */
export const reachCreated = remembered((asked): Created => {
  const scene = reachFunding(asked);
  const { node, open, acceptor } = scene;
  const funding = fundingTransaction(acceptor.scriptPubKey, open.fundingSatoshis);
  const heard = node.step({
    tag: 'channel',
    channelId: open.temporaryChannelId,
    command: { tag: 'funded', transaction: funding.bytes, vout: funding.outpoint.vout },
  });
  return { ...scene, created: heard.message('funding_created'), funding };
});
