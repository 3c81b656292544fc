/**
 * A throw-away certificate authority and one server certificate, made in memory (X.509 v3, P-256): the push services must speak
 * TLS because web-push speaks nothing else. Node can sign but not issue, so the DER (X.690) is written here.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export type Certificates = {
  /** PEM. What must trust the services gets `ca`, the services get `key` and `cert`. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
  /** base64 SHA-256 of the server's public key, for Chromium's `--ignore-certificate-errors-spki-list`. */
  readonly spki: string;
};

const DAY_MS = 24 * 60 * 60 * 1000;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const size = Buffer.from(body.length.toString(16).padStart(4, '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x82), size, body]);
}
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const octets = (content: Uint8Array) => der(0x04, content);
const bits = (content: Uint8Array) => der(0x03, Buffer.of(0), content);
const TRUE = der(0x01, Buffer.of(0xff));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const name = (common: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(common)))));
const utcTime = (ms: number) => der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
const extension = (id: string, critical: boolean, value: Uint8Array) =>
  critical ? sequence(oid(id), TRUE, octets(value)) : sequence(oid(id), octets(value));

const pem = (certificate: Uint8Array) => {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
};
const spkiOf = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });

function issue(subject: string, publicKey: KeyObject, issuer: string, issuerKey: KeyObject, extensions: readonly Uint8Array[]): string {
  const serial = randomBytes(8);
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f); // positive, and never shorter than it looks
  const toSign = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    ECDSA_SHA256,
    name(issuer),
    sequence(utcTime(Date.now() - DAY_MS), utcTime(Date.now() + 30 * DAY_MS)),
    name(subject),
    spkiOf(publicKey),
    der(0xa3, sequence(...extensions)),
  );
  return pem(sequence(toSign, ECDSA_SHA256, bits(sign('sha256', toSign, issuerKey))));
}

/** Valid for a month, for 127.0.0.1, localhost and `names`. */
export function makeCertificates(names: readonly string[] = []): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const server = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const alternatives = sequence(der(0x87, Buffer.of(127, 0, 0, 1)), ...['localhost', ...names].map((dns) => der(0x82, Buffer.from(dns))));
  const issuer = 'Beckon test authority';
  return {
    ca: issue(issuer, authority.publicKey, issuer, authority.privateKey, [extension('551d13', true, sequence(TRUE))]),
    cert: issue('localhost', server.publicKey, issuer, authority.privateKey, [
      extension('551d11', false, alternatives),
      extension('551d25', false, sequence(oid('2b06010505070301'))),
    ]),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    spki: createHash('sha256').update(spkiOf(server.publicKey)).digest('base64'),
  };
}
