/** The buttons of the embedded test world. Only there: nothing of a real network offers this API. */
import { node } from './node.svelte.ts';
import { type CallError, call } from './worker.ts';

const PEER = 'Alice';
/** At the far end of the line: what goes to her or comes from her takes three hops. */
const FAR_PEER = 'Carol';
const AMOUNT_SAT = '200000';
/** So that a newcomer has something to pay with. */
const PUSH_SAT = '50000';
const PAY_SAT = '2500';
const COINS_SAT = '1000000';
/** Long enough to close the page; then the blocks come by themselves, so that all of it happens to a sleeping node. */
const ASLEEP = { afterMs: 10_000, mine: 3 } as const;
/** The peer may need a moment until a new connection counts. */
const TRIES = 20;
const TRY_MS = 250;

type LabPeer = { readonly alias: string; readonly id: string; readonly host: string; readonly port: number };
type Answer = {
  readonly status: number;
  readonly body: { readonly error?: { readonly message?: string }; readonly peers?: readonly LabPeer[]; readonly text?: string };
};

async function ask(url: string, body?: Record<string, string | number>): Promise<Answer> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(url, body === undefined ? {} : post);
  return { status: response.status, body: await response.json() };
}

function insist({ status, body }: Answer): Answer['body'] {
  if (status >= 400) throw new Error(body.error?.message ?? String(status));
  return body;
}

type Deed = 'mine' | 'coins' | 'open' | 'open-asleep' | 'invoice' | 'pay' | 'pay-asleep';

class Lab {
  busy = $state<Deed | null>(null);
  failed = $state('');
  /** An invoice of Carol's, to be scanned or copied. */
  invoice = $state('');
  error = $state.raw<CallError | null>(null);

  mine(base: string): Promise<boolean> {
    return this.#run('mine', async () => void insist(await ask(`${base}/mine`, {})));
  }

  /** To our own address, and into the chain. */
  coins(base: string): Promise<boolean> {
    return this.#run('coins', async () => {
      const given = await call('receive-address', null);
      if (given.ok) insist(await ask(`${base}/send`, { address: given.value.address, amountSat: COINS_SAT, mine: 1 }));
      else this.error = given.error;
    });
  }

  /** Connects to Alice first when that was not done yet. */
  open(base: string, nodeId: string, asleep: boolean): Promise<boolean> {
    return this.#run(asleep ? 'open-asleep' : 'open', async () => {
      const alice = insist(await ask(`${base}/info`)).peers?.find(({ alias }) => alias.toLowerCase() === PEER.toLowerCase());
      if (alice && !(await this.#connect(alice))) return;
      for (let i = 1; ; i++) {
        const answer = await ask(`${base}/open`, {
          peer: PEER,
          amountSat: AMOUNT_SAT,
          pushSat: PUSH_SAT,
          nodeId,
          ...(asleep ? ASLEEP : {}),
        });
        if (answer.status !== 409 || i === TRIES) return void insist(answer);
        await new Promise((resolve) => setTimeout(resolve, TRY_MS));
      }
    });
  }

  /** Carol asks for a payment. */
  ask(base: string): Promise<boolean> {
    return this.#run('invoice', async () => {
      this.invoice = insist(await ask(`${base}/invoice`, { peer: FAR_PEER, amountSat: PAY_SAT })).text ?? '';
    });
  }

  /** Carol pays an invoice of ours. */
  pay(base: string, asleep: boolean): Promise<boolean> {
    return this.#run(asleep ? 'pay-asleep' : 'pay', async () => {
      const made = await call('create-invoice', { amountMsat: `${PAY_SAT}000`, description: `coffee for ${FAR_PEER}` });
      if (made.ok)
        insist(await ask(`${base}/pay`, { peer: FAR_PEER, text: made.value.text, ...(asleep ? { afterMs: ASLEEP.afterMs } : {}) }));
      else this.error = made.error;
    });
  }

  async #connect({ id, host, port }: LabPeer): Promise<boolean> {
    const known = node.snapshot?.peers.find(({ peerId }) => peerId === id);
    if (known?.link === 'ready') return true;
    const connected = await node.act('connect-peer', { address: `${id}@${host}:${port}` });
    if (!connected.ok) this.error = connected.error;
    else if (!known?.alias) await node.act('rename-peer', { peerId: id, alias: PEER });
    return connected.ok;
  }

  async #run(what: Deed, work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = what;
    this.failed = '';
    this.error = null;
    try {
      await work();
    } catch (error) {
      this.failed = error instanceof Error ? error.message : String(error);
    }
    this.busy = null;
    return this.failed === '' && this.error === null;
  }
}

export const lab = new Lab();
