/** The price that amounts are shown by. Off until the user wants it; kept in this browser; asked for while a page is looked at. */
import { now } from './clock.svelte.ts';
import { currentRate, defaultChoice, fiatText, isDue, isRate, type PriceChoice, type Quote, REFRESH_MS, readChoice } from './fiat.ts';
import { type CallError, call } from './worker.ts';

const KEY = 'price';
const language = (): string => navigator.language;

class Price {
  choice = $state.raw<PriceChoice>(defaultChoice('en'));
  quote = $state.raw<Quote | null>(null);
  /** Why there is none, or no new one. */
  problem = $state.raw<CallError | null>(null);
  busy = $state(false);

  start(): void {
    this.choice = readChoice(this.#kept(), language());
    const look = (): void => {
      if (document.visibilityState === 'visible' && isDue(this.choice, this.quote, Date.now())) void this.ask();
    };
    document.addEventListener('visibilitychange', look);
    setInterval(look, REFRESH_MS);
    look();
  }

  /** Takes effect at once; resolves when the first price by it is there, or known not to come. */
  async choose(choice: PriceChoice): Promise<void> {
    this.choice = choice;
    this.problem = null;
    this.quote = null;
    try {
      localStorage.setItem(KEY, JSON.stringify(choice));
    } catch {
      // Storage is barred: the choice holds until the page is closed.
    }
    if (isDue(choice, null, Date.now())) await this.ask();
  }

  async ask(): Promise<void> {
    const { choice } = this;
    const { currency, url, path } = choice;
    this.busy = true;
    const answer = await call('price', choice.mode === 'own' ? { currency, source: { url, path } } : { currency });
    // Chosen anew meanwhile: that asks for itself.
    if (choice !== this.choice) return;
    this.busy = false;
    this.problem = answer.ok ? null : answer.error;
    // Its age counts from here: the relay's clock is its own, and it keeps an answer for no more than a minute.
    if (answer.ok && isRate(answer.value.rate)) this.quote = { currency, rate: answer.value.rate, atMs: Date.now() };
  }

  /** Of one bitcoin, and since when it is known; null: amounts are shown in sat only. */
  get current(): { readonly rate: number; readonly atMs?: number } | null {
    return this.choice.mode === 'off' ? null : currentRate(this.choice, this.quote, now());
  }

  /** "€2.50", or null when there is no price to tell by. */
  text(msat: bigint): string | null {
    const { current, choice } = this;
    return current === null ? null : fiatText(msat, current.rate, choice.currency, language());
  }

  #kept(): string | null {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }
}

export const price = new Price();
