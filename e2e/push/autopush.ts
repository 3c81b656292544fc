/**
 * A stand-in for Mozilla's push service: the WebSocket that Firefox holds open, and the HTTPS endpoint that the relay posts to.
 * Messages wait until Firefox acknowledges them; TTL and Topic act on those. It says nothing about Mozilla's limits and delays.
 */
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import * as v from 'valibot';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Certificates } from './certificates.ts';
import { type Post, type Sealed, startEndpoint } from './endpoint.ts';
import { listen, shut } from './serve.ts';

const update = v.object({ channelID: v.string(), version: v.string() });
const fromBrowser = v.variant('messageType', [
  v.object({ messageType: v.literal('hello'), uaid: v.optional(v.string()) }),
  v.object({ messageType: v.literal('register'), channelID: v.string(), key: v.optional(v.string(), '') }),
  v.object({ messageType: v.literal('unregister'), channelID: v.string() }),
  v.object({ messageType: v.literal('ack'), updates: v.array(update) }),
  v.object({ messageType: v.literal('broadcast_subscribe') }),
  v.object({ messageType: v.literal('nack') }),
]);

type Notification = {
  readonly messageType: 'notification';
  readonly channelID: string;
  readonly version: string;
  readonly data?: string;
  readonly headers?: { readonly encoding: string };
};
type Waiting = { readonly notification: Notification; readonly topic: string | undefined; readonly expiresMs: number };
type Channel = { readonly uaid: string; readonly key: string; waiting: readonly Waiting[] };

export type Autopush = {
  /** For Firefox's `dom.push.serverURL`. */
  readonly serverUrl: string;
  /** For whatever posts to the endpoints: trusts this service's certificate. */
  readonly agent: https.Agent;
  /** `host:port` of the endpoints, which a relay must be told to allow. */
  readonly pushHost: string;
  /** Every POST so far, refused ones too. */
  readonly posts: readonly Post[];
  /** Browsers on the WebSocket now. */
  readonly connected: () => number;
  /** Drops every subscription and connection, as after a loss of the service's data: workers get `pushsubscriptionchange`. */
  readonly forget: () => void;
  readonly stop: () => Promise<void>;
};

export async function startAutopush(certificates: Certificates): Promise<Autopush> {
  const channels = new Map<string, Channel>();
  const browsers = new Map<string, WebSocket>();
  const web = http.createServer();
  const sockets = new WebSocketServer({
    server: web,
    handleProtocols: (protocols) => (protocols.has('push-notification') ? 'push-notification' : false),
  });

  const endpoint = await startEndpoint(certificates, (channelID) => {
    const channel = channels.get(channelID);
    if (!channel) return undefined;
    const accept = ({ body, encoding, ttl, topic }: Sealed) => {
      const version = randomBytes(12).toString('hex');
      const sealed = body.length === 0 ? {} : { data: body.toString('base64url'), headers: { encoding } };
      const notification: Notification = { messageType: 'notification', channelID, version, ...sealed };
      const others = channel.waiting.filter((waiting) => waiting.topic === undefined || waiting.topic !== topic);
      channel.waiting = [...others, { notification, topic, expiresMs: Date.now() + ttl * 1000 }];
      browsers.get(channel.uaid)?.send(JSON.stringify(notification));
    };
    return { applicationServerKey: channel.key, accept };
  });

  sockets.on('connection', (socket) => {
    let uaid = '';
    const answer = (message: object) => socket.send(JSON.stringify(message));
    const hello = (known: string | undefined) => {
      const remembered = [...channels.values()].some((channel) => channel.uaid === known);
      uaid = known !== undefined && remembered ? known : randomBytes(16).toString('hex');
      browsers.set(uaid, socket);
      answer({ messageType: 'hello', status: 200, uaid, use_webpush: true, broadcasts: {} });
      for (const channel of channels.values()) {
        if (channel.uaid !== uaid) continue;
        for (const { notification, expiresMs } of channel.waiting) if (expiresMs > Date.now()) answer(notification);
      }
    };
    socket.on('message', (data) => {
      const text = String(data);
      if (text === '{}') return answer({});
      const message = v.parse(fromBrowser, JSON.parse(text));
      switch (message.messageType) {
        case 'hello':
          return hello(message.uaid);
        case 'register': {
          const { channelID, key } = message;
          channels.set(channelID, { uaid, key, waiting: [] });
          const pushEndpoint = `${endpoint.origin}/wpush/v2/${channelID}`;
          return answer({ messageType: 'register', status: 200, channelID, pushEndpoint });
        }
        case 'unregister':
          channels.delete(message.channelID);
          return answer({ messageType: 'unregister', status: 200, channelID: message.channelID });
        case 'ack':
          for (const { channelID, version } of message.updates) {
            const channel = channels.get(channelID);
            if (channel) channel.waiting = channel.waiting.filter(({ notification }) => notification.version !== version);
          }
          return;
        case 'broadcast_subscribe':
        case 'nack':
          return;
      }
    });
    socket.on('close', () => {
      if (browsers.get(uaid) === socket) browsers.delete(uaid);
    });
  });
  const port = await listen(web);
  const agent = new https.Agent({ ca: certificates.ca });
  const dropAll = () => {
    for (const socket of sockets.clients) socket.terminate();
  };

  return {
    serverUrl: `ws://127.0.0.1:${port}/`,
    agent,
    pushHost: new URL(endpoint.origin).host,
    posts: endpoint.posts,
    connected: () => browsers.size,
    forget: () => {
      channels.clear();
      dropAll();
    },
    stop: async () => {
      agent.destroy();
      dropAll();
      sockets.close();
      await Promise.all([endpoint.stop(), shut(web)]);
    },
  };
}
