/**
 * From a text that somebody pasted, scanned, typed, shared or clicked to what it asks for. Never throws on any text, never echoes a secret,
 * and asks nobody. Callers must still: show what was understood before money moves, and let the node check it again (`pay`).
 */
import { bech32 } from '@scure/base';
import { checkAddress } from './address.ts';
import { readCoinAddress } from './coin-address.ts';
import { readInvoice } from './understand-invoice.ts';
import { secretIn, visible } from './understand-secret.ts';
import { problem, readBitcoinLink, readLightningLink, readWebLink } from './understand-uri.ts';
import type { Context, Understood } from './understood.ts';

export type * from './understood.ts';

/** More than the longest invoice, with words around it. */
const MAX_CHARS = 12_000;
/** The shortest that is worth a look inside of other words. */
const MIN_CHARS_AMONG_WORDS = 20;

export function understand(text: string, context: Context): Understood {
  if (text.length > MAX_CHARS) return problem('too-long');
  const clean = tidy(visible(text));
  if (clean === '') return problem('empty');
  const secret = secretIn(clean);
  if (secret !== undefined) return problem(secret);
  const whole = readOne(clean, context);
  return /\s/.test(clean) ? amongWords(clean, whole, context) : whole;
}

const before = new Set(' "\'“”„‟‘’‚«»‹›`([{<');
const after = new Set(' "\'“”„‟‘’‚«»‹›`.,;!…。)]}>');
const openers: { readonly [closer: string]: string } = { ')': '(', ']': '[', '}': '{', '>': '<' };

/** Without the quotes, brackets and full stops that a text was set in. A bracket that was opened inside stays. */
function tidy(text: string): string {
  let [from, to] = [0, text.length];
  while (from < to && before.has(text.charAt(from))) from++;
  const count = new Map<string, number>();
  for (const char of text.slice(from)) count.set(char, (count.get(char) ?? 0) + 1);
  while (from < to && after.has(text.charAt(to - 1))) {
    const closer = text.charAt(to - 1);
    const opener = openers[closer];
    const closed = count.get(closer) ?? 0;
    if (opener !== undefined && closed <= (count.get(opener) ?? 0)) break;
    count.set(closer, closed - 1);
    to--;
  }
  return text.slice(from, to);
}

/** A message around it, as people share them: the one thing in it, if there is one. */
function amongWords(text: string, whole: Understood, context: Context): Understood {
  // An amount in groups of three would lose all but the first.
  if (/[?&]amount=[\d.,]* [\d.,]/i.test(text)) return problem('amount-bad');
  const found: Understood[] = whole.tag === 'problem' ? [] : [whole];
  let fault: Understood | undefined;
  for (const token of text.split(' ')) {
    if (token.length < MIN_CHARS_AMONG_WORDS) continue;
    const read = readOne(tidy(token), context);
    if (read.tag === 'problem') fault ??= read.code === 'unknown' || read.code === 'web-link' ? undefined : read;
    // Of a message's e-mail addresses none is meant to be paid.
    else if (!(read.tag === 'later' && read.what === 'name') && !found.some((one) => areSame(one, read))) found.push(read);
    if (found.length > 1) return problem('several');
  }
  const [one] = found;
  return one ?? (whole.tag === 'problem' && whole.code === 'unknown' ? (fault ?? whole) : whole);
}

/** Whether both lead to the same payment: one may be a part of the other. */
const areSame = (a: Understood, b: Understood): boolean => targets(a).some((target) => targets(b).includes(target));

function targets(read: Understood): readonly string[] {
  switch (read.tag) {
    case 'invoice':
      return [read.paymentHash];
    case 'unified':
      return [read.invoice.paymentHash, read.onchain.address];
    case 'address':
      return [read.address];
    case 'node':
      return [read.nodeId];
    case 'later':
      return [read.onchain?.address ?? read.what];
    case 'problem':
      return [];
  }
}

const otherCoins =
  /^(?:ethereum|litecoin|bitcoincash|dogecoin|monero|dash|zcash|solana|liquidnetwork|liquid|tron|cardano|ripple|stellar):/i;

/** `text` may have spaces that do not belong in it. */
function readOne(text: string, context: Context): Understood {
  const joined = text.replace(/ +/g, '');
  if (/^[a-z+]+%3a/i.test(joined)) return readDecoded(joined, context);
  const [scheme = ''] = /^[a-z][a-z+]*:/i.exec(joined) ?? [];
  const rest = joined.slice(scheme.length);
  switch (scheme.toLowerCase()) {
    case 'lightning:':
    case 'web+lightning:':
      return readLightningLink(rest.replace(/^\/\//, ''), context, readAlone);
    case 'bitcoin:':
    case 'web+bitcoin:':
      return readBitcoinLink(text.replace(/^[^:]*:/, ''), context, readAlone);
    case 'http:':
    case 'https:':
      return readWebLink(joined, context, readAlone);
    // LUD-17.
    case 'lnurl:':
    case 'lnurlp:':
    case 'lnurlw:':
    case 'lnurlc:':
    case 'keyauth:':
      return { tag: 'later', what: 'lnurl' };
  }
  return otherCoins.test(joined) ? problem('other-coin') : readAlone(joined, context);
}

/** A link that was encoded as a whole; once, so that it ends. */
function readDecoded(text: string, context: Context): Understood {
  try {
    const decoded = decodeURIComponent(text);
    return /^[a-z+]+%3a/i.test(decoded) ? problem('encoding') : readOne(decoded, context);
  } catch {
    return problem('encoding');
  }
}

/** As an invoice begins, or at least as long as one: of a letter that is wrong a person should hear. */
const invoiceForm = /^ln(?:[a-z]{2,}[0-9]|(?:bc|tb|tbs|bcrt)(?:$|[^a-z0-9])|.{100})/i;

/** Without scheme and spaces. */
function readAlone(text: string, context: Context): Understood {
  if (/^0[23][0-9a-f]{64}(?:@|$)/i.test(text)) return readNode(text);
  if (/^[0-9a-f]{64}$/i.test(text)) return problem('hash');
  if (/^lnurl1/i.test(text)) return readLnurl(text);
  // BOLT 12: offers, what asks for an invoice, and its own invoices.
  if (/^ln[ori]1/i.test(text)) return readOffer(text);
  if (invoiceForm.test(text)) {
    const invoice = readInvoice(text, context);
    return invoice.ok ? { tag: 'invoice', ...invoice.value } : problem(invoice.error.code, invoice.error.params);
  }
  const coin = readCoinAddress(text, context.network);
  if (coin !== undefined) return coin.ok ? { tag: 'address', ...coin.value } : problem(coin.error.code, coin.error.params);
  return readOther(text);
}

function readOther(text: string): Understood {
  if (/^t?sp1[02-9ac-hj-np-z]{50,}$/i.test(text)) return { tag: 'later', what: 'silent-payment' };
  // BIP 353 and LUD-16.
  if (/^₿?[\p{L}\p{N}._+-]+@(?:[\p{L}\p{N}_-]+\.)+[\p{L}\p{N}-]{2,}$/u.test(text)) return { tag: 'later', what: 'name' };
  if (/^[xyzYZtuvUV]pub[1-9A-HJ-NP-Za-km-z]{50,}$/.test(text)) return problem('wallet-key');
  const isOther =
    /^0x[0-9a-f]{40}$|^(?:ltc|tltc|lq|ex|addr|cosmos|zs|u)1[a-z0-9]{30,}$|^[LMDXrt][1-9A-HJ-NP-Za-km-z]{25,34}$|^[48][1-9A-HJ-NP-Za-km-z]{94}$/i;
  if (isOther.test(text)) return problem('other-coin');
  return /^(?:https?|www)\b/i.test(text) ? problem('web-link') : problem('unknown');
}

function readNode(text: string): Understood {
  const nodeId = text.slice(0, 66).toLowerCase();
  if (text.length === nodeId.length) return { tag: 'node', nodeId };
  const check = checkAddress(text);
  const isOnion = !check.ok && check.problem === 'onion';
  if (!check.ok && !isOnion) return problem('node-address');
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(check.ok ? check.address.slice(67) : text.slice(67)) ?? [];
  return { tag: 'node', nodeId, host, port: Number(port ?? 9735) };
}

const isOneCase = (text: string): boolean => text === text.toLowerCase() || text === text.toUpperCase();

function readLnurl(text: string): Understood {
  if (!isOneCase(text)) return problem('mixed-case');
  return bech32.decodeUnsafe(text.toLowerCase(), false) === undefined ? problem('checksum') : { tag: 'later', what: 'lnurl' };
}

/** BOLT 12 has no checksum; parts of it may be joined by "+". */
function readOffer(text: string): Understood {
  const joined = text.replaceAll('+', '');
  if (!isOneCase(joined)) return problem('mixed-case');
  return /^ln[ori]1[02-9ac-hj-np-z]+$/i.test(joined) ? { tag: 'later', what: 'offer' } : problem('letters');
}
