/**
 * A commitment, built once for each template value: its keys cost milliseconds, and one step looks at the same close many times. What
 * is remembered follows from the template alone and goes with it.
 */
import { buildCommitment, type CommitmentTemplate } from '../tx/commitment.ts';

const known = new WeakMap<CommitmentTemplate, ReturnType<typeof buildCommitment>>();

export function builtOnce(template: CommitmentTemplate): ReturnType<typeof buildCommitment> {
  const built = known.get(template) ?? buildCommitment(template);
  known.set(template, built);
  return built;
}
