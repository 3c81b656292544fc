/** The smallest site that can be woken: its worker shows what a push said and reports it to the server. */
import http from 'node:http';
import { listen, shut, within } from './serve.ts';

const PAGE = `<!doctype html><title>woken</title><script>
  const ready = navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready);
  const subscribe = async (key) => {
    const registration = await ready;
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    return JSON.stringify(subscription);
  };
</script>`;

const WORKER = `
  const report = (what, text) => fetch('/report', { method: 'POST', body: JSON.stringify({ what, text }) });
  addEventListener('push', (event) => event.waitUntil((async () => {
    const text = event.data ? event.data.text() : '';
    const pages = await clients.matchAll({ includeUncontrolled: true });
    const actions = [{ action: 'approve', title: 'Approve' }];
    await registration.showNotification('Woken', { body: text, tag: 'wake', actions });
    const shown = await registration.getNotifications();
    await report('push', [text, pages.length, shown.map((one) => one.title + ': ' + one.body).join()].join('|'));
  })()));
  addEventListener('notificationclick', (event) => event.waitUntil((async () => {
    event.notification.close();
    await report('click', event.action);
  })()));
  addEventListener('pushsubscriptionchange', (event) => event.waitUntil(report('change', String(event.newSubscription))));
`;

export type Site = {
  readonly origin: string;
  /** The next report of this kind that nobody has taken yet. */
  readonly next: (what: 'push' | 'click' | 'change', ms?: number) => Promise<string>;
  readonly stop: () => Promise<void>;
};

export async function startSite(): Promise<Site> {
  const reports: { readonly what: string; readonly text: string }[] = [];
  const waiting = new Set<() => void>();
  const files = new Map([
    ['/', ['text/html', PAGE]],
    ['/sw.js', ['text/javascript', WORKER]],
    ['/manifest.webmanifest', ['application/manifest+json', '{}']],
  ]);
  const server = http.createServer((request, response) => {
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        reports.push(JSON.parse(Buffer.concat(chunks).toString()));
        for (const check of waiting) check();
        response.end();
      });
      return;
    }
    const [type, body] = files.get(request.url ?? '') ?? [];
    response.writeHead(type === undefined ? 404 : 200, { 'content-type': type ?? 'text/plain' }).end(body);
  });
  const port = await listen(server);

  const next = async (what: string, ms = 10_000) => {
    let check = () => {};
    const found = new Promise<string>((resolve) => {
      check = () => {
        const at = reports.findIndex((report) => report.what === what);
        if (at < 0) return;
        waiting.delete(check);
        resolve(reports.splice(at, 1)[0]?.text ?? '');
      };
      waiting.add(check);
      check();
    });
    return within(ms, `report of ${what}`, found).finally(() => waiting.delete(check));
  };
  return { origin: `http://localhost:${port}`, next, stop: () => shut(server) };
}
