/** The service worker: here the node lives. Listeners only; each hands over to one function. */
import { activate, answer, install } from './sw/cache.ts';
import { onNotificationClick, onPush, onRequest, onSubscriptionChange } from './sw/events.ts';

declare const self: ServiceWorkerGlobalScope;

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));
self.addEventListener('fetch', (event) => {
  const response = answer(event.request);
  if (response !== undefined) event.respondWith(response);
});
self.addEventListener('push', (event) => event.waitUntil(onPush(event.data, Date.now())));
self.addEventListener('notificationclick', (event) => event.waitUntil(onNotificationClick(event.notification, event.action)));
self.addEventListener('pushsubscriptionchange', (event) => (event as ExtendableEvent).waitUntil(onSubscriptionChange()));
self.addEventListener('message', (event) => {
  if (event.data?.type === 'SKIP_WAITING') event.waitUntil(self.skipWaiting());
  const [port] = event.ports;
  if (event.data?.t === 'api' && port !== undefined) event.waitUntil(onRequest(event.data, port));
});
