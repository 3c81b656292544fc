/**
 * A file of the relay that is gzip: taken with a limit on what comes, on what it unpacks to, and on the time for both. The relay is
 * hostile: it may send without end, or a file that unpacks to a thousand times its size; it gets no further than these limits.
 */
import { concat } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayErrorCode } from '../../shared/protocol/errors.ts';
import { brief, failureOf, jsonOf } from './failure.ts';

export type DownloadLimits = { readonly maxPackedBytes: number; readonly maxBytes: number; readonly timeoutMs: number };
export type DownloadError = {
  /** `unreachable`: no answer, or it broke off. `malformed`: not gzip, or above a limit. */
  readonly code: RelayErrorCode | 'unreachable' | 'malformed';
  readonly detail: string;
};

/** What an error may say. */
const MAX_ERROR_BYTES = 4_096;
/** Some browsers unpack a piece whole before anybody can stop them: a small piece can become four megabytes at most. */
const PIECE_BYTES = 4_096;

/** All of it, or undefined when it is more than `most`; then no more of it is read. */
async function collect(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array | undefined> {
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...parts);
    bytes += value.length;
    if (bytes > most) {
      // Not waited for: an endless stream may not end for that either.
      void reader.cancel().catch(() => undefined);
      return undefined;
    }
    parts.push(value);
  }
}

function inPieces(bytes: Uint8Array<ArrayBuffer>): ReadableStream<BufferSource> {
  let at = 0;
  return new ReadableStream<BufferSource>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + PIECE_BYTES));
      at += PIECE_BYTES;
    },
  });
}

export async function download(
  fetcher: typeof fetch,
  url: string,
  { maxPackedBytes, maxBytes, timeoutMs }: DownloadLimits,
): Promise<Result<Uint8Array, DownloadError>> {
  const malformed = (detail: string): Result<never, DownloadError> => err({ code: 'malformed', detail });
  let status: number;
  let packed: Uint8Array | undefined;
  try {
    const response = await fetcher(url, {
      signal: AbortSignal.timeout(timeoutMs),
      credentials: 'omit',
      cache: 'no-cache',
      redirect: 'error',
    });
    status = response.status;
    packed = response.body === null ? new Uint8Array(0) : await collect(response.body, status === 200 ? maxPackedBytes : MAX_ERROR_BYTES);
  } catch (error) {
    return err({ code: 'unreachable', detail: brief(String(error)) });
  }
  if (packed === undefined) return malformed('more bytes than there may be');
  if (status !== 200) {
    const failure = failureOf(jsonOf(new TextDecoder().decode(packed)));
    return failure === undefined ? malformed(`status ${status}`) : err(failure);
  }
  try {
    const bytes = await collect(inPieces(Uint8Array.from(packed)).pipeThrough(new DecompressionStream('gzip')), maxBytes);
    return bytes === undefined ? malformed('it unpacks to more than it may') : ok(bytes);
  } catch (error) {
    return malformed(brief(String(error)));
  }
}
