/** BOLT 3 Appendix B: the funding transaction and the regtest block it draws from, and every way to lie about them. */
import { describe, expect, test } from 'vitest';
import { fromHex, reversed, toHex } from '../../lib/bytes.ts';
import { checkFunding, type FundingClaim, type FundingError } from './funding.ts';
import { extend } from './headers.ts';
import { checkInclusion } from './merkle.ts';
import { networks } from './networks.ts';

const RAW = fromHex(
  '0200000001adbb20ea41a8423ea937e76e8151636bf6093b70eaff942930d20576600521fd000000006b48304502210090587b6201e166ad6af0227d3036a9454223d49a1f11839c1a362184340ef0240220577f7cd5cca78719405cbf1de7414ac027f0239ef6e214c90fcaab0454d84b3b012103535b32d5eb0a6ed0982a0479bbadc9868d9836f6ba94dd5a63be16d875069184ffffffff028096980000000000220020c015c4a6be010e21657068fc2e6a9d02b27ebe4d490a25846f7237f104d1a3cd20256d29010000001600143ca33c2e4446f4a305f23c80df8ad1afdcf652f900000000',
);
const HEADER = fromHex(
  '0000002006226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910fadbb20ea41a8423ea937e76e8151636bf6093b70eaff942930d20576600521fdc30f9858ffff7f2000000000',
);
const COINBASE = fromHex(
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff03510101ffffffff0100f2052a010000001976a9143ca33c2e4446f4a305f23c80df8ad1afdcf652f988ac00000000',
);
const claim: FundingClaim = {
  outpoint: { txid: reversed(fromHex('8984484a580b825b9972d7adb15050b3ab624ccd731946b3eeddb92f4e7ef6be')), vout: 0 },
  scriptPubKey: fromHex('0020c015c4a6be010e21657068fc2e6a9d02b27ebe4d490a25846f7237f104d1a3cd'),
  amountSat: 10_000_000n,
};

test('funding tx: txid, script and funding satoshis', () => {
  const checked = checkFunding({ ...claim, raw: RAW });
  if (!checked.ok) throw new Error(checked.error.code);
  expect(checked.value.outputs.map((output) => output.valueSat)).toEqual([10_000_000n, 4_989_986_080n]);
});

test('block 1: its header stands on the regtest genesis block, its coinbase is in it', () => {
  const extended = extend(networks.regtest, networks.regtest.start, HEADER, Date.UTC(2026, 0));
  if (!extended.ok) throw new Error(extended.error.code);
  const [header] = extended.value.headers;
  if (!header) throw new Error('no header');
  const proof = { raw: COINBASE, pos: 0, siblings: [], coinbase: COINBASE, coinbaseSiblings: [] };
  const found = checkInclusion(proof, header.merkleRoot);
  if (!found.ok) throw new Error(found.error.code);
  expect(toHex(reversed(found.value.txid))).toBe('fd2105607605d2302994ffea703b09f66b6351816ee737a93e42a841ea20bbad');
});

describe('refused', () => {
  const other = { ...claim.outpoint, txid: fromHex('00'.repeat(32)) };
  test.each<[string, Partial<FundingClaim>, FundingError]>([
    ['another txid', { outpoint: other }, { code: 'wrong-txid' }],
    ['an output that is not there', { outpoint: { ...claim.outpoint, vout: 2 } }, { code: 'no-such-output' }],
    ['the change output', { outpoint: { ...claim.outpoint, vout: 1 } }, { code: 'wrong-script' }],
    [
      'a script of other keys',
      { scriptPubKey: claim.scriptPubKey.map((byte, i) => (i === 33 ? byte ^ 1 : byte)) },
      { code: 'wrong-script' },
    ],
    ['one satoshi more', { amountSat: 10_000_001n }, { code: 'wrong-amount', valueSat: 10_000_000n }],
    ['one satoshi less', { amountSat: 9_999_999n }, { code: 'wrong-amount', valueSat: 10_000_000n }],
  ])('%s', (_, lie, error) => {
    expect(checkFunding({ ...claim, ...lie, raw: RAW })).toEqual({ ok: false, error });
  });

  test('bytes that are no transaction', () => {
    const cut = checkFunding({ ...claim, raw: RAW.subarray(1) });
    expect(!cut.ok && cut.error.code).toBe('bad-transaction');
  });
});
