/** A test without its browser says so: skipped with the reason on a developer's machine, a failure in CI. */
import { type BrowserName, findBrowser } from '../browsers.ts';

export function needsBrowser(name: BrowserName, skip: (reason: string) => void): void {
  if (findBrowser(name) !== undefined) return;
  const variable = name === 'chromium' ? 'CHROMIUM_BIN' : 'FIREFOX_BIN';
  const reason = `${name} was not found: install it, or set ${variable} to its path`;
  if (process.env.CI) throw new Error(reason);
  skip(reason);
}
