/** Starts the service worker and watches for a new version of it. Without a worker there is no node: `state` says why. */
import { Workbox } from 'workbox-window';
import { holdCalls } from './worker.ts';

export type ShellState = 'starting' | 'ready' | 'no-worker' | 'insecure' | 'no-storage' | 'failed';

declare global {
  interface Window {
    readonly trustedTypes?: {
      createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
    };
  }
}

/** The one script address this page ever hands to the browser, so that a Trusted Types policy can allow just that. */
function workerUrl(): string {
  const url = '/sw.js';
  return window.trustedTypes?.createPolicy('beckon', { createScriptURL: () => url }).createScriptURL(url) ?? url;
}

async function storageWorks(): Promise<boolean> {
  if (!('indexedDB' in window)) return false;
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open('beckon-probe');
      request.onerror = () => resolve(false);
      request.onsuccess = () => {
        request.result.close();
        indexedDB.deleteDatabase('beckon-probe');
        resolve(true);
      };
    } catch {
      resolve(false);
    }
  });
}

/** A worker in the middle of its work is replaced only when it is done; so long the page waits before it loads anew. */
const TAKE_OVER_MS = 4_000;
/** The user's yes lives through that load, in this tab. */
const YES = 'update-wanted';

class Shell {
  state = $state<ShellState>('starting');
  detail = $state('');
  updateReady = $state(false);
  updating = $state(false);
  #workbox: Workbox | null = null;
  #waiting = false;

  async start(): Promise<void> {
    if (!window.isSecureContext) this.state = 'insecure';
    else if (!('serviceWorker' in navigator)) this.state = 'no-worker';
    else if (!(await storageWorks())) this.state = 'no-storage';
    else await this.#register();
  }

  async #register(): Promise<void> {
    const workbox = new Workbox(workerUrl());
    workbox.addEventListener('waiting', () => {
      this.#waiting = true;
      this.updateReady = true;
      if (sessionStorage.getItem(YES) !== null) {
        this.updating = true;
        workbox.messageSkipWaiting();
      }
    });
    workbox.addEventListener('controlling', (event) => {
      if (sessionStorage.getItem(YES) !== null) {
        sessionStorage.removeItem(YES);
        location.reload();
      } else if (event.isUpdate) {
        // Another tab let the new version in: this one still runs the old page.
        this.#waiting = false;
        this.updateReady = true;
      }
    });
    this.#workbox = workbox;
    try {
      await workbox.register({ immediate: true });
      await navigator.serviceWorker.ready;
      this.state = 'ready';
    } catch (error) {
      this.state = 'failed';
      this.detail = error instanceof Error ? error.message : String(error);
    }
  }

  /** The user said yes to the new version. */
  update(): void {
    this.updating = true;
    if (this.#waiting) {
      sessionStorage.setItem(YES, '1');
      holdCalls();
      this.#workbox?.messageSkipWaiting();
      setTimeout(() => location.reload(), TAKE_OVER_MS);
    } else location.reload();
  }
}

export const shell = new Shell();
