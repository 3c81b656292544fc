import { sha256 } from '@noble/hashes/sha2.js';
import { OutScript, p2wpkh as payToWitnessPubkeyHash, Script, ScriptNum } from '@scure/btc-signer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { pointFromSecret } from '../keys/secp.ts';
import { anchorWitnessScript, isShutdownScript, p2wpkh, p2wsh, toLocalWitnessScript, toRemoteAnchorsWitnessScript } from './scripts.ts';

const pubkey = pointFromSecret(new Uint8Array(32).fill(1));
const other = pointFromSecret(new Uint8Array(32).fill(2));

describe('scripts', () => {
  it('to_local pushes any delay as another library does: minimal', () => {
    const delays = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(0x7fff, 0x8000, 0xffff), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(delays, (delay) => {
        const pushed = delay === 0 ? 'OP_0' : delay <= 16 ? (`OP_${delay}` as 'OP_1') : ScriptNum().encode(BigInt(delay));
        const expected = Script.encode(['IF', pubkey, 'ELSE', pushed, 'CHECKSEQUENCEVERIFY', 'DROP', other, 'ENDIF', 'CHECKSIG']);
        expect(toHex(toLocalWitnessScript(pubkey, delay, other))).toBe(toHex(expected));
      }),
      { examples: [[0], [1], [16], [17], [127], [128], [144], [255], [256], [0x7fff], [0x8000], [0xffff]] },
    );
  });

  it('to_remote and anchors read as BOLT 3 writes them', () => {
    expect(Script.decode(toRemoteAnchorsWitnessScript(pubkey))).toEqual([pubkey, 'CHECKSIGVERIFY', 1, 'CHECKSEQUENCEVERIFY']);
    expect(Script.decode(anchorWitnessScript(pubkey))).toEqual([pubkey, 'CHECKSIG', 'IFDUP', 'NOTIF', 16, 'CHECKSEQUENCEVERIFY', 'ENDIF']);
  });

  it('P2WPKH and P2WSH are those of another library', () => {
    expect(p2wpkh(pubkey)).toEqual(payToWitnessPubkeyHash(pubkey).script);
    expect(p2wsh(Uint8Array.of(0xac))).toEqual(OutScript.encode({ type: 'wsh', hash: sha256(Uint8Array.of(0xac)) }));
  });
});

describe('shutdown script', () => {
  const none = { anySegwit: false, simpleClose: false };
  const all = { anySegwit: true, simpleClose: true };
  const fill = (header: string, length: number): Uint8Array => fromHex(header + '11'.repeat(length));

  it('P2WPKH and P2WSH are always allowed', () => {
    expect(isShutdownScript(p2wpkh(pubkey), none)).toBe(true);
    expect(isShutdownScript(p2wsh(pubkey), none)).toBe(true);
  });

  it.each([
    ['witness version 1, 2 bytes', fill('5102', 2)],
    ['witness version 1, 32 bytes (taproot)', fill('5120', 32)],
    ['witness version 16, 40 bytes', fill('6028', 40)],
  ])('%s needs option_shutdown_anysegwit', (_name, script) => {
    expect(isShutdownScript(script, { ...none, anySegwit: true })).toBe(true);
    expect(isShutdownScript(script, { ...none, simpleClose: true })).toBe(false);
  });

  it.each([
    ['6 bytes', fill('6a06', 6)],
    ['75 bytes', fill('6a4b', 75)],
    ['76 bytes after OP_PUSHDATA1', fill('6a4c4c', 76)],
    ['80 bytes after OP_PUSHDATA1', fill('6a4c50', 80)],
  ])('OP_RETURN with %s needs option_simple_close', (_name, script) => {
    expect(isShutdownScript(script, { ...none, simpleClose: true })).toBe(true);
    expect(isShutdownScript(script, { ...none, anySegwit: true })).toBe(false);
  });

  it.each([
    ['empty', ''],
    ['OP_0 alone', '00'],
    ['P2WPKH with a byte too few', `0014${'11'.repeat(19)}`],
    ['P2WPKH with a byte too many', `0014${'11'.repeat(21)}`],
    ['version 0 with 21 bytes', `0015${'11'.repeat(21)}`],
    ['version 1 with one byte', '510111'],
    ['version 1 with 41 bytes', `5129${'11'.repeat(41)}`],
    ['version 1 with a wrong push', `5120${'11'.repeat(31)}`],
    ['OP_1NEGATE', `4f02${'11'.repeat(2)}`],
    ['P2PKH', `76a914${'11'.repeat(20)}88ac`],
    ['P2SH', `a914${'11'.repeat(20)}87`],
    ['OP_RETURN alone', '6a'],
    ['OP_RETURN with 5 bytes', `6a05${'11'.repeat(5)}`],
    ['OP_RETURN with 75 bytes behind OP_PUSHDATA1', `6a4c4b${'11'.repeat(75)}`],
    ['OP_RETURN with 81 bytes', `6a4c51${'11'.repeat(81)}`],
    ['OP_RETURN with two pushes', `6a06${'11'.repeat(6)}0111`],
  ])('%s is never one', (_name, script) => {
    expect(isShutdownScript(fromHex(script), all)).toBe(false);
  });
});
