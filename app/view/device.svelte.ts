/** What this browser allows: installed or not, notifications, kept storage, online. */

/** Chromium's event of an installable page; not in the DOM types. */
type InstallPrompt = Event & { prompt(): Promise<{ readonly outcome: 'accepted' | 'dismissed' }> };
export type Permission = 'granted' | 'denied' | 'default' | 'unsupported';

function isApplePhone(): boolean {
  // An iPad calls itself a Macintosh; its touch points give it away.
  return /iPhone|iPad|iPod/.test(navigator.userAgent) || (navigator.userAgent.includes('Macintosh') && navigator.maxTouchPoints > 1);
}

class Device {
  installed = $state(false);
  canInstall = $state(false);
  /** On iPhone and iPad only an app on the home screen may be woken. */
  applePhone = $state(false);
  permission = $state<Permission>('unsupported');
  /** null: the browser does not say. */
  persisted = $state<boolean | null>(null);
  online = $state(true);
  #prompt: InstallPrompt | null = null;

  start(): void {
    this.applePhone = isApplePhone();
    this.online = navigator.onLine;
    addEventListener('online', () => (this.online = true));
    addEventListener('offline', () => (this.online = false));
    const standalone = matchMedia('(display-mode: standalone)');
    const look = () => (this.installed = standalone.matches || ('standalone' in navigator && navigator.standalone === true));
    standalone.addEventListener('change', look);
    look();
    addEventListener('beforeinstallprompt', (event) => {
      event.preventDefault();
      this.#prompt = event as InstallPrompt;
      this.canInstall = true;
    });
    addEventListener('appinstalled', () => {
      this.canInstall = false;
      this.installed = true;
    });
    this.lookAgain();
    void this.#watchPermission();
    void this.#readPersisted();
  }

  lookAgain(): void {
    const can = 'Notification' in window && 'PushManager' in window;
    this.permission = can ? Notification.permission : 'unsupported';
  }

  async #watchPermission(): Promise<void> {
    try {
      const status = await navigator.permissions.query({ name: 'notifications' });
      status.onchange = () => this.lookAgain();
    } catch {
      // Some browsers do not know this name; then the permission is read again when the page is asked for.
      document.addEventListener('visibilitychange', () => this.lookAgain());
    }
  }

  async #readPersisted(): Promise<void> {
    this.persisted = (await navigator.storage?.persisted?.()) ?? null;
  }

  /** Asks the browser to keep our database even when space is short. */
  async keepStorage(): Promise<boolean> {
    this.persisted = (await navigator.storage?.persist?.()) ?? null;
    return this.persisted === true;
  }

  async install(): Promise<void> {
    const answer = await this.#prompt?.prompt();
    this.#prompt = null;
    this.canInstall = false;
    if (answer?.outcome === 'accepted') this.installed = true;
  }
}

export const device = new Device();
