/** Addresses are `#/place/part/…`: they work offline, in any folder, and Back is the browser's own. */

export type Route = { readonly place: string; readonly parts: readonly string[] };

export function parse(hash: string): Route {
  const [place = '', ...parts] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  return { place, parts };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const href = (...parts: readonly string[]) => `#/${parts.map(encodeURIComponent).join('/')}`;
