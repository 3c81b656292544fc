/**
 * The page's part in the talk with the relay: while the page is visible it holds the WebSocket and passes what comes over
 * it to the worker, where the node is. The worker answers by itself (`fetch`); the page decides nothing and keeps nothing.
 * While the socket is open the relay sends no push.
 */
import { call } from './worker.ts';

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** Without a wallet there is nobody to wait for, and the first minute with one shall be live. */
const WALLET_RETRY_MS = 5_000;

type ServerFrame = { readonly event?: unknown; readonly body?: unknown };

/** Holds the socket whenever the page is visible, until the page goes. */
export function keepSocket(): void {
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  let opening = false;

  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void open(), retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  };

  async function open(): Promise<void> {
    if (opening || socket !== undefined || document.visibilityState !== 'visible') return;
    opening = true;
    const answer = await call('relay-socket', null);
    opening = false;
    if (!answer.ok && answer.error.code === 'no-wallet') retryMs = WALLET_RETRY_MS;
    if (!answer.ok) return later();
    const { url, token } = answer.value;
    const opened = new WebSocket(`${url.replace(/^http/, 'ws')}/api/v1/ws`);
    socket = opened;
    opened.onopen = () => {
      retryMs = FIRST_RETRY_MS;
      if (document.visibilityState !== 'visible') return rest();
      opened.send(JSON.stringify({ id: 1, op: 'hello', body: { token } }));
    };
    opened.onmessage = (event: MessageEvent<string>) => void pass(event.data);
    opened.onclose = () => {
      if (socket === opened) socket = undefined;
      later();
    };
  }

  /** One that is still connecting rests as soon as it has opened: to close it now would be an error in the console. */
  const rest = (): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.close();
  };

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') void open();
    else rest();
  });
  addEventListener('pagehide', rest);
  void open();
}

async function pass(data: string): Promise<void> {
  let frame: ServerFrame;
  try {
    frame = JSON.parse(data) as ServerFrame;
  } catch {
    return;
  }
  if (frame.event === 'update') await call('relay-update', { answer: frame.body });
}
