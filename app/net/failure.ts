/** How the relay says no: `{"error": {"code", "message"}}`. It is hostile: what it says is shown and logged, so it gets no more room than a sentence needs. */
import * as v from 'valibot';
import { type RelayErrorCode, relayErrors } from '../../shared/protocol/errors.ts';

export type Failure = { readonly code: RelayErrorCode; readonly detail: string };

const errorBody = v.object({ error: v.object({ code: v.string(), message: v.string() }) });
const isCode = (code: string): code is RelayErrorCode => Object.hasOwn(relayErrors, code);

export const brief = (text: string): string => text.slice(0, 200);

/** `undefined` is no answer of any schema. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined: no error of the protocol. */
export function failureOf(json: unknown): Failure | undefined {
  const parsed = v.safeParse(errorBody, json);
  if (!parsed.success || !isCode(parsed.output.error.code)) return undefined;
  return { code: parsed.output.error.code, detail: brief(parsed.output.error.message) };
}
