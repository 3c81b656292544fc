/** What comes with the page's address, and where it leads. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { incomingText, sendParts } from './links.ts';
import { href, parse } from './route.ts';
import { good, NOW_MS, recoveryWords, segwit, simple, wif } from './understand.samples.ts';
import { understand } from './understand.ts';

const context = { network: simple.network, nowMs: NOW_MS };
const query = (params: { readonly [name: string]: string }): { search: string } => ({ search: `?${new URLSearchParams(params)}` });

test.each([
  ['', null],
  ['?', null],
  ['?pay=', null],
  ['?text=%20&title=', null],
  ['?utm_source=homescreen', null],
  [`?pay=web%2Blightning%3A${good}`, `web+lightning:${good}`],
  [`?pay=bitcoin%3A${segwit}%3Famount%3D0.1%26label%3Dx`, `bitcoin:${segwit}?amount=0.1&label=x`],
  [`?text=${good}`, good],
  [`?title=Invoice&text=lightning%3A${good}&url=`, `lightning:${good}\nInvoice`],
  ['?title=a&text=a&url=a', 'a'],
  ['?pay=a&text=b', 'a'],
])('%s', (search, text) => {
  expect(incomingText({ search })).toBe(text);
});

test('what is far too long is cut, and still too long to be understood', () => {
  const text = incomingText(query({ text: 'x'.repeat(100_000) })) ?? '';
  expect(text.length).toBeLessThan(20_000);
  expect(understand(text, context)).toMatchObject({ code: 'too-long' });
});

test.each([
  `web+lightning:${good}`,
  `bitcoin:${segwit}?amount=0.1&label=a%20b/c&lightning=${good}`,
  'a/b#c?d%e',
  '₿ann@shop.example',
  '..',
  '%2F',
])('the address of the place gives the text back: %s', (text) => {
  const { parts } = sendParts(text);
  const [place = '', ...rest] = parts;
  expect(parse(href(...parts))).toEqual({ place, parts: rest });
  expect(rest).toEqual([text]);
});

test('a secret does not get into an address', () => {
  for (const secret of [recoveryWords, wif, `\ufeff${recoveryWords.replaceAll(' ', '\u200b ')}`, `“${recoveryWords}”`]) {
    const { parts, secret: code } = sendParts(incomingText(query({ text: secret })) ?? '');
    expect(parts).toEqual(['send']);
    expect(code).toMatch(/^secret-/);
  }
});

/** As Chromium fills the manifest's forms in. */
test('the manifest leads links and shared texts here', () => {
  const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../public/manifest.webmanifest'), 'utf8'));
  // Chromium and Firefox take schemes of the HTML standard's list, of which `lightning` is none, and those that begin with `web+`.
  expect(manifest.protocol_handlers.map(({ protocol }: { protocol: string }) => protocol)).toEqual(['web+lightning', 'bitcoin']);
  for (const { protocol, url } of manifest.protocol_handlers) {
    const link = `${protocol}:${protocol === 'bitcoin' ? segwit : good}`;
    const opened = new URL(url.replace('%s', encodeURIComponent(link)), 'https://app.example/manifest.webmanifest');
    expect(opened.pathname).toBe(manifest.scope);
    expect(incomingText(opened)).toBe(link);
  }
  const { action, method, params } = manifest.share_target;
  expect([action, method]).toEqual(['/', 'GET']);
  const shared = new URLSearchParams({ [params.title]: 'Invoice', [params.text]: `lightning:${good}` });
  const text = incomingText({ search: `?${shared}` }) ?? '';
  expect(understand(text, context)).toMatchObject({ tag: 'invoice', text: good });
  const places = manifest.shortcuts.map(({ url }: { url: string }) => parse(new URL(url, 'https://app.example').hash).place);
  expect(places.slice(0, 2)).toEqual(['send', 'receive']);
});
