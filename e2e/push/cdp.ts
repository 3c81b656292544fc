/** A Chrome DevTools Protocol client that attaches to nothing by itself (Playwright attaches to service workers, which stops their timeouts). */
import { once } from 'node:events';
import * as v from 'valibot';
import { WebSocket } from 'ws';

const frame = v.object({
  id: v.optional(v.number()),
  sessionId: v.optional(v.string()),
  method: v.optional(v.string()),
  params: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
  error: v.optional(v.object({ message: v.string() })),
});

export type CdpSession = {
  readonly send: (method: string, params?: object) => Promise<unknown>;
  readonly on: (method: string, listener: (params: unknown) => void) => void;
};
export type Cdp = CdpSession & { readonly session: (id: string) => CdpSession; readonly close: () => void };

export async function connectCdp(url: string): Promise<Cdp> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, 'open');
  const waiting = new Map<number, { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }>();
  const listeners: { readonly session: string | undefined; readonly method: string; readonly listener: (params: unknown) => void }[] = [];
  let lastId = 0;
  let closed = false;

  socket.on('message', (data) => {
    const message = v.parse(frame, JSON.parse(String(data)));
    if (message.id === undefined) {
      for (const { session, method, listener } of listeners) {
        if (session === message.sessionId && method === message.method) listener(message.params);
      }
      return;
    }
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) call?.reject(new Error(message.error.message));
    else call?.resolve(message.result);
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    closed = true;
    for (const { reject } of waiting.values()) reject(new Error('the browser is gone'));
    waiting.clear();
  });

  const session = (sessionId?: string): CdpSession => ({
    send: (method, params = {}) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error('the browser is gone'));
        const id = ++lastId;
        waiting.set(id, { resolve, reject: (error) => reject(new Error(`${method}: ${error.message}`)) });
        socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
      }),
    on: (method, listener) => listeners.push({ session: sessionId, method, listener }),
  });
  return { ...session(), session, close: () => socket.terminate() };
}
