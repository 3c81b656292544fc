/** The only wait of the e2e code: poll a condition until it holds, or say what never came. */

const STEP_MS = 20;

/**
 * Resolves with the first value of `condition` that is not undefined, false or null; throws after `timeoutMs`, naming `what`.
 * An error thrown by `condition` counts as "not yet" and is shown if time runs out.
 */
export async function waitFor<T>(
  condition: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  options: { readonly what: string; readonly timeoutMs?: number; readonly stepMs?: number },
): Promise<T> {
  const { what, timeoutMs = 10_000, stepMs = STEP_MS } = options;
  const end = Date.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false && value !== null) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= end) throw new Error(`waited ${timeoutMs} ms for ${what}`, lastError === undefined ? {} : { cause: lastError });
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}
