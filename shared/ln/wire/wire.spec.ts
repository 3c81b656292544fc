/** The declarations against what the BOLTs' own extractor reads from their text: names, numbers, order, sizes, records. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { allMessages } from './registry.ts';

type Row = readonly string[];
const csv = readFileSync(new URL('../vectors/messages.csv', import.meta.url), 'utf8');
/** The extractor misses these: BOLT 2 has no empty line before the two streams, and writes the HMACs as `210*sha256[..4]`. */
const missed = ['update_fulfill_htlc_tlvs', 'update_fail_htlc_tlvs'].map(
  (stream) => `tlvtype,${stream},attribution_data,1
tlvdata,${stream},attribution_data,htlc_hold_times,u32,20
tlvdata,${stream},attribution_data,truncated_hmacs,byte,${210 * 4}`,
);
const rows: Row[] = [csv.trim(), ...missed]
  .join('\n')
  .split('\n')
  .map((line) => line.split(','));

/** BOLT 4 gives its failures the same form; those without a flag would pass for messages. */
const failures = new Set(['final_incorrect_cltv_expiry', 'final_incorrect_htlc_amount', 'expiry_too_far', 'mpp_timeout']);
const specified = rows.filter(([kind, name = '', type = '']) => kind === 'msgtype' && /^\d+$/.test(type) && !failures.has(name));

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Rows `…, name, type, count` as `name:type` in the words of `codec.ts`: a length and what it counts are one field. */
function described(data: readonly Row[]): string[] {
  const counts = new Set(data.map(([, , count]) => count));
  return data
    .filter(([name = '']) => !counts.has(name))
    .map(([name = '', type = '', count = '']) => {
      const of = subtype(type);
      if (count === '') return `${camel(name)}:${of}`;
      return `${camel(name)}:${/^(\d+|\.\.\.)$/.test(count) ? `${of}*${count}` : `u16 ${of}*`}`;
    });
}
function subtype(type: string): string {
  const members = rows.filter(([kind, name]) => kind === 'subtypedata' && name === type).map((row) => row.slice(2));
  return members.length === 0 ? type : braced(described(members));
}
/** One member stands for its struct. */
const braced = (members: readonly string[]) => (members.length === 1 ? (members[0] ?? '').replace(/^\w+:/, '') : `{${members}}`);

function records(stream: string): string[] {
  return rows
    .filter(([kind, of]) => kind === 'tlvtype' && of === stream)
    .map(([, , name = '', type]) => {
      const data = rows.filter(([kind, of, record]) => kind === 'tlvdata' && of === stream && record === name).map((row) => row.slice(3));
      return `${type} ${camel(name)}:${data.length === 0 ? '' : braced(described(data))}`;
    });
}

describe('every message of BOLT 1, 2 and 7, and onion_message', () => {
  test('none is missing and none is invented', () => {
    expect(allMessages.map(({ name, type }) => `${type} ${name}`).sort()).toEqual(
      specified.map(([, name, type]) => `${type} ${name}`).sort(),
    );
    expect(specified.length).toBe(50);
  });

  test.each(allMessages.map((def) => [def.name, def] as const))('%s', (name, def) => {
    const data = rows.filter(([kind, of]) => kind === 'msgdata' && of === name).map((row) => row.slice(2));
    const stream = data.find(([field]) => field === 'tlvs')?.[1] ?? `${name}_tlvs`;
    expect(Object.entries(def.fields).map(([field, { wire }]) => `${field}:${wire}`)).toEqual(
      described(data.filter(([field]) => field !== 'tlvs')),
    );
    const tail = def.tail === 'opaque' ? [] : Object.entries(def.tail).map(([field, { type, codec }]) => `${type} ${field}:${codec.wire}`);
    expect(tail).toEqual(records(stream));
  });
});
