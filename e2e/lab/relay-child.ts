/**
 * The relay as a process of its own, so that a test can kill it. Its settings come from the environment like the real one's;
 * BECKON_TEST_PUSH_PORT and BECKON_TEST_PUSH_CA (PEM) lead its pushes to a local stand-in of the push services.
 */
import { readConfig } from '../../relay/config.ts';
import { createLogger } from '../../relay/log.ts';
import { startRelay } from '../../relay/server.ts';
import { httpsPost } from '../../relay/wake/post.ts';
import { LoopbackAgent } from '../push/gcm.ts';

const config = readConfig(process.env);
if (!config.ok) throw new Error(config.error.problems.join('\n'));
const { BECKON_TEST_PUSH_PORT: port, BECKON_TEST_PUSH_CA: ca } = process.env;
const relay = await startRelay(config.value, {
  logger: createLogger(config.value.logLevel),
  ...(port === undefined || ca === undefined ? {} : { post: httpsPost(new LoopbackAgent(Number(port), ca), 10_000) }),
});
console.log(`LISTENING ${relay.url}`);
const stop = async (): Promise<void> => {
  await relay.stop();
  process.exit(0);
};
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
