/** What belongs to this page and not to the node: colours and keyboard shortcuts. */

export type Theme = 'auto' | 'light' | 'dark';
export const themes: readonly Theme[] = ['auto', 'light', 'dark'];

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is barred: the choice holds until the page is closed.
  }
}

class Prefs {
  theme = $state<Theme>('auto');
  shortcuts = $state(true);

  start(): void {
    const theme = read('theme');
    if (theme === 'light' || theme === 'dark') this.theme = theme;
    this.shortcuts = read('shortcuts') !== 'off';
    this.#apply();
  }
  setTheme(theme: Theme): void {
    this.theme = theme;
    write('theme', theme);
    this.#apply();
  }
  setShortcuts(on: boolean): void {
    this.shortcuts = on;
    write('shortcuts', on ? 'on' : 'off');
  }
  #apply(): void {
    if (this.theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }
}

export const prefs = new Prefs();
