/** The sums at the end of a schedule: what every side has, in a channel or on chain, is what the ends of the payments say. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../lib/bytes.ts';
import { isQuiet, specOf } from '../channel/commitments.ts';
import type { Hop, Line, Payment } from './model.ts';
import { partyNames } from './model-moves.ts';
import type { PartyName } from './pair.ts';

/** Below it an HTLC may have no output of its own, at the feerates of these schedules, and is lost with a commitment. */
const dustMsat = 5_000_000n;
const anchorsSat = 660n;

export function checkSums(line: Line): void {
  for (const [at, { alice, bob }] of line.pairs.entries()) {
    if (line.fates[at] !== 'open') {
      for (const name of partyNames) checkGain(line, at, name);
      continue;
    }
    for (const { name, commitments } of [alice, bob])
      if (!isQuiet(commitments)) throw new Error(`channel ${at} of ${name} is not quiet: ${commitments.htlcs.length} HTLCs`);
    const [ours, theirs] = [specOf(alice.commitments, 'local'), specOf(bob.commitments, 'local')];
    if (ours.toLocalMsat !== theirs.toRemoteMsat || ours.toRemoteMsat !== theirs.toLocalMsat || ours.feeratePerKw !== theirs.feeratePerKw)
      throw new Error(`the two sides of channel ${at} disagree`);
    const due = dueMsat(line, at, 'alice');
    if (ours.toLocalMsat !== due) throw new Error(`alice has ${ours.toLocalMsat}, and should have ${due}`);
  }
  for (const payment of line.payments) checkEnds(line, payment);
}

/** On chain: what is owed, but for fees, dust and anchors. */
function checkGain(line: Line, at: number, name: PartyName): void {
  const got = line.ground.gainSat(at, name);
  const dust = line.payments.reduce(
    (sum, { amountMsat, hops }) => (amountMsat < dustMsat && hops.some((hop) => hop.at === at) ? sum + amountMsat : sum),
    0n,
  );
  const due = dueMsat(line, at, name) / 1000n;
  const slack = line.ground.feesSat + anchorsSat + dust / 1000n + 1n;
  if (got + slack < due) throw new Error(`${name} got ${got} sat of channel ${at}, and ${due} are due, less at most ${slack}`);
}

/** What is that side's: less each HTLC of its own that it was told is paid, more each of the other's that it took. */
function dueMsat(line: Line, at: number, name: PartyName): bigint {
  const { terms } = line.pairs[at] ?? {};
  if (!terms) throw new Error('no such channel');
  const start = line.openerOf(at) === name ? terms.fundingAmountSat * 1000n - terms.pushMsat : terms.pushMsat;
  return line.payments.reduce((sum, { amountMsat, hops }) => {
    const hop = hops.find((one) => one.at === at);
    if (!hop) return sum;
    if (hop.from === name) return hop.outcome === 'fulfilled' ? sum - amountMsat : sum;
    return isTaken(line, hop) ? sum + amountMsat : sum;
  }, start);
}

const isTaken = ({ fates }: Line, { at, outcome, claimed }: Hop): boolean =>
  fates[at] === 'forced' ? claimed === true : outcome === 'fulfilled';

function checkEnds(line: Line, { amountMsat, preimage, hops }: Payment): void {
  if (!hops[0]?.outcome) throw new Error(`a payment without an end: ${toHex(sha256(preimage)).slice(0, 8)}`);
  // Whoever passed it on got what it gave: a payment may end as paid first on a channel closed by force, and there only.
  for (const [step, hop] of hops.entries()) {
    const before = hops[step - 1];
    if (hop.outcome !== 'fulfilled' || before === undefined || before.outcome === 'fulfilled') continue;
    if (amountMsat < dustMsat && line.fates[before.at] === 'forced') continue;
    throw new Error('paid on one side and failed on the other');
  }
}
