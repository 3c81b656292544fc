/**
 * The page's line to the service worker: one typed call with patience, and what the worker broadcasts.
 * A worker may be stopped in the middle of a call; then no answer ever comes. Calls that change nothing, or that
 * may be repeated without harm, are asked again; the others end in `no-answer` and the next snapshot tells the truth.
 */
import type { Api, ApiErrorCode, ApiName, ApiRequest, ApiResult, Broadcast } from '../runtime/api.ts';
import { CHANNEL } from '../runtime/api.ts';

export type CallError = { readonly code: ApiErrorCode | 'no-answer'; readonly detail: string };
export type CallResult<N extends ApiName> =
  | { readonly ok: true; readonly value: Api[N][1] }
  | { readonly ok: false; readonly error: CallError };

type Patience = { readonly ms: number; readonly tries: number };
const again: Patience = { ms: 5_000, tries: 3 };
/** Waits for a machine elsewhere: the relay, or a peer through it. */
const far: Patience = { ms: 90_000, tries: 1 };
const patience: { readonly [N in ApiName]: Patience } = {
  snapshot: again,
  'create-wallet': { ms: 30_000, tries: 1 },
  words: again,
  'words-saved': again,
  'connect-peer': far,
  'forget-peer': far,
  'rename-peer': again,
  'set-peer-policy': again,
  'set-policy': again,
  'set-forwarding': again,
  'answer-prompt': { ms: 30_000, tries: 1 },
  'open-estimate': again,
  'open-channel': far,
  'close-channel': far,
  'force-close': far,
  'close-estimate': again,
  'create-invoice': { ms: 15_000, tries: 1 },
  'cancel-invoice': { ms: 15_000, tries: 2 },
  // Looks at the chain, and may ask for the graph.
  'pay-estimate': { ms: 30_000, tries: 2 },
  // By its id it is one payment however often it is asked for.
  pay: { ms: 90_000, tries: 2 },
  keysend: { ms: 90_000, tries: 2 },
  probe: far,
  payments: again,
  payment: again,
  'refresh-graph': { ms: 90_000, tries: 1 },
  price: { ms: 20_000, tries: 1 },
  'set-relay': { ms: 30_000, tries: 1 },
  subscribed: { ms: 30_000, tries: 1 },
  'vapid-key': { ms: 15_000, tries: 2 },
  'test-wake': { ms: 30_000, tries: 1 },
  activity: again,
  'export-log': { ms: 15_000, tries: 2 },
  'hide-amounts': again,
  'receive-address': again,
  coins: again,
  'relay-socket': { ms: 30_000, tries: 1 },
  'relay-update': far,
  'restore-peers': far,
  refresh: far,
};

let held = false;

/** From now on this page asks nothing more: the worker is to end, so that the next version may take its place. */
export function holdCalls(): void {
  held = true;
}

async function ask<N extends ApiName>(request: ApiRequest, ms: number): Promise<ApiResult<N> | 'silent'> {
  const { active } = await navigator.serviceWorker.ready;
  if (held) return new Promise(() => {});
  if (!active) return 'silent';
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const timer = setTimeout(() => done('silent'), ms);
    const done = (answer: ApiResult<N> | 'silent') => {
      clearTimeout(timer);
      port1.close();
      resolve(answer);
    };
    port1.onmessage = (event: MessageEvent<ApiResult<N>>) => done(event.data);
    active.postMessage(request, [port2]);
  });
}

/** `arg` must be plain data: take a `$state.snapshot` of anything reactive first. */
export async function call<N extends ApiName>(name: N, arg: Api[N][0]): Promise<CallResult<N>> {
  const { ms, tries } = patience[name];
  const request = { t: 'api', name, arg } as ApiRequest;
  for (let i = 0; i < tries; i++) {
    const answer = await ask<N>(request, ms);
    if (answer !== 'silent') return answer;
  }
  return { ok: false, error: { code: 'no-answer', detail: name } };
}

/** Returns a function that ends the listening. */
export function onBroadcast(listener: (message: Broadcast) => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event: MessageEvent<Broadcast>) => listener(event.data);
  return () => channel.close();
}
