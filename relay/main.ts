/** `npm run relay`: the relay alone. What can be set stands in config.ts. */
import { readConfig } from './config.ts';
import { createLogger } from './log.ts';
import { startRelay } from './server.ts';

const config = readConfig(process.env);
if (!config.ok) {
  process.stderr.write(`The relay cannot start with these settings:\n${config.error.problems.map((line) => `  ${line}\n`).join('')}`);
  process.exit(2);
}
const relay = await startRelay(config.value, { logger: createLogger(config.value.logLevel) }).catch((fault: unknown) => {
  process.stderr.write(`The relay cannot start: ${inPlainWords(fault, config.value.port)}\n`);
  process.exit(1);
});
process.stdout.write(`Beckon relay: ${relay.url}\n`);

const stop = async (): Promise<void> => {
  await relay.stop();
  process.exit(0);
};
process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());

function inPlainWords(fault: unknown, port: number): string {
  if (!(fault instanceof Error)) return String(fault);
  const code = 'code' in fault ? fault.code : undefined;
  if (code === 'EADDRINUSE') return `port ${port} is taken (set PORT)`;
  if (code === 'EACCES') return `port ${port} or the data folder may not be used by this user`;
  return fault.message;
}
