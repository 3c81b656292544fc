/** `open_channel` comes in: the first state of a channel. BOLT 2 § Channel Establishment v1, the accepting side. */
import type { OpenContext } from './checks.ts';
import { judgeOpenChannel } from './checks-open.ts';
import { type ChannelEffect, note, send } from './effect.ts';
import type { Env } from './env.ts';
import { type ChannelError, describe } from './error.ts';
import { fundingCreatedMs } from './limits.ts';
import { type OpenChannel, textBytes } from './message.ts';
import type { Step } from './step.ts';
import type { ChannelTerms } from './terms.ts';

/** The caller checks first that `temporary_channel_id` is in no other use with this peer. */
export function openChannel(msg: OpenChannel, context: OpenContext, env: Env): Step {
  const channelId = msg.temporaryChannelId;
  const amountSat = msg.fundingSatoshis;
  const judged = judgeOpenChannel(msg, context, env);
  if (!judged.ok) {
    const noted = note({ kind: 'open-refused', channelId, amountSat, detail: describe(judged.error) });
    return { state: null, effects: [...refusal(channelId, judged.error), noted] };
  }
  const { terms, answer } = judged.value;
  if (answer === 'sign') return acceptOpen(terms, env, note({ kind: 'open-signed-alone', channelId, amountSat }));
  const deadlineMs = env.now + env.policy.promptMs;
  return {
    state: { tag: 'wait-for-approval', terms, deadlineMs },
    effects: [note({ kind: 'open-asked', channelId, amountSat, deadlineMs })],
  };
}

/** What the peer hears; where it is the user's will (and not the offer's form, which a better offer may mend), it is remembered. */
export function refusal(temporaryChannelId: Uint8Array, error: ChannelError): readonly ChannelEffect[] {
  const errorText = describe(error);
  const told = send({ name: 'error', channelId: temporaryChannelId, data: textBytes(errorText) });
  const final = error.code === 'denied-by-user' || error.code === 'prompt-expired' || error.code.startsWith('policy-');
  return final ? [told, { tag: 'remember-refusal', refusal: { temporaryChannelId, errorText } }] : [told];
}

/** Says `accept_channel`. */
export function acceptOpen(terms: ChannelTerms, env: Env, why: ChannelEffect): Step {
  const { local } = terms;
  const { basepoints } = local;
  return {
    state: { tag: 'wait-for-funding-created', terms, deadlineMs: env.now + fundingCreatedMs },
    effects: [
      send({
        name: 'accept_channel',
        temporaryChannelId: terms.temporaryChannelId,
        dustLimitSatoshis: local.dustLimitSat,
        maxHtlcValueInFlightMsat: local.maxHtlcValueInFlightMsat,
        channelReserveSatoshis: local.channelReserveSat,
        htlcMinimumMsat: local.htlcMinimumMsat,
        minimumDepth: terms.minDepth,
        toSelfDelay: local.toSelfDelay,
        maxAcceptedHtlcs: local.maxAcceptedHtlcs,
        fundingPubkey: basepoints.fundingPubkey,
        revocationBasepoint: basepoints.revocationBasepoint,
        paymentBasepoint: basepoints.paymentBasepoint,
        delayedPaymentBasepoint: basepoints.delayedPaymentBasepoint,
        htlcBasepoint: basepoints.htlcBasepoint,
        firstPerCommitmentPoint: env.openSigner(terms.keyPath).perCommitmentPoint(0n),
        // BOLT 2: "MUST include `upfront_shutdown_script` with either a valid `shutdown_scriptpubkey` [...] or a zero-length".
        // Ours is chosen at closing time.
        upfrontShutdownScript: new Uint8Array(0),
        // BOLT 2: "MUST set `channel_type` to the `channel_type` from `open_channel`."
        channelType: terms.channelType,
      }),
      why,
    ],
  };
}
