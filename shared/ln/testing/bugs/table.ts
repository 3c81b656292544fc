/**
 * Disclosed bugs of other Lightning implementations that lost money or stopped nodes, by class, and the test that fails here if the defence
 * is taken away. A class that is not covered yet says which part of the work will, or why there is nothing to cover.
 */
export type Where =
  | { readonly file: string; readonly title: string }
  /** The number of the issue that brings the part, if there is one already. */
  | { readonly later: string; readonly issue?: number };
export type BugClass = { readonly row: number; readonly name: string; readonly where: Where };

const at = (row: number, name: string, file: string, title: string): BugClass => ({ row, name, where: { file, title } });
const later = (row: number, name: string, why: string, issue?: number): BugClass => ({
  row,
  name,
  where: { later: why, ...(issue === undefined ? {} : { issue }) },
});

const channel = 'shared/ln/channel';
const onchain = 'shared/ln/onchain';
const engine = 'shared/ln/testing/bugs/engine.test.ts';
const machine = 'shared/ln/peer/machine.test.ts';

export const bugClasses: readonly BugClass[] = [
  at(
    1,
    'CVE-2019-12998: the funding output is never checked',
    `${channel}/states/wait-for-funding-confirmed.test.ts`,
    'chain funding-wrong',
  ),
  at(2, 'CVE-2020-26895: LND high-S signature', engine, 'bug 2: LND high-S signature -- of an HTLC: nothing is revoked for it'),
  later(3, 'CVE-2020-26896: LND preimage for a forwarded HTLC', 'payments', 5),
  at(4, 'CVE-2021-41591: dust exposure', engine, 'bug 4: dust exposure -- a feerate that makes dust of what was none is refused'),
  at(
    5,
    'CVE-2021-31876: inherited RBF signalling',
    `${onchain}/coins.test.ts`,
    'a commitment below the feerate of the day is paid for by a child of its anchor, which is replaced as the deadline nears',
  ),
  at(
    6,
    'one output of a revoked second stage claimed of many',
    `${onchain}/rows.test.ts`,
    'a revoked second stage with many outputs: every one of them is taken',
  ),
  at(7, 'btcd block and witness limits', 'relay/chain/block.test.ts', 'law: no bytes make it throw'),
  at(8, 'CVE-2023-40231: replacement cycling', `${onchain}/rows.test.ts`, 'what is not mined is sent again at each block'),
  at(9, 'fake channels', `${channel}/open.test.ts`, 'recv open_channel -- the pending ones are counted'),
  at(10, 'CLN open race', 'app/store/store.test.ts', 'of two writers at once exactly one wins'),
  at(
    11,
    'BOLT 11 parsers that crash',
    'shared/ln/invoice/invoice.test.ts',
    'any words under a good checksum, any words under a good frame, any text: a value, never an exception',
  ),
  later(12, 'LND onion bomb', 'payments', 5),
  at(13, 'LND gossip_timestamp_filter', machine, 'recv ping, pong, storage, gossip -- nothing happens'),
  at(
    14,
    'LND infinite inbox',
    'relay/keeper/hostile-peer.test.ts',
    'a flood stops the reading until the app has taken half; nothing is lost and the relay holds no more than that',
  ),
  at(
    15,
    'panics at zero: gossip timestamp, funding txid',
    `${channel}/states/wait-for-funding-created.test.ts`,
    'recv funding_created -- another output that comes to the same channel id, or to the id that means all',
  ),
  at(
    16,
    'CLN gossipd memory: lists without a bound',
    'relay/keeper/hostile-peer.test.ts',
    'gossip and unknown odd messages have no number and take no room',
  ),
  at(
    17,
    'LND excessive failback',
    `${onchain}/rows.test.ts`,
    'an HTLC without an output, its preimage known: settled, and not failed when the commitment is deep',
  ),
  at(
    18,
    'Eclair preimage extraction',
    `${onchain}/closes.test.ts`,
    'row 18: the preimage of an HTLC that is only in our newest is learned from any commitment of the peer',
  ),
  at(
    19,
    'LDK invalid claims',
    `${onchain}/laws.test.ts`,
    'row 19: nothing that we send is invalid, and the sum is whole, through random closes',
  ),
  at(20, 'LDK equal HTLCs', engine, 'bug 20: LDK equal HTLCs -- one hash, one amount: each ends by its id'),
  at(
    21,
    'LND sweeper: fees that stall',
    `${onchain}/rows.test.ts`,
    'an unmined claim pays more with each step and never less, and no more than half of it before its deadline is near',
  ),
  at(
    22,
    'LDK claims after a re-org',
    `${onchain}/rows.test.ts`,
    'a re-org puts the other commitment in: what we claimed is claimed anew, and a late preimage too',
  ),
  at(
    23,
    'LND forgets a close after one block',
    `${onchain}/rows.test.ts`,
    'a mutual close that a re-org takes out does not hide a revoked commitment',
  ),
  at(
    24,
    'LDK reserve overdraw, near-dust fees',
    engine,
    'bug 24: LDK reserve overdraw, near-dust fees -- what we offer the peer takes, the reserve stays, and no commitment is without an output',
  ),
  at(
    25,
    'fee siphon and fee ransom',
    `${onchain}/rows.test.ts`,
    'row 25: an estimate without measure takes no more than half of what is claimed',
  ),
  later(26, 'LDK BOLT 12 overpay', 'offers are not there yet'),
  at(27, 'exceptions across the peer loop', 'shared/ln/peer/laws.test.ts', 'random bytes after any beginning'),
  at(28, 'channel jamming', `${channel}/bad-input.test.ts`, 'max_accepted_htlcs, and the same id twice'),
  later(29, 'onion-message flooding', 'onion messages are not answered yet'),
  later(30, 'Sphinx replay after a restart', 'payments', 5),
  at(31, 'flood and loot', engine, 'bug 31: flood and loot -- no more than 30 HTLCs can ever be forced on chain at once'),
  at(
    32,
    'stuck channel',
    engine,
    'bug 32: stuck channel -- an opener that offered all it could can still be paid, and can still raise the fee',
  ),
  at(
    33,
    'a revoked state broadcast after a restore',
    `${onchain}/closes.test.ts`,
    'row 33: our commitment whose secret has left is not published, and it is said why',
  ),
  at(
    34,
    'resends that differ',
    engine,
    'bug 34: resends that differ -- cut before any message: what is said again is what was said, byte for byte',
  ),
  later(35, 'MuSig2 nonces', 'taproot channels are not offered'),
  later(36, 'randomness that is none', 'entropy comes from the browser, which throws where it has none; a health test is to come'),
  at(
    37,
    'log and page injection',
    'shared/ln/invoice/description.test.ts',
    'any text: one line without what cannot be seen, and clean already the second time',
  ),
  at(38, 'CVE-2017-12842: 64-byte transactions', 'shared/ln/spv/merkle.test.ts', 'a payment forged below a 64-byte transaction'),
  at(
    39,
    'a stale channel_reestablish replayed',
    `${channel}/states/syncing.test.ts`,
    'recv channel_reestablish -- the secret of another commitment proves nothing',
  ),
];
