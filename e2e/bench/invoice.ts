/**
 * BOLT 11: from the text of an invoice to what it asks, its signature checked. Ours with noble and with libsecp256k1 behind the port,
 * beside the npm packages that wallets take: `bolt11` as Node runs it (a native libsecp256k1 where there is one) and as a browser does
 * (elliptic), LDK's wasm, and `light-bolt11-decoder`, which checks no signature at all.
 */
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { bech32 } from '@scure/base';
import type * as Bolt11 from 'bolt11';
import light from 'light-bolt11-decoder';
import { Bolt11Invoice, Result_Bolt11InvoiceParseOrSemanticErrorZ_OK } from 'lightningdevkit';
import { openCurve } from '../../app/runtime/curve.ts';
import { toHex } from '../../shared/lib/bytes.ts';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { pointFromSecret, recover, sign, useCurve, verify } from '../../shared/ln/keys/secp.ts';
import { nobleCurve } from '../../shared/ln/keys/secp-noble.ts';
import { encodeFeatures, features } from '../../shared/ln/wire/features.ts';
import { readLibsecp } from '../lab/curve.ts';
import { loadLdk } from '../peers/ldk-setup.ts';
import type { Bench, Options } from './report.ts';
import { bestAndMedian, inTurns } from './turns.ts';

const ROUNDS = 40;
const SLICE_MS = 6;
const INVOICES = 32;

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
/** Below n: the first byte is not 0xff. */
const scalar = (): Uint8Array => bytes(32).fill(0x7f, 0, 1);

type Case = { readonly text: string; readonly paymentHash: string; readonly payee: string };

/** As a wallet with one private channel makes it: amount, description, one hint. */
function makeCase(): Case {
  const [secret, paymentHash] = [scalar(), bytes(32)];
  const payee = pointFromSecret(secret);
  const hint = { nodeId: pointFromSecret(scalar()), shortChannelId: 1n, feeBaseMsat: 1, feeProportionalMillionths: 2, cltvExpiryDelta: 80 };
  const text = encodeInvoice(
    {
      network: 'mainnet',
      amountMsat: 2_500_000n,
      timestamp: 1_780_000_000,
      expirySeconds: 3_600,
      paymentHash,
      paymentSecret: bytes(32),
      description: 'One cup of coffee, and a second one for whoever comes next',
      payee,
      minFinalCltvExpiryDelta: 60,
      fallbacks: [],
      routeHints: [[hint]],
      features: encodeFeatures([features.var_onion_optin.bit, features.payment_secret.bit, features.basic_mpp.bit]),
    },
    (digest) => sign(digest, secret),
  );
  return { text, paymentHash: toHex(paymentHash), payee: toHex(payee) };
}

/** Another amount under the same signature, the checksum put right: who still reads it as that payee's does not check. */
function forged(text: string): string {
  const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
  return bech32.encode(prefix.replace('25u', '26u'), words, false);
}

/** `bolt11` twice: the second finds in place of its native curve the one that its `browser` field names. */
function loadBolt11(): { readonly native: typeof Bolt11; readonly browser: typeof Bolt11 } {
  const require = createRequire(import.meta.url);
  const path = require.resolve('bolt11');
  const inside = createRequire(path);
  const native: typeof Bolt11 = require(path);
  const curve = require.cache[inside.resolve('secp256k1')];
  if (curve === undefined) throw new Error('bolt11 has no secp256k1');
  const { exports } = curve;
  delete require.cache[path];
  curve.exports = inside('secp256k1/elliptic');
  const browser: typeof Bolt11 = require(path);
  curve.exports = exports;
  return { native, browser };
}
const bolt11 = loadBolt11();

type Told = { readonly paymentHash: string; readonly payee?: string };
const theirHash = (tags: readonly { readonly name?: string; readonly value?: unknown }[]): string =>
  String(tags.find(({ name }) => name === 'payment_hash')?.value);

const toldBy = ({ tagsObject, payeeNodeKey }: ReturnType<typeof Bolt11.decode>): Told => ({
  paymentHash: tagsObject.payment_hash ?? '',
  ...(payeeNodeKey === undefined ? {} : { payee: payeeNodeKey }),
});

/** What each finds in an invoice; throws where it refuses one. */
const readers = {
  ours(text: string): Told {
    const parsed = parseInvoice(text, 'mainnet', { recover, verify });
    if (!parsed.ok) throw new Error(parsed.error.code);
    return { paymentHash: toHex(parsed.value.paymentHash), payee: toHex(parsed.value.payee) };
  },
  bolt11: (text: string): Told => toldBy(bolt11.native.decode(text)),
  bolt11InBrowser: (text: string): Told => toldBy(bolt11.browser.decode(text)),
  ldk(text: string): Told {
    const parsed = Bolt11Invoice.constructor_from_str(text);
    if (!(parsed instanceof Result_Bolt11InvoiceParseOrSemanticErrorZ_OK)) throw new Error('refused');
    return { paymentHash: toHex(parsed.res.payment_hash()) };
  },
  light: (text: string): Told => ({ paymentHash: theirHash(light.decode(text).sections) }),
} as const;

/** Nobody is timed who does not read what is there. */
function check(name: keyof typeof readers, { text, paymentHash, payee }: Case): void {
  const told = readers[name](text);
  if (told.paymentHash !== paymentHash || (told.payee ?? payee) !== payee) throw new Error(`${name} reads another invoice`);
  // A signature names its signer, so a forged invoice is one of somebody else: only who tells the payee can show it.
  if (told.payee !== undefined && readers[name](forged(text)).payee === payee) throw new Error(`${name} checks no signature`);
}

export async function invoice({ smoke }: Options): ReturnType<Bench> {
  await loadLdk();
  const fast = await openCurve(await readLibsecp(), randomBytes(32));
  useCurve(fast);
  const cases = Array.from({ length: INVOICES }, makeCase);
  const textOf = (i: number): string => cases[i % INVOICES]?.text ?? '';
  for (const curve of [nobleCurve, fast]) {
    useCurve(curve);
    for (const one of cases) for (const name of ['ours', 'bolt11', 'bolt11InBrowser', 'ldk', 'light'] as const) check(name, one);
  }
  const way = (name: keyof typeof readers, before?: () => void) => ({
    run: (i: number) => readers[name](textOf(i)),
    ...(before ? { before } : {}),
  });
  const times = inTurns(
    {
      noble: way('ours', () => useCurve(nobleCurve)),
      wasm: way('ours', () => useCurve(fast)),
      bolt11: way('bolt11'),
      bolt11InBrowser: way('bolt11InBrowser'),
      ldk: way('ldk'),
      light: way('light'),
    },
    smoke ? { rounds: 2, sliceMs: 2 } : { rounds: ROUNDS, sliceMs: SLICE_MS },
  );
  useCurve(nobleCurve);
  const over = (name: keyof typeof times, beside: keyof typeof times): number => times[name].median / times[beside].median;
  const row = (what: string, name: keyof typeof times) => [what, bestAndMedian(times[name]), `${over(name, 'wasm').toFixed(2)} ×`];
  return {
    name: 'invoice',
    tables: [
      {
        title: `An invoice of ${textOf(0).length} characters read, its signature checked, µs: best (median)`,
        columns: ['', 'µs', 'over ours with wasm'],
        rows: [
          row('ours, wasm libsecp256k1', 'wasm'),
          row('ours, noble', 'noble'),
          row('bolt11 in a browser (elliptic)', 'bolt11InBrowser'),
          row('bolt11 in Node (libsecp256k1, native where npm has it built)', 'bolt11'),
          row('LDK wasm', 'ldk'),
          row('light-bolt11-decoder, which checks no signature', 'light'),
        ],
      },
    ],
    figures: [
      { name: 'bolt11 in a browser over ours with wasm', value: over('bolt11InBrowser', 'wasm'), unit: '×' },
      { name: 'bolt11 in a browser over ours with noble', value: over('bolt11InBrowser', 'noble'), unit: '×' },
      { name: 'bolt11 in Node over ours with wasm', value: over('bolt11', 'wasm'), unit: '×' },
      { name: 'LDK wasm over ours with wasm', value: over('ldk', 'wasm'), unit: '×' },
      { name: 'LDK wasm over ours with noble', value: over('ldk', 'noble'), unit: '×' },
      { name: 'light-bolt11-decoder, no signature, over ours with wasm', value: over('light', 'wasm'), unit: '×' },
    ],
  };
}
