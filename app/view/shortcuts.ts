/** Keys that work everywhere, unless something is being typed or the user switched them off. */
import { draft } from './draft.svelte.ts';
import { node } from './node.svelte.ts';
import { prefs } from './prefs.svelte.ts';
import { router } from './router.svelte.ts';

const places = [[], ['activity'], ['channels'], ['settings']] as const;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function search(): void {
  const field = document.querySelector<HTMLInputElement>('[data-search]');
  if (field) field.focus();
  else router.go('activity');
}

export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape') {
    if (isTyping(event.target) && event.target instanceof HTMLElement) event.target.blur();
    else document.querySelector<HTMLElement>('[data-back]')?.click();
    return;
  }
  if (!prefs.shortcuts || isTyping(event.target)) return;
  const place = /^[1-4]$/.test(event.key) ? places[Number(event.key) - 1] : undefined;
  if (place) router.go(...place);
  else if (event.key === '/') {
    event.preventDefault();
    search();
  } else if (event.key === 's') router.go('send');
  else if (event.key === 'r') router.go('receive');
  else if (event.key === 'c') void node.refresh();
}

/** What is pasted anywhere but into a field is meant to be paid. It stands in the box, and waits for a yes there. */
export function onPaste(event: ClipboardEvent): void {
  const text = event.clipboardData?.getData('text/plain').trim() ?? '';
  if (text === '' || isTyping(event.target) || node.snapshot?.wallet !== 'ready' || document.querySelector('dialog[open]')) return;
  draft.text = text;
  router.go('send');
}
