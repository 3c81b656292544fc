/**
 * A channel between two enforcing signers, danced to a given state, and a player for each side that runs the on-chain machine over a
 * chain. Any moment of the past is at hand: a cheat is a player with old facts, a victim of data loss too. For tests.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { emptySecretStore, insertSecret, type SecretStore } from '../keys/shachain.ts';
import type { ArchivedHtlc, ChannelFacts, HtlcFact } from '../onchain/types.ts';
import { openSignerFrom } from '../signer/memory.ts';
import { type ChannelSigner, freshGuard, type SignerGuard, type WalletSigner } from '../signer/signer.ts';
import { openWalletSigner } from '../signer/wallet.ts';
import type { ChannelKind, CommitmentTemplate } from '../tx/commitment.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';

const digest = (text: string): Uint8Array => sha256(utf8ToBytes(text));

/** `moments`: in which commitment numbers it stands. Offered by us if `offered`. */
export type WorldHtlc = {
  readonly offered: boolean;
  readonly amountSat: bigint;
  readonly cltvExpiry: number;
  readonly moments: readonly number[];
  /** HTLCs of the same name have the same payment hash. */
  readonly hash?: string;
};

/** One of each: the peer knows the preimage of the first, we that of the fourth; nobody those of the second and the fifth; two are dust. */
export const sixHtlcs: readonly WorldHtlc[] = [
  { offered: true, amountSat: 20_000n, cltvExpiry: 140, moments: [2, 3] },
  { offered: true, amountSat: 30_000n, cltvExpiry: 150, moments: [1, 2, 3] },
  { offered: true, amountSat: 300n, cltvExpiry: 150, moments: [1, 2] },
  { offered: false, amountSat: 40_000n, cltvExpiry: 160, moments: [1, 2, 3] },
  { offered: false, amountSat: 50_000n, cltvExpiry: 130, moments: [2, 3] },
  { offered: false, amountSat: 200n, cltvExpiry: 130, moments: [1, 2] },
];

export type WorldOptions = {
  /** Of all its keys. */
  readonly name?: string;
  /** For a chain that has its own: it must pay `fundingScript` of `closingKeys`. */
  readonly fundingOutpoint?: Outpoint;
  readonly kind?: ChannelKind;
  readonly weOpened?: boolean;
  readonly fundingSat?: bigint;
  /** Ours of it before HTLCs. */
  readonly ourSat?: bigint;
  readonly feeratePerKw?: number;
  readonly dustLimitSat?: bigint;
  readonly ourDelay?: number;
  readonly theirDelay?: number;
  readonly htlcs?: readonly WorldHtlc[];
  /** The newest commitment number that both sides hold. */
  readonly newest?: number;
  /** We signed one more for the peer, and it did not revoke. */
  readonly next?: boolean;
};

export type Side = 'us' | 'them';
export type Named = HtlcFact & { readonly preimage: Uint8Array; readonly moments: readonly number[] };

export type ClosingWorld = {
  readonly options: Required<Omit<WorldOptions, 'htlcs' | 'name' | 'fundingOutpoint'>>;
  /** As we see them. */
  readonly htlcs: readonly Named[];
  preimage(at: number): Uint8Array;
  readonly fundingOutpoint: Outpoint;
  readonly fundingScript: Uint8Array;
  /** What a side knew when `moment` was its newest commitment. */
  facts(side: Side, moment?: number): ChannelFacts;
  archive(side: Side, moment: number): readonly ArchivedHtlc[];
  readonly signers: { readonly [side in Side]: ChannelSigner };
  readonly wallets: { readonly [side in Side]: WalletSigner };
};

type Guards = { readonly [side in Side]: SignerGuard };
const otherOf = (side: Side): Side => (side === 'us' ? 'them' : 'us');
const mirrored = <T extends { readonly offered: boolean }>(side: Side, htlc: T): T =>
  side === 'us' ? htlc : { ...htlc, offered: !htlc.offered };

function must<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { readonly code: string } }): T {
  if (!result.ok) throw new Error(`closing world: ${JSON.stringify(result.error)}`);
  return result.value;
}

export function closingKeys(name: string): Pick<ClosingWorld, 'signers' | 'wallets' | 'fundingScript'> {
  const walletKeys = { us: keyFrom(`${name} us`), them: keyFrom(`${name} them`) };
  const signers = { us: openSignerFrom(walletKeys.us)([1, 2]), them: openSignerFrom(walletKeys.them)([1, 2]) };
  const fundingScript = fundingScriptPubKey(signers.us.basepoints.fundingPubkey, signers.them.basepoints.fundingPubkey);
  return { signers, fundingScript, wallets: { us: openWalletSigner(walletKeys.us), them: openWalletSigner(walletKeys.them) } };
}

export function makeClosingWorld(given: WorldOptions = {}): ClosingWorld {
  const options = {
    kind: 'anchors_zero_fee_htlc_tx' as ChannelKind,
    weOpened: true,
    fundingSat: 1_000_000n,
    ourSat: 600_000n,
    feeratePerKw: 1000,
    dustLimitSat: 354n,
    ourDelay: 20,
    theirDelay: 30,
    newest: 2,
    next: false,
    ...given,
  };
  const { name = 'world' } = given;
  const { signers, wallets, fundingScript } = closingKeys(name);
  const fundingOutpoint = given.fundingOutpoint ?? { txid: digest(`${name} funding`), vout: 1 };
  // Ids count up in the order of the adds.
  const first = ({ moments }: WorldHtlc): number => Math.min(...moments);
  const idOf = (one: WorldHtlc, at: number): bigint =>
    BigInt(
      (given.htlcs ?? []).filter(
        (other, index) => other.offered === one.offered && (first(other) < first(one) || (first(other) === first(one) && index < at)),
      ).length,
    );
  const htlcs = (given.htlcs ?? []).map((one, at): Named => {
    const preimage = digest(`preimage ${one.hash ?? at}`);
    return {
      offered: one.offered,
      id: idOf(one, at),
      amountMsat: one.amountSat * 1000n,
      paymentHash: sha256(preimage),
      cltvExpiry: one.cltvExpiry,
      preimage,
      moments: one.moments,
    };
  });
  const at = (side: Side, moment: number): readonly HtlcFact[] =>
    htlcs
      .filter(({ moments }) => moments.includes(moment))
      .map(({ offered, id, amountMsat, paymentHash, cltvExpiry }) => mirrored(side, { offered, id, amountMsat, paymentHash, cltvExpiry }));

  const templates = new Map<string, CommitmentTemplate>();
  function template(holder: Side, moment: number): CommitmentTemplate {
    const known = templates.get(`${holder} ${moment}`);
    if (known) return known;
    const inFlight = at(holder, moment);
    const sum = (offered: boolean): bigint =>
      inFlight.filter((htlc) => htlc.offered === offered).reduce((total, { amountMsat }) => total + amountMsat, 0n);
    const holderSat = holder === 'us' ? options.ourSat : options.fundingSat - options.ourSat;
    const made: CommitmentTemplate = {
      kind: options.kind,
      number: BigInt(moment),
      fundingOutpoint,
      fundingAmountSat: options.fundingSat,
      holderIsOpener: options.weOpened === (holder === 'us'),
      toHolderMsat: holderSat * 1000n - sum(true),
      toCounterpartyMsat: (options.fundingSat - holderSat) * 1000n - sum(false),
      htlcs: inFlight,
      feeratePerKw: options.feeratePerKw,
      dustLimitSat: options.dustLimitSat,
      toSelfDelay: holder === 'us' ? options.ourDelay : options.theirDelay,
      holder: signers[holder].basepoints,
      counterparty: signers[otherOf(holder)].basepoints,
      perCommitmentPoint: signers[holder].perCommitmentPoint(BigInt(moment)),
    };
    templates.set(`${holder} ${moment}`, made);
    return made;
  }

  type Held = {
    readonly guards: Guards;
    readonly local: { readonly [side in Side]: ChannelFacts['local'] };
    readonly secrets: { readonly [side in Side]: SecretStore };
  };
  const held: Held[] = [];
  let guards: Guards = { us: freshGuard, them: freshGuard };
  let secrets: Held['secrets'] = { us: emptySecretStore, them: emptySecretStore };
  /** `signer` signs the other side's commitment of this moment. */
  const signFor = (signer: Side, moment: number) => {
    const signed = must(signers[signer].signRemoteCommitment(template(otherOf(signer), moment), [], guards[signer]));
    guards = { ...guards, [signer]: signed.guard };
    return { template: template(otherOf(signer), moment), remoteSignature: signed.signature, htlcSignatures: signed.htlcSignatures };
  };
  for (let moment = 0; moment <= options.newest; moment++) {
    const local = { them: signFor('us', moment), us: signFor('them', moment) };
    for (const side of ['us', 'them'] as const) {
      const { template: own, remoteSignature, htlcSignatures } = local[side];
      guards = { ...guards, [side]: must(signers[side].acceptLocalCommitment(own, remoteSignature, htlcSignatures, guards[side])).guard };
    }
    const number = BigInt(moment) - 1n;
    for (const side of ['us', 'them'] as const) {
      if (number < 0n) continue;
      const other = otherOf(side);
      const released = must(signers[side].releaseSecret(number, guards[side]));
      const point = signers[side].perCommitmentPoint(number);
      const accepted = must(signers[other].acceptRevocation(number, released.secret, point, guards[other]));
      guards = { ...guards, [side]: released.guard, [other]: accepted.guard };
      secrets = { ...secrets, [other]: must(insertSecret(secrets[other], number, released.secret)) };
    }
    held.push({ guards, local, secrets });
  }
  if (options.next) {
    const local = { ...held[options.newest]?.local, them: signFor('us', options.newest + 1) };
    const before = held[options.newest];
    if (before === undefined) throw new Error('closing world: no commitment');
    const { template: own, remoteSignature, htlcSignatures } = local.them;
    const accepted = must(signers.them.acceptLocalCommitment(own, remoteSignature, htlcSignatures, guards.them));
    held.push({ ...before, guards: { us: guards.us, them: accepted.guard }, local: { ...before.local, them: local.them } });
  }

  return {
    options,
    htlcs,
    preimage(index) {
      const htlc = htlcs[index];
      if (htlc === undefined) throw new Error(`closing world: no HTLC ${index}`);
      return htlc.preimage;
    },
    fundingOutpoint,
    fundingScript,
    signers,
    wallets,
    archive: at,
    facts(side, moment = options.newest) {
      const next = options.next && moment === options.newest && side === 'us';
      const past = held[next || moment > options.newest ? options.newest + 1 : moment];
      if (past === undefined) throw new Error(`closing world: no moment ${moment}`);
      const other = otherOf(side);
      const own = past.local[side];
      const involved = [moment, ...(next ? [moment + 1] : [])];
      const known = new Map(involved.flatMap((one) => at(side, one)).map((htlc) => [`${htlc.offered} ${htlc.id}`, htlc]));
      return {
        channelId: fundingOutpoint.txid,
        fundingOutpoint,
        fundingAmountSat: options.fundingSat,
        local: own,
        remote: template(other, Math.min(moment, options.newest)),
        ...(next && { remoteNext: template(other, options.newest + 1) }),
        remoteSecrets: past.secrets[side],
        guard: past.guards[side],
        dataLost: false,
        htlcs: [...known.values()],
      };
    },
  };
}

/** A wallet key (64 bytes). */
const keyFrom = (name: string): Uint8Array => Uint8Array.from([...digest(`${name} key`), ...digest(`${name} chain code`)]);
