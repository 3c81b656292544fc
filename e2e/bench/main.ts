/**
 * `npm run bench [names…] [--smoke]`: each bench measures two things in one run and prints their ratio, for times alone say more
 * about the machine than about us. Writes `dist/bench.json`. Ends with 1 when a limit is missed, or a bench came to no figures: what the
 * others found is shown all the same.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { benches } from './all.ts';
import { fails, markdown, type Result, type Skipped } from './report.ts';

const args = process.argv.slice(2);
const smoke = args.includes('--smoke');
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}

const results: (Result | Skipped)[] = [];
const broken: string[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (names.length > 0 && !names.includes(name)) continue;
  console.log(`— ${name}`);
  try {
    results.push(await bench({ smoke, tell: (line) => console.log(`  ${line}`) }));
  } catch (error) {
    broken.push(name);
    console.error(error);
  }
}

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
const folder = join(import.meta.dirname, '../../dist');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'bench.json'), `${JSON.stringify({ machine, smoke, results }, null, 2)}\n`);
console.log(`\n${markdown(results)}\n\n${machine}${smoke ? ', smoke run: the figures mean nothing' : ''}`);
const missed = results.flatMap((result) => ('skipped' in result ? [] : result.figures.filter(fails)));
for (const { name } of missed) console.error(`missed: ${name}`);
for (const name of broken) console.error(`failed: ${name}`);
process.exit(missed.length + broken.length > 0 ? 1 : 0);
