/**
 * What a person does with a page, for any browser whose pages can run an expression: taps what is labelled so, types, reads.
 * Each waits until the thing is there.
 */
import { waitFor } from './wait.ts';

export type Evaluates = {
  readonly evaluate: (expression: string) => Promise<unknown>;
  /** A real click there, for browsers in which a script cannot stand in for a person. */
  readonly clickAt?: (x: number, y: number) => Promise<void>;
};

const VISIBLE = `(selector, text) => [...document.querySelectorAll(selector)].filter((element) =>
  element.checkVisibility() && !element.disabled && element.textContent.trim().includes(text))`;
const q = (value: string): string => JSON.stringify(value);

/** The first button or link with this text that can be tapped. */
export async function press(page: Evaluates, text: string): Promise<void> {
  const find = `const [it] = (${VISIBLE})('button, a[href]', ${q(text)});`;
  const click = `(() => { ${find} it?.click(); return it !== undefined; })()`;
  const locate = `(() => { ${find} it?.scrollIntoView({ block: 'center' }); const box = it?.getBoundingClientRect();
    return box && [box.x + box.width / 2, box.y + box.height / 2]; })()`;
  await waitFor(
    async () => {
      if (page.clickAt === undefined) return (await page.evaluate(click)) === true;
      const place = await page.evaluate(locate);
      if (!Array.isArray(place)) return undefined;
      await page.clickAt(Number(place[0]), Number(place[1]));
      return true;
    },
    { what: `a button "${text}"` },
  );
}

/** Types into the field with this label, in place of what it holds. */
export async function type(page: Evaluates, label: string, text: string): Promise<void> {
  const script = `(() => {
    const [it] = (${VISIBLE})('label', ${q(label)}).map((one) => one.control);
    if (!it) return false;
    it.value = ${q(text)};
    it.dispatchEvent(new Event('input', { bubbles: true }));
    return true;
  })()`;
  await waitFor(async () => (await page.evaluate(script)) === true, { what: `a field "${label}"` });
}

/** The text of the first element that fits, once there is one with `text` in it. */
export async function sees(page: Evaluates, selector: string, text = '', timeoutMs = 10_000): Promise<string> {
  const script = `(${VISIBLE})(${q(selector)}, ${q(text)})[0]?.textContent.trim()`;
  return waitFor(
    async () => {
      const found = await page.evaluate(script);
      return typeof found === 'string' ? found : undefined;
    },
    { what: `"${text}" in ${selector}`, timeoutMs },
  );
}

/** The page's own line to the worker, as `app/view/worker.ts` has it. */
const CALL = `(name, arg) => navigator.serviceWorker.ready.then(({ active }) => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => resolve(event.data);
  active.postMessage({ t: 'api', name, arg }, [port2]);
}))`;

/** An expression that asks the worker; its value is an `ApiResult`. */
export const callScript = (name: string, arg: unknown): string => `(${CALL})(${q(name)}, ${JSON.stringify(arg)})`;
