/**
 * An append-only file of typed records, so that a chain in memory can be replayed at the next start.
 * A record is one byte of kind, four bytes of length (little endian), the bytes; a torn last record is cut off.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

const HEAD = 5;

export type JournalRecord = { readonly kind: number; readonly bytes: Uint8Array };
export type Journal = { readonly past: readonly JournalRecord[]; append(kind: number, bytes: Uint8Array): void };

export function openJournal(path: string): Journal {
  mkdirSync(dirname(path), { recursive: true });
  const past: JournalRecord[] = [];
  if (existsSync(path)) {
    const file = readFileSync(path);
    let at = 0;
    while (at + HEAD <= file.length) {
      const end = at + HEAD + file.readUInt32LE(at + 1);
      if (end > file.length) break;
      past.push({ kind: file.readUInt8(at), bytes: new Uint8Array(file.subarray(at + HEAD, end)) });
      at = end;
    }
    if (at < file.length) truncateSync(path, at);
  }
  return {
    past,
    append(kind, bytes) {
      const head = Buffer.alloc(HEAD);
      head.writeUInt8(kind, 0);
      head.writeUInt32LE(bytes.length, 1);
      appendFileSync(path, Buffer.concat([head, bytes]));
    },
  };
}
