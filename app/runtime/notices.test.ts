import { beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import type { Note, NoteKind } from '../../shared/ln/peer/effect.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { notices as catalogue } from '../i18n/notices.ts';
import { noticesOf, peerName, satText } from './notices.ts';
import { peerAddress, peerIdHex, type TestNode, walletNode } from './testing.ts';

const quiet = ['open-approved', 'channel-confirmed', 'channel-reestablished', 'payment-forwarded'];
/** A payment is not the affair of the peer that its last part came back over. */
const ofNobody = ['payment-failed'];
const kinds = Object.keys(catalogue) as NoteKind[];
const channelId = hash('a channel');
const note = (kind: NoteKind, more: Partial<Note> = {}): Note => ({
  kind,
  channelId,
  amountSat: 200_000n,
  detail: 'the peer says',
  ...more,
});
const of = (...notes: readonly Note[]) =>
  noticesOf(
    node.ports,
    notes.map((one) => ({ peerId: peerIdHex, note: one })),
  );

let node: TestNode;
beforeEach(async () => {
  node = await walletNode();
  node.relay.peer.offers = false;
  await node.call('connect-peer', { address: peerAddress });
  await node.call('rename-peer', { peerId: peerIdHex, alias: 'Alice' });
});

describe('notices', () => {
  test.each(kinds.filter((kind) => ![...quiet, ...ofNobody].includes(kind)))('%s is shown with whom it is about', async (kind) => {
    const [shown, ...more] = await of(note(kind));
    expect(more).toEqual([]);
    expect(`${shown?.title} ${shown?.body}`).toContain('Alice');
    expect(shown?.path).toMatch(/^\//);
  });

  test('a payment that failed is shown with the reason', async () => {
    const [shown, ...more] = await of(note('payment-failed', { detail: 'payee-offline' }));
    expect(more).toEqual([]);
    expect(shown).toMatchObject({
      title: `Payment not sent · ${satText(200_000n)}`,
      body: 'Nothing was paid: the receiver is not there.',
    });
  });

  test.each(quiet as NoteKind[])('%s stays in the log', async (kind) => expect(await of(note(kind))).toEqual([]));

  test('a prompt has its buttons, its amount and its hour', async () => {
    const deadlineMs = Date.UTC(2027, 0, 1, 12, 34);
    const [shown] = await of(note('open-asked', { deadlineMs }));
    expect(shown).toMatchObject({
      prompt: { peerId: peerIdHex, channelId: toHex(channelId) },
      tag: `prompt-${toHex(channelId)}`,
      path: '/',
    });
    expect(shown?.title).toBe(`Alice wants to open a ${satText(200_000n)} channel`);
    expect(shown?.body).toMatch(/34/);
  });

  test.each(['open-denied', 'open-expired', 'channel-abandoned'] as const)('%s takes the place of the prompt', async (kind) => {
    const shown = await of(note('open-asked'), note(kind));
    expect(shown).toHaveLength(1);
    expect(shown[0]).toMatchObject({ tag: `prompt-${toHex(channelId)}` });
    expect(shown[0]?.prompt).toBeUndefined();
  });

  test('one notice for each peer: the last word counts; prompts stand by themselves', async () => {
    const other = hash('another channel');
    const shown = await of(
      note('open-signed-alone'),
      note('funding-signed'),
      note('open-asked', { channelId: other }),
      note('channel-ready'),
    );
    expect(shown.map(({ tag }) => tag)).toEqual([`peer-${peerIdHex}`, `prompt-${toHex(other)}`]);
    expect(shown[0]?.title).toMatch(/^Channel ready/);
  });

  test('hidden amounts are hidden everywhere', async () => {
    await node.call('hide-amounts', { hide: true });
    for (const kind of kinds) for (const { title, body } of await of(note(kind))) expect(`${title} ${body}`).not.toMatch(/200|sat/);
  });

  test('a peer without a name, and one that is not known any more', async () => {
    expect(peerName('', peerIdHex)).toBe(`${peerIdHex.slice(0, 8)}…`);
    expect(peerName(undefined, 'abcdefghij')).toBe('abcdefgh…');
    const [shown] = await noticesOf(node.ports, [{ peerId: 'ff'.repeat(33), note: note('channel-ready') }]);
    expect(shown?.body).toContain('ffffffff…');
  });
});
