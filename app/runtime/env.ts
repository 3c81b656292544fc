/** The plain input of a step: what the user allows this peer, what the verified chain says, and the signer. */
import type { OpenPolicy, PeerEnv } from '../../shared/ln/peer/env.ts';
import type { PeerRecord } from '../store/schema.ts';
import { setting } from '../store/store.ts';
import type { PolicyView } from './api.ts';
import { feerateFor } from './fees.ts';
import type { NodeKeys } from './keys.ts';
import { networkOf } from './network.ts';
import type { Ports } from './ports.ts';

export const defaultPolicy: PolicyView = {
  onOpen: 'ask',
  minFundingSat: '20000',
  maxFundingSat: '16777215',
  minDepth: 3,
  allowPublic: false,
  promptMinutes: 5,
};

const MAX_PENDING_CHANNELS = 4;
/** sat per 1000 weight. 253 is the floor below which nothing relays; the top is far above any fee seen on the network. */
const FEERATE = { min: 253, max: 250_000 } as const;

export async function policyFor(ports: Ports, record: Pick<PeerRecord, 'onOpen' | 'zeroConf'>): Promise<OpenPolicy> {
  const general = (await setting(ports.db, 'policy')) ?? defaultPolicy;
  return {
    onOpen: record.onOpen === 'default' ? general.onOpen : record.onOpen,
    zeroConf: record.zeroConf,
    minFundingSat: BigInt(general.minFundingSat),
    maxFundingSat: BigInt(general.maxFundingSat),
    minDepth: general.minDepth,
    allowPublic: general.allowPublic,
    promptMs: general.promptMinutes * 60_000,
    maxPendingChannels: MAX_PENDING_CHANNELS,
  };
}

/** Without what each step has of its own: entropy, and the wallet as the round sees it. */
export async function envFor(
  ports: Ports,
  record: PeerRecord,
  keys: NodeKeys,
): Promise<Omit<PeerEnv, 'entropy' | 'wallet' | 'sweepIndex' | 'coins'>> {
  const [policy, chain, network, estimate] = await Promise.all([
    policyFor(ports, record),
    setting(ports.db, 'chain'),
    setting(ports.db, 'network'),
    feerateFor(ports),
  ]);
  return {
    now: ports.now(),
    height: chain?.height ?? 0,
    chainHash: networkOf(network).chainHash,
    policy,
    feeratePerKw: FEERATE,
    openSigner: keys.openSigner,
    feerateFor: estimate,
  };
}
