/**
 * Structured logs (pino, one JSON object a line) that cannot give a secret away, whatever is handed to them: fields are judged
 * by their names, texts by their looks. What a name or a text might hide is left out rather than shown.
 */
import { type DestinationStream, pino } from 'pino';
import type { Logger } from './ports.ts';

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

/** Names whose values are never written. */
const secretName =
  /key|token|secret|passw|phrase|mnemonic|seed|words|auth|cookie|signature|^sig$|p256dh|credential|payload|bytes|body|frame|preimage|raw|act[123]|init$|^keys$|challenge|headers/i;
/** Identifiers that are worth having in a log; the beginning of them is enough to tell them apart. */
const identifierName = /^(account|peer|session|txid|hash|block|wakeId|device|id)$/;
const identifierLength = 16;

const maxDepth = 5;
const maxItems = 20;
const maxText = 300;
const hidden = '[hidden]';

/** Exported for its test. */
export function harmless(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return harmlessText(value);
  if (typeof value !== 'object') return undefined;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= maxDepth) return '[deep]';
  if (value instanceof Error) return harmlessError(value, depth);
  if (value instanceof URL) return harmlessText(value.href);
  if (value instanceof Date) return value.toJSON();
  if (Array.isArray(value)) {
    const items = value.slice(0, maxItems).map((item) => harmless(item, depth + 1));
    return value.length > maxItems ? [...items, `[${value.length - maxItems} more]`] : items;
  }
  if (value instanceof Map || value instanceof Set) return `[${value.size} items]`;
  const fields: { [name: string]: unknown } = {};
  for (const name of Object.keys(value).slice(0, maxItems * 2)) fields[harmlessText(name)] = harmlessField(name, read(value, name), depth);
  return fields;
}

function harmlessField(name: string, value: unknown, depth: number): unknown {
  // First: an identifier that has the looks of a secret is cut, not hidden.
  if (identifierName.test(name) && typeof value === 'string' && /^[\w-]*$/.test(value)) return value.slice(0, identifierLength);
  if (secretName.test(name) && typeof value !== 'boolean' && !(typeof value === 'number' && /bytes|frame/i.test(name))) return hidden;
  return harmless(value, depth + 1);
}

/** A getter may throw: that is no reason to lose the line. */
function read(value: object, name: string): unknown {
  try {
    return Object.getOwnPropertyDescriptor(value, name)?.get === undefined ? Reflect.get(value, name) : '[computed]';
  } catch {
    return '[unreadable]';
  }
}

function harmlessError(error: Error, depth: number): object {
  const code = 'code' in error && typeof error.code === 'string' ? { code: harmlessText(error.code) } : {};
  const cause = error.cause === undefined ? {} : { cause: harmless(error.cause, depth + 1) };
  const stack = typeof error.stack === 'string' ? { stack: stackLines(error.stack) } : {};
  return { name: harmlessText(String(error.name)), message: harmlessText(String(error.message)), ...code, ...cause, ...stack };
}

/** The file's name and place are enough, and a path would look like a secret. */
const stackLines = (stack: string): string[] =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => harmlessText(line.trim().replace(/(^|[\s(])(?:file:\/\/)?\/(?:[^/\s()]+\/)*([^/\s()]+)/g, '$1$2')));

function harmlessText(text: string): string {
  return (
    text
      .slice(0, 4 * maxText)
      // An address of a push service or of our own node: what follows the host is a capability, what stands before it a password.
      .replace(
        /\b([a-z][a-z0-9+.-]*):\/\/(?:[^\s/@]*@)?([^\s/?#"'<>]*)(?:[/?#][^\s"'<>]*)?/gi,
        (_, scheme: string, host: string) => `${scheme}://${host.replace(/^.*@/, '')}`,
      )
      .replace(/\b(?:Bearer|Basic|vapid)\s+\S+/gi, hidden)
      // Keys, signatures, acts, messages, transactions in hex; tokens and frames in base64.
      .replace(/[0-9a-fA-F]{40,}/g, hidden)
      .replace(/[A-Za-z0-9_+/-]{40,}={0,2}/g, hidden)
      // A wallet's words: eight or more short lower-case words in a row.
      .replace(/(?:\b[a-z]{3,8}\b[ ,]+){7,}\b[a-z]{3,8}\b/g, hidden)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what could forge a line or turn the reader's text around
      .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, ' ')
      .slice(0, maxText)
  );
}

/** `destination`: standard output when left out. */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // pino's own way with errors would undo ours.
    serializers: { err: (value: unknown) => value },
  };
  const log = destination === undefined ? pino(options) : pino(options, destination);
  const write =
    (at: Exclude<LogLevel, 'silent'>) =>
    (fields: object, message: string): void => {
      if (!log.isLevelEnabled(at)) return;
      const safe = harmless(fields);
      log[at](typeof safe === 'object' && safe !== null && !Array.isArray(safe) ? safe : { value: safe }, harmlessText(message));
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
