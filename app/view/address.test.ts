import { describe, expect, test } from 'vitest';
import { checkAddress } from './address.ts';

const key = `02${'ab'.repeat(32)}`;

describe('checkAddress', () => {
  test.for([
    [`${key}@node.example:9736`, `${key}@node.example:9736`],
    [`  ${key.toUpperCase()}@127.0.0.1  `, `${key}@127.0.0.1:9735`],
    [`lightning:${key}@node.example`, `${key}@node.example:9735`],
    [`${key}@[2001:db8::1]:9735`, `${key}@[2001:db8::1]:9735`],
  ])('%s', ([text = '', address]) => {
    expect(checkAddress(text)).toEqual({ ok: true, address });
  });

  test.for([
    ['', 'empty'],
    ['node.example:9735', 'no-key'],
    [key, 'no-host'],
    [`${key}@`, 'no-host'],
    [`05${'ab'.repeat(32)}@node.example`, 'bad-key'],
    [`${key.slice(2)}@node.example`, 'bad-key'],
    [`${key}@node.example:0`, 'bad-port'],
    [`${key}@node.example:65536`, 'bad-port'],
    [`${key}@node.example:http`, 'bad-port'],
    [`${key}@${'a'.repeat(56)}.onion:9735`, 'onion'],
  ])('%s: %s', ([text = '', problem]) => {
    expect(checkAddress(text)).toEqual({ ok: false, problem });
  });
});
