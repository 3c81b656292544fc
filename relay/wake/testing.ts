/** For tests: the device's end of a Web Push (RFC 8291), written from the RFC so that web-push is not its own witness. */
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { toBase64Url } from '../../shared/lib/bytes.ts';

export type DeviceKeys = {
  readonly subscription: { readonly p256dh: string; readonly auth: string };
  /** Throws when the body was not sealed to these keys. */
  readonly open: (body: Uint8Array) => string;
};

export function deviceKeys(): DeviceKeys {
  const own = createECDH('prime256v1');
  own.generateKeys();
  const auth = randomBytes(16);
  const hkdf = (salt: Uint8Array, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', secret, salt, info, length));
  return {
    subscription: { p256dh: toBase64Url(own.getPublicKey()), auth: toBase64Url(auth) },
    open: (body) => {
      // RFC 8188: salt (16) | record size (4) | key id length (1) | key id, which is the sender's public key (65).
      const salt = body.subarray(0, 16);
      const sender = body.subarray(21, 86);
      const info = Buffer.concat([Buffer.from('WebPush: info\0'), own.getPublicKey(), sender]);
      const secret = hkdf(auth, own.computeSecret(sender), info, 32);
      const key = hkdf(salt, secret, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
      const nonce = hkdf(salt, secret, Buffer.from('Content-Encoding: nonce\0'), 12);
      const opener = createDecipheriv('aes-128-gcm', key, nonce);
      opener.setAuthTag(body.subarray(-16));
      const padded = Buffer.concat([opener.update(body.subarray(86, -16)), opener.final()]);
      return padded.subarray(0, padded.lastIndexOf(2)).toString();
    },
  };
}
