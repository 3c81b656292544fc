/** One run at a time on a data folder: two would overwrite each other's channels. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // There, but somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Throws while another process holds the folder; a lock whose process has died counts for nothing. Returns the release. */
export function lockFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'lock');
  const take = (): void => writeFileSync(path, String(process.pid), { flag: 'wx' });
  try {
    take();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    const holder = Number(readFileSync(path, 'utf8'));
    if (holder > 0 && alive(holder)) throw new Error(`Beckon is running on ${dir} already (process ${holder}).`);
    rmSync(path);
    take();
  }
  return () => rmSync(path, { force: true });
}
