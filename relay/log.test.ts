import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, harmless } from './log.ts';

function lines() {
  const written: string[] = [];
  const log = createLogger('debug', { write: (line: string) => void written.push(line) });
  return { log, text: () => written.join(''), written };
}

const hex = randomBytes(32).toString('hex');
const base64url = randomBytes(48).toString('base64url');
const words = 'abandon ability able about above absent absorb abstract absurd abuse access accident';

describe('the log', () => {
  it('a hostile object gives nothing away', () => {
    const { log, text } = lines();
    const secret = `S3CRET${base64url}`;
    const hostile = {
      key: secret,
      privateKey: secret,
      keys: { sending: hex, receiving: hex },
      token: 'short-token',
      nested: { deeper: { password: 'hunter2', Authorization: `Bearer ${secret}`, list: [{ bytes: base64url, auth: 'aa' }] } },
      headers: { cookie: 'session=1' },
      endpoint: `https://fcm.googleapis.com/fcm/send/${secret}`,
      url: 'http://rpcuser:rpcpass@10.0.0.1:8332/wallet/secretwallet',
      text: `the node said ${hex} and ${base64url}`,
      seed: words,
      innocent: `the words are ${words} indeed`,
      buffer: Buffer.from(hex, 'hex'),
      array: new Uint8Array(32).fill(7),
      view: new DataView(new ArrayBuffer(9)),
      map: new Map([['k', secret]]),
      cause: new Error(`failed with ${secret} at https://a:b@c.example/d?e=f`, { cause: { token: secret } }),
      act1: hex,
      payload: 'frames',
      get computed(): string {
        return secret;
      },
      toJSON: () => secret,
    };
    log.info(hostile, `message with ${hex} and Bearer ${secret}`);
    const out = text();
    for (const leak of [
      secret,
      base64url,
      hex,
      'short-token',
      'hunter2',
      'rpcuser',
      'rpcpass',
      'secretwallet',
      'session=1',
      'abandon',
      'absurd',
      'e=f',
      'a:b',
    ]) {
      expect(out, leak).not.toContain(leak);
    }
    expect(out).not.toMatch(/7,7,7|"0":7/);
    expect(out).toContain('https://fcm.googleapis.com');
    expect(out).toContain('[32 bytes]');
  });

  it('what an operator needs is there', () => {
    const { log, written } = lines();
    const account = `02${hex}`;
    log.warn(
      { account, height: 7, reason: 'ping-timeout', outcome: { tag: 'failed', status: 503 }, frames: 3, bytesIn: 5 },
      'a push failed',
    );
    const line = JSON.parse(written[0] ?? '');
    expect(line).toMatchObject({
      level: 40,
      msg: 'a push failed',
      account: account.slice(0, 16),
      height: 7,
      reason: 'ping-timeout',
      frames: 3,
      bytesIn: 5,
    });
    expect(line.outcome).toEqual({ tag: 'failed', status: 503 });
  });

  it('an error keeps its name, words and place', () => {
    const { log, written } = lines();
    log.error({ err: new TypeError('x is not a function') }, 'a fault of ours');
    const line = JSON.parse(written[0] ?? '');
    expect(line.err).toMatchObject({ name: 'TypeError', message: 'x is not a function' });
    expect(line.err.stack[0]).toMatch(/^at .*\blog\.test\.ts:\d+:\d+/);
  });

  it('text of a peer cannot forge a line or turn the text around', () => {
    const { log, written } = lines();
    log.info({ alias: 'eve\n{"level":60,"msg":"forged"}\u202eevil\u0007' }, 'hello\r\nforged');
    expect(written).toHaveLength(1);
    for (const trick of ['\n', '\r', '\\n', '\\r', '\u202e', '\\u202e', '\u0007', '\\u0007'])
      expect(written[0]?.trimEnd()).not.toContain(trick);
  });

  it('circles, throwing getters and a flood of fields do no harm', () => {
    const { log, written } = lines();
    const circle: { [name: string]: unknown } = { name: 'x' };
    circle.self = circle;
    Object.defineProperty(circle, 'bomb', {
      enumerable: true,
      get: () => {
        throw new Error('boom');
      },
    });
    for (let i = 0; i < 10_000; i++) circle[`f${i}`] = 'x'.repeat(1000);
    log.info(circle, 'still here');
    log.info([1, 2, 3], 'an array');
    expect(written).toHaveLength(2);
    expect(written[0]?.length).toBeLessThan(100_000);
  });

  it('below its level nothing is written', () => {
    const written: string[] = [];
    const log = createLogger('warn', { write: (line: string) => void written.push(line) });
    log.info({}, 'no');
    log.warn({}, 'yes');
    expect(written).toHaveLength(1);
  });

  it('law: 32 random bytes do not get through, in hex or base64, at any place', () => {
    const place = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constant('HERE'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.string({ maxLength: 8 }), tie('tree'), { maxKeys: 3 }),
      ),
    })).tree;
    fc.assert(
      fc.property(place, fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string({ maxLength: 20 }), (tree, bytes, around) => {
        for (const secret of [
          Buffer.from(bytes).toString('hex'),
          Buffer.from(bytes).toString('base64url'),
          Buffer.from(bytes).toString('base64'),
        ]) {
          const planted = JSON.parse(JSON.stringify(tree).replaceAll('"HERE"', () => JSON.stringify(around + secret)));
          expect(JSON.stringify(harmless(planted)) ?? '').not.toContain(secret);
        }
      }),
      { numRuns: 300 },
    );
  });
});
