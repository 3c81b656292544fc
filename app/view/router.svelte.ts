/** The present address as a reactive value, and the ways to another. */
import { href, parse, type Route } from './route.ts';

export { href } from './route.ts';

class Router {
  route = $state.raw<Route>({ place: '', parts: [] });
  #depth = 0;

  start(): void {
    // A plain path, as a notification or a typed address may have it, means the same place.
    if (location.pathname !== '/' && location.hash === '') history.replaceState(null, '', `/#${location.pathname}`);
    this.route = parse(location.hash);
    addEventListener('hashchange', () => {
      this.#depth++;
      this.route = parse(location.hash);
    });
  }
  go(...parts: readonly string[]): void {
    location.hash = href(...parts);
  }
  /** Takes the place of the present address in the history, so that Back does not return to it. */
  replace(...parts: readonly string[]): void {
    history.replaceState(null, '', href(...parts));
    this.route = parse(location.hash);
  }
  /** For a page that asks for something that takes its time: what it does after it is done only while whoever asked is still there. */
  staying(): (leave: () => void) => void {
    const { route } = this;
    return (leave) => {
      if (this.route === route) leave();
    };
  }
  /** Where we came from, or `fallback` when this page was opened directly. */
  back(...fallback: readonly string[]): void {
    if (this.#depth > 0) history.back();
    else this.replace(...fallback);
  }
}

export const router = new Router();
