/**
 * `npm test`: gets the browsers ready, runs every test file (or those named on the command line), and ends with
 * `N passed, N failed[, N skipped]` alone on a line. Each skipped test is listed with its reason; what CI can install
 * is not skipped there: without a browser its tests fail (`push/needs.ts`).
 */
import { startVitest, type TestCase } from 'vitest/node';
import { ensureBrowser } from './browsers.ts';

for (const name of ['chromium', 'firefox'] as const) {
  const found = ensureBrowser(name);
  console.log(found.path === undefined ? `no ${name}: ${found.reason}` : `${name}: ${found.path}`);
}

const vitest = await startVitest('test', process.argv.slice(2), { watch: false, run: true });
const tests: TestCase[] = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
const count = (state: 'passed' | 'failed' | 'skipped'): number => tests.filter((test) => test.result().state === state).length;

const skipped = tests.filter((test) => test.result().state === 'skipped');
for (const test of skipped) {
  const result = test.result();
  console.log(`skipped: ${test.fullName}: ${result.state === 'skipped' ? (result.note ?? 'no reason given') : ''}`);
}
// A file that could not be loaded has no tests to count, but it failed.
const brokenFiles = vitest.state
  .getTestModules()
  .filter((module) => module.errors().length > 0 || (module.state() === 'failed' && count('failed') === 0)).length;
const unhandled = vitest.state.getUnhandledErrors().length;
const failed = count('failed') + brokenFiles + unhandled;
await vitest.close();

console.log(`\n${count('passed')} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
process.exit(failed > 0 || count('passed') === 0 ? 1 : 0);
