/** Where the time of a wake goes. Shown with the wake in the activity log, and what the bench prints. */
import type { ChannelSigner, OpenSigner } from '../../shared/ln/signer/signer.ts';

export type Parts = {
  /** Records and keys out of the store. */
  loadMs: number;
  /** The machines' own work, without the signer's. */
  stepMs: number;
  /** Checking the peer's signatures. */
  verifyMs: number;
  signMs: number;
  commitMs: number;
  /** Requests to the relay. */
  sendMs: number;
};

export const noParts = (): Parts => ({ loadMs: 0, stepMs: 0, verifyMs: 0, signMs: 0, commitMs: 0, sendMs: 0 });

/** Runs `work` and adds its time to a part. */
export async function timed<T>(stopwatch: () => number, parts: Parts, part: keyof Parts, work: () => Promise<T>): Promise<T> {
  const from = stopwatch();
  try {
    return await work();
  } finally {
    parts[part] += stopwatch() - from;
  }
}

/** The same signer, with the time of signing and of checking on the books. */
export function timedSigner(open: OpenSigner, stopwatch: () => number, parts: Parts): OpenSigner {
  const measure = <T>(part: 'signMs' | 'verifyMs', work: () => T): T => {
    const from = stopwatch();
    const result = work();
    parts[part] += stopwatch() - from;
    return result;
  };
  return (keyPath) => {
    const signer: ChannelSigner = measure('signMs', () => open(keyPath));
    return {
      get basepoints() {
        return measure('signMs', () => signer.basepoints);
      },
      perCommitmentPoint: (n) => measure('signMs', () => signer.perCommitmentPoint(n)),
      releaseSecret: (n, guard) => measure('signMs', () => signer.releaseSecret(n, guard)),
      acceptRevocation: (n, secret, point, guard) => measure('verifyMs', () => signer.acceptRevocation(n, secret, point, guard)),
      signRemoteCommitment: (template, settled, guard) => measure('signMs', () => signer.signRemoteCommitment(template, settled, guard)),
      acceptLocalCommitment: (template, signature, htlcSignatures, guard) =>
        measure('verifyMs', () => signer.acceptLocalCommitment(template, signature, htlcSignatures, guard)),
      signLocalCommitment: (template, signature, guard) => measure('signMs', () => signer.signLocalCommitment(template, signature, guard)),
      signHtlc: (spend, guard) => measure('signMs', () => signer.signHtlc(spend, guard)),
      signSpend: (spend) => measure('signMs', () => signer.signSpend(spend)),
      pinCloseScript: (script, guard) => signer.pinCloseScript(script, guard),
      signClosing: (closing, guard) => measure('signMs', () => signer.signClosing(closing, guard)),
      allowAnnouncement: (guard) => signer.allowAnnouncement(guard),
      signAnnouncement: (request, guard) => measure('signMs', () => signer.signAnnouncement(request, guard)),
    };
  };
}
