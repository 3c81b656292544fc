/** Making the wallet. The words are made here in the page; the worker gets what they stand for. */
import { device } from './device.svelte.ts';
import { node } from './node.svelte.ts';
import { router } from './router.svelte.ts';
import { type CallError, call } from './worker.ts';
import { world } from './world.svelte.ts';

class Wallet {
  busy = $state(false);
  error = $state.raw<CallError | null>(null);

  async make(count: 12 | 24): Promise<void> {
    const { newWords } = await import('./words.ts');
    await this.#create(newWords(count), false, ['welcome', 'words']);
  }

  /** `words` must be good words of `checkWords`. */
  async restore(words: string): Promise<boolean> {
    return this.#create(words, true, ['notify', 'first']);
  }

  /** The words that are in use; null when the worker cannot tell, with `error` set. */
  async words(): Promise<readonly string[] | null> {
    const answer = await call('words', null);
    this.error = answer.ok ? null : answer.error;
    return answer.ok ? (await import('./words.ts')).wordsOf(answer.value.entropy) : null;
  }

  async #create(words: string, restore: boolean, next: readonly string[]): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    // Kept storage is asked for with the first wallet: from now on there is something to lose.
    void device.keepStorage();
    await world.load();
    const { network } = world;
    const { walletOf } = await import('./words.ts');
    // While there is no wallet every address shows the first start; so the next page is the first one seen after it.
    router.replace(...next);
    const answer = await node.act('create-wallet', { ...walletOf(words, network), network, restore });
    this.error = answer.ok ? null : answer.error;
    if (!answer.ok) router.replace('welcome', ...(restore ? ['restore'] : []));
    this.busy = false;
    return answer.ok;
  }
}

export const wallet = new Wallet();
