import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { makeCertificates } from './certificates.ts';
import { listen, shut } from './serve.ts';

test('the certificates are what they say', () => {
  const made = makeCertificates(['push.example.invalid']);
  const [ca, leaf] = [new X509Certificate(made.ca), new X509Certificate(made.cert)];
  expect(ca.ca && !leaf.ca && leaf.verify(ca.publicKey) && leaf.checkIssued(ca)).toBe(true);
  expect(leaf.subjectAltName).toBe('IP Address:127.0.0.1, DNS:localhost, DNS:push.example.invalid');
  expect(Date.parse(leaf.validTo) - Date.now()).toBeGreaterThan(29 * 24 * 3600 * 1000);
});

/** Signatures and so encodings differ in length from one to the next: every length must be well formed. */
test('TLS accepts fifty of them, each with its own authority only', async () => {
  const stranger = makeCertificates();
  for (let i = 0; i < 50; i++) {
    const { ca, cert, key } = makeCertificates([`${'x'.repeat(i)}.example.invalid`]);
    const server = tls.createServer({ cert, key }, (socket) => socket.end());
    const port = await listen(server);
    const good = tls.connect({ port, host: '127.0.0.1', ca });
    await once(good, 'secureConnect');
    good.destroy();
    const bad = tls.connect({ port, host: '127.0.0.1', ca: stranger.ca });
    const [error] = await once(bad, 'error').catch((cause) => [cause]);
    expect(String(error)).toMatch(/certificate/);
    await shut(server);
  }
});
