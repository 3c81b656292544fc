/**
 * How what a commitment leaves on chain is spent: witnesses, their weights, and the transaction around them. BOLT 3 § Commitment
 * Transaction Outputs, BOLT 5. Signatures are compact and SIGHASH_ALL.
 *
 * Callers choose fees and destinations, sign (`claimSighash`), and keep apart what must not wait for each other.
 */
import { p2wpkhScriptCode } from './scripts.ts';
import { derSignature, type Outpoint, sighashAll, type Transaction, type TxOutput } from './transaction.ts';
import { signatureBytes, transactionWeight, witnessWeight } from './weight.ts';

/** May be replaced (BIP 125) and lets the locktime count; no relative lock. */
export const rbfSequence = 0xffff_fffd;
/** With anchors, what is not delayed longer waits one block. The delayed outputs take `to_self_delay` as their sequence. */
export const anchorsCsvSequence = 1;

/** An input, and all that its fee depends on. */
export type ClaimInput = {
  readonly outpoint: Outpoint;
  readonly amountSat: bigint;
  readonly sequence: number;
  /** Absent for P2WPKH. */
  readonly witnessScript?: Uint8Array;
  /** Of the finished witness, at most: see `claimWitnessWeight`. */
  readonly weight: number;
};

/** Unsigned, inputs and outputs in the order given. `lockTime`: the `cltv_expiry` of an HTLC that timed out, or the height. */
export const buildClaim = (claim: {
  readonly inputs: readonly Pick<ClaimInput, 'outpoint' | 'sequence'>[];
  readonly outputs: readonly TxOutput[];
  readonly lockTime: number;
}): Transaction => ({
  version: 2,
  lockTime: claim.lockTime,
  inputs: claim.inputs.map(({ outpoint, sequence }) => ({ outpoint, sequence, witness: [] })),
  outputs: claim.outputs,
});

/** Of the signed transaction, at most. */
export const claimWeight = (inputs: readonly Pick<ClaimInput, 'weight'>[], outputScripts: readonly Uint8Array[]): number =>
  transactionWeight(
    inputs.map(({ weight }) => weight),
    outputScripts,
  );

/** What is signed for input `index`: a P2WPKH input is described by the key that it pays. */
export const claimSighash = (transaction: Transaction, index: number, spent: { readonly amountSat: bigint } & Claimed): Uint8Array =>
  sighashAll(transaction, index, 'pubkey' in spent ? p2wpkhScriptCode(spent.pubkey) : spent.witnessScript, spent.amountSat);
type Claimed = { readonly witnessScript: Uint8Array } | { readonly pubkey: Uint8Array };

const nothing = new Uint8Array(0);
const one = Uint8Array.of(1);

type Witness = readonly Uint8Array[];

/** The holder's `to_local`, or the output of its second-stage transaction, after `to_self_delay`. BOLT 3: "<local_delayedsig> <>" */
export const toLocalDelayedWitness = (signature: Uint8Array, script: Uint8Array): Witness => [derSignature(signature), nothing, script];

/** The same outputs, revoked. BOLT 3: "<revocation_sig> 1" */
export const toLocalPenaltyWitness = (signature: Uint8Array, script: Uint8Array): Witness => [derSignature(signature), one, script];

/** The counterparty's `to_remote` with anchors. BOLT 3: "<remote_sig>" */
export const toRemoteAnchorsWitness = (signature: Uint8Array, script: Uint8Array): Witness => [derSignature(signature), script];

/** The counterparty's `to_remote` without anchors, and coins of a wallet. */
export const p2wpkhWitness = (signature: Uint8Array, pubkey: Uint8Array): Witness => [derSignature(signature), pubkey];

/** BOLT 3: "<local_sig/remote_sig>" */
export const anchorWitness = (signature: Uint8Array, script: Uint8Array): Witness => [derSignature(signature), script];

/** We take what the peer offered to us, from the peer's commitment. BOLT 3: "<remotehtlcsig> <payment_preimage>" */
export const htlcOfferedPreimageWitness = (signature: Uint8Array, preimage: Uint8Array, script: Uint8Array): Witness => [
  derSignature(signature),
  preimage,
  script,
];

/** We take back what we offered, from the peer's commitment, at `cltv_expiry`. BOLT 3: "<remotehtlcsig> <>" */
export const htlcReceivedTimeoutWitness = (signature: Uint8Array, script: Uint8Array): Witness => [
  derSignature(signature),
  nothing,
  script,
];

/** An HTLC output of a revoked commitment, offered or received. BOLT 3: "<revocation_sig> <revocationpubkey>" */
export const htlcPenaltyWitness = (signature: Uint8Array, revocationPubkey: Uint8Array, script: Uint8Array): Witness => [
  derSignature(signature),
  revocationPubkey,
  script,
];

/** Of each witness above, and of those of the two HTLC transactions, at most. `scriptBytes`: of the witness script. */
export const claimWitnessWeight = {
  toLocalDelayed: (scriptBytes: number): number => witnessWeight([signatureBytes, 0, scriptBytes]),
  toLocalPenalty: (scriptBytes: number): number => witnessWeight([signatureBytes, 1, scriptBytes]),
  toRemoteAnchors: (scriptBytes: number): number => witnessWeight([signatureBytes, scriptBytes]),
  p2wpkh: (): number => witnessWeight([signatureBytes, 33]),
  anchor: (scriptBytes: number): number => witnessWeight([signatureBytes, scriptBytes]),
  htlcOfferedPreimage: (scriptBytes: number): number => witnessWeight([signatureBytes, 32, scriptBytes]),
  htlcReceivedTimeout: (scriptBytes: number): number => witnessWeight([signatureBytes, 0, scriptBytes]),
  htlcPenalty: (scriptBytes: number): number => witnessWeight([signatureBytes, 33, scriptBytes]),
  htlcSuccessTx: (scriptBytes: number): number => witnessWeight([0, signatureBytes, signatureBytes, 32, scriptBytes]),
  htlcTimeoutTx: (scriptBytes: number): number => witnessWeight([0, signatureBytes, signatureBytes, 0, scriptBytes]),
} as const;
