/**
 * Draws the app icons again from `public/icons/icon.svg`: `node e2e/ui/icons.ts`. Only needed after a change of the lantern;
 * the pictures are kept in the repository.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { findBrowser } from '../browsers.ts';

const folder = resolve(import.meta.dirname, '../../public/icons');
const lantern = readFileSync(`${folder}/icon.svg`, 'utf8');
const drawing = lantern.replace(/<rect[^>]*\/>/, '');

/** Corners are cut by the system, so the ground fills the square and the lantern stays in the safe middle (80 %). */
const maskable = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512" fill="#1c1610"/><g transform="translate(61 51) scale(.76)">${inner(drawing)}</g></svg>`;
/** One colour on nothing: the system paints the shape. */
const badge = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="76 52 360 392"><g fill="none" stroke="#fff" stroke-width="28" stroke-linecap="round" stroke-linejoin="round"><circle cx="256" cy="98" r="28"/><path d="M178 206h156l-14 178H192z"/></g><path fill="#fff" d="M222 130h68l66 62a8 8 0 0 1-6 14H162a8 8 0 0 1-6-14zM160 384h192v44H160zM256 362c-30 0-44-18-44-41 0-31 30-43 44-79 14 36 44 48 44 79 0 23-14 41-44 41z"/></svg>`;

function inner(svg: string): string {
  return svg.replace(/^<svg[^>]*>/, '').replace(/<\/svg>\s*$/, '');
}

const wanted = [
  ['icon-192.png', lantern, 192],
  ['icon-512.png', lantern, 512],
  ['maskable-192.png', maskable, 192],
  ['maskable-512.png', maskable, 512],
  ['apple-touch-icon.png', maskable, 180],
  ['badge-96.png', badge, 96],
] as const;

const executablePath = findBrowser('chromium');
if (executablePath === undefined) throw new Error('no Chromium found; set CHROMIUM_BIN');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage();
for (const [name, svg, size] of wanted) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`);
  writeFileSync(`${folder}/${name}`, await page.screenshot({ omitBackground: true }));
}
await browser.close();
