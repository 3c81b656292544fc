/** A Lightning node's address as people paste it: `pubkey@host:port`, with or without `lightning:`, port 9735 when absent. */

export type AddressProblem = 'empty' | 'no-key' | 'bad-key' | 'no-host' | 'bad-port' | 'onion';
export type AddressCheck = { readonly ok: true; readonly address: string } | { readonly ok: false; readonly problem: AddressProblem };

const fail = (problem: AddressProblem): AddressCheck => ({ ok: false, problem });

export function checkAddress(text: string): AddressCheck {
  const plain = text.trim().replace(/^lightning:(\/\/)?/i, '');
  if (plain === '') return fail('empty');
  const at = plain.indexOf('@');
  const key = (at < 0 ? plain : plain.slice(0, at)).toLowerCase();
  if (at < 0) return fail(/^0[23][0-9a-f]{64}$/.test(key) ? 'no-host' : 'no-key');
  if (!/^0[23][0-9a-f]{64}$/.test(key)) return fail('bad-key');
  const rest = plain.slice(at + 1);
  const parts = /^(\[[0-9a-f:.]+\]|[^:\s/]+)(?::(\d+))?$/i.exec(rest);
  if (!parts?.[1]) return fail(/:\D|:$/.test(rest) ? 'bad-port' : 'no-host');
  const port = Number(parts[2] ?? 9735);
  if (port < 1 || port > 65_535) return fail('bad-port');
  if (/\.onion$/i.test(parts[1])) return fail('onion');
  return { ok: true, address: `${key}@${parts[1]}:${port}` };
}
