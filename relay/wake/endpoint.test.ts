import { describe, expect, it } from 'vitest';
import { checkEndpoint } from './endpoint.ts';

const fault = (endpoint: string, extra: readonly string[] = []) => {
  const checked = checkEndpoint(endpoint, extra);
  return checked.ok ? 'ok' : checked.error;
};

describe('push endpoints', () => {
  it.each([
    'https://fcm.googleapis.com/fcm/send/abc:def',
    'https://jmt17.google.com/fcm/send/token',
    'https://updates.push.services.mozilla.com/wpush/v2/gAAA',
    'https://autopush.prod.push.services.mozilla.com/wpush/v2/x',
    'https://web.push.apple.com/QGuQ',
    'https://wns2-par02p.notify.windows.com/w/?token=BQ',
    'https://FCM.googleapis.com:443/fcm/send/abc',
  ])('%s is called', (endpoint) => {
    expect(fault(endpoint)).toBe('ok');
  });

  it.each([
    ['http://fcm.googleapis.com/x', 'not-https'],
    ['ftp://fcm.googleapis.com/x', 'not-https'],
    ['not a url', 'not-a-url'],
    ['https://user@fcm.googleapis.com/x', 'credentials'],
    ['https://fcm.googleapis.com:x@10.0.0.1/', 'credentials'],
    ['https://fcm.googleapis.com:8443/x', 'port'],
    ['https://fcm.googleapis.com:22/x', 'port'],
    ['https://fcm.googleapis.com/x#y', 'fragment'],
    ['https://127.0.0.1/x', 'host'],
    ['https://2130706433/x', 'host'],
    ['https://[::1]/x', 'host'],
    ['https://169.254.169.254/latest/meta-data', 'host'],
    ['https://localhost/x', 'host'],
    ['https://evil.example/fcm.googleapis.com', 'host'],
    ['https://fcm.googleapis.com.evil.example/x', 'host'],
    ['https://evilfcm.googleapis.com/x', 'host'],
    ['https://evilpush.apple.com/x', 'host'],
    ['https://push.apple.com/x', 'host'],
    ['https://fcm.googleapis.com\\@evil.example/x', 'ok'],
    ['https://evil.example\\@fcm.googleapis.com/x', 'host'],
    ['https://fcm.googleapis.com%2eevil.example/x', 'host'],
    ['https://fcm。googleapis。com/x', 'ok'],
    ['https://fcm.googleapis.com./x', 'host'],
    ['https://metadata.google.internal/', 'host'],
  ])('%s: %s', (endpoint, expected) => {
    expect(fault(endpoint)).toBe(expected);
  });

  it('what the parser made of odd spellings is what is called', () => {
    const backslash = checkEndpoint('https://fcm.googleapis.com\\@evil.example/x');
    expect(backslash.ok && backslash.value.hostname).toBe('fcm.googleapis.com');
    const wide = checkEndpoint('https://fcm。googleapis。com/x');
    expect(wide.ok && wide.value.href).toBe('https://fcm.googleapis.com/x');
  });

  it('the operator can add a host, a suffix and a port, and only those', () => {
    const extra = ['127.0.0.1:9443', '.push.example.org', 'ntfy.example.org'];
    expect(fault('https://127.0.0.1:9443/wpush/v2/1', extra)).toBe('ok');
    expect(fault('https://127.0.0.1:9444/wpush/v2/1', extra)).toBe('port');
    expect(fault('https://127.0.0.1/wpush/v2/1', extra)).toBe('port');
    expect(fault('https://a.push.example.org/1', extra)).toBe('ok');
    expect(fault('https://ntfy.example.org/1', extra)).toBe('ok');
    expect(fault('https://x.ntfy.example.org/1', extra)).toBe('host');
  });
});
