/**
 * Which chain this app is for, and whether it stands in the embedded test world: said by the page's own origin in
 * `/world.json`, never by a relay. An ordinary installation has no such file and means the main chain.
 */

class World {
  network = $state('mainnet');
  /** Base address of the test world's control API. */
  lab = $state<string | undefined>();
  #loading: Promise<void> | null = null;

  load(): Promise<void> {
    this.#loading ??= this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    try {
      const answer = await fetch('/world.json', { cache: 'no-store' });
      if (!answer.ok) return;
      const world: { network?: unknown; lab?: unknown } = await answer.json();
      if (typeof world.network === 'string') this.network = world.network;
      // Only a path of our own origin: the content policy would refuse anything else.
      if (typeof world.lab === 'string' && /^\/[^/]/.test(world.lab)) this.lab = world.lab;
    } catch {
      // Offline: an installed app knows its chain already, and a new wallet needs the relay anyway.
      this.#loading = null;
    }
  }
}

export const world = new World();
