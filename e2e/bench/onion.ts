/**
 * BOLT 4: an onion made for a route, and one layer taken off. LDK wasm beside ours where it has a call for it alone: for a layer of a
 * payment's onion, and for making an onion message, which costs what a payment's onion costs and a blinded path over the same nodes.
 * Each side reads what the other made before anything is timed.
 */
import { randomBytes } from 'node:crypto';
import { openCurve } from '../../app/runtime/curve.ts';
import { pointFromSecret, useCurve } from '../../shared/ln/keys/secp.ts';
import { nobleCurve } from '../../shared/ln/keys/secp-noble.ts';
import { blindPath, unblind } from '../../shared/ln/onion/blinding.ts';
import { type IncomingHtlc, readHtlc } from '../../shared/ln/onion/htlc.ts';
import { paymentOnion, type RouteHtlc } from '../../shared/ln/onion/route.ts';
import { buildOnion, peelOnion } from '../../shared/ln/onion/sphinx.ts';
import { rest } from '../../shared/ln/wire/codec.ts';
import { decodeTlvs, encodeTlvs, tlv } from '../../shared/ln/wire/tlv.ts';
import { readLibsecp } from '../lab/curve.ts';
import { CONTENT_TYPE, type LdkOnions, ldkOnions, type Message } from './onion-ldk.ts';
import type { Bench, Options } from './report.ts';
import { bestAndMedian, inTurns } from './turns.ts';

const ROUNDS = 30;
const SLICE_MS = 10;
const HOPS = 20;
/** As many as fit into the 1,300 bytes of a payment's onion, so that the packets are of one size. */
const MESSAGE_HOPS = 10;
const HEIGHT = 1_000;
/** So that the first HTLC runs out within the 2,016 blocks that LDK takes. */
const CLTV_EXPIRY_DELTA = 80;
const nothing = new Uint8Array(0);

/** Below n: the first byte is not 0xff. */
const scalar = (): Uint8Array => new Uint8Array(randomBytes(32)).fill(0x7f, 0, 1);
const must = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): T => {
  if (!result.ok) throw new Error('refused');
  return result.value;
};

/** `htlcs[0]` arrives at the node that peels. */
function routeVia(nodeIds: readonly Uint8Array[]): readonly RouteHtlc[] {
  return nodeIds.map((nodeId, i) => ({
    nodeId,
    shortChannelId: BigInt(i + 1) << 40n,
    amountMsat: 1_000_000n + BigInt(1_000 * (nodeIds.length - i)),
    cltvExpiry: HEIGHT + 40 + CLTV_EXPIRY_DELTA * (nodeIds.length - i),
  }));
}

const messageTlvs = { encryptedRecipientData: tlv(4, rest), content: tlv(CONTENT_TYPE, rest) };

function makePayment(htlcs: readonly RouteHtlc[], paymentHash: Uint8Array): Uint8Array {
  const [last] = htlcs.slice(-1);
  const recipient = { tag: 'node', totalMsat: last?.amountMsat ?? 0n, paymentSecret: paymentHash } as const;
  return must(paymentOnion({ sessionKey: scalar(), paymentHash, htlcs, recipient })).packet;
}

/** As LDK makes it: every node of the route is a hop of one blinded path. */
function makeMessage(nodeIds: readonly Uint8Array[], content: Uint8Array): Message {
  const hops = nodeIds.map((nodeId, i) => {
    const nextNodeId = nodeIds[i + 1];
    return { nodeId, data: nextNodeId ? { nextNodeId } : {} };
  });
  const path = must(blindPath({ pathSecret: scalar(), hops }));
  const payloads = path.hops.map(({ blindedNodeId, encryptedRecipientData }, i) => ({
    nodeId: blindedNodeId,
    payload: encodeTlvs(messageTlvs, { encryptedRecipientData, ...(i === nodeIds.length - 1 ? { content } : {}) }),
  }));
  const { packet } = must(buildOnion({ sessionKey: scalar(), hops: payloads, associatedData: nothing }));
  return { pathKey: path.firstPathKey, packet };
}

/** The channel that the HTLC leads over. */
function peel(htlc: IncomingHtlc, nodeSecret: Uint8Array): bigint {
  const read = must(readHtlc(htlc, nodeSecret));
  if (read.tag !== 'hop' || !('shortChannelId' in read.to)) throw new Error('the onion ends here');
  return read.to.shortChannelId;
}

/** Both make messages that the other one passes on. */
function checkMessages(ldk: LdkOnions, nodeIds: readonly Uint8Array[], content: Uint8Array): void {
  const [ours, theirs] = [makeMessage(nodeIds, content), ldk.message(nodeIds, content)];
  if (ours.packet.length !== theirs.packet.length) throw new Error(`packets of ${ours.packet.length} and ${theirs.packet.length} bytes`);
  if (!ldk.leadsOn(ours)) throw new Error('LDK cannot read our message');
  const { pathKey, packet } = theirs;
  const peeled = must(peelOnion({ packet, associatedData: nothing, nodeSecret: ldk.nodeSecret, pathKey }));
  const { encryptedRecipientData = nothing } = must(decodeTlvs(messageTlvs, peeled.payload));
  const { data } = must(unblind({ pathKey, encryptedRecipientData, nodeSecret: ldk.nodeSecret }));
  if (Buffer.compare(data.nextNodeId ?? nothing, nodeIds[1] ?? nothing) !== 0) throw new Error("LDK's message leads elsewhere");
}

export async function onion({ smoke }: Options): ReturnType<Bench> {
  const ldk = await ldkOnions(new Uint8Array(randomBytes(32)));
  const fast = await openCurve(await readLibsecp(), randomBytes(32));
  useCurve(fast);
  const first = pointFromSecret(ldk.nodeSecret);
  const nodeIds = [first, ...Array.from({ length: HOPS - 1 }, () => pointFromSecret(scalar()))];
  const messageNodes = nodeIds.slice(0, MESSAGE_HOPS);
  const content = new Uint8Array(32).fill(7);
  const htlcs = routeVia(nodeIds);
  const paymentHash = scalar();
  const [arrives] = htlcs;
  if (arrives === undefined) throw new Error('no route');
  const { amountMsat, cltvExpiry } = arrives;
  const htlc = { amountMsat, cltvExpiry, paymentHash, onionRoutingPacket: makePayment(htlcs, paymentHash) };
  const theirHtlc = ldk.read(htlc);
  checkMessages(ldk, messageNodes, content);
  const [ours, theirs] = [peel(htlc, ldk.nodeSecret), ldk.peel(theirHtlc, HEIGHT)];
  if (ours !== theirs || ours !== htlcs[1]?.shortChannelId) throw new Error('the two sides read another onion');

  const noble = (): void => useCurve(nobleCurve);
  const wasm = (): void => useCurve(fast);
  const turns = smoke ? { rounds: 2, sliceMs: 2 } : { rounds: ROUNDS, sliceMs: SLICE_MS };
  const both = (run: () => unknown) => ({ noble: { run, before: noble }, wasm: { run, before: wasm } });
  const build = inTurns(
    both(() => makePayment(htlcs, paymentHash)),
    turns,
  );
  const message = inTurns(
    { ...both(() => makeMessage(messageNodes, content)), ldk: { run: () => ldk.message(messageNodes, content) } },
    turns,
  );
  const peeled = inTurns({ ...both(() => peel(htlc, ldk.nodeSecret)), ldk: { run: () => ldk.peel(theirHtlc, HEIGHT) } }, turns);
  useCurve(nobleCurve);
  const row = (what: string, { noble, wasm }: typeof build, ldk: (typeof peeled)['ldk'] | undefined) => [
    what,
    bestAndMedian(wasm),
    bestAndMedian(noble),
    ldk ? bestAndMedian(ldk) : '–',
    ldk ? `${(ldk.median / wasm.median).toFixed(2)} ×` : '–',
  ];
  return {
    name: 'onion',
    tables: [
      {
        title: 'Onions of 1,366 bytes, µs: best (median). LDK wasm has no call that makes one of a payment alone',
        columns: ['', 'ours, wasm libsecp256k1', 'ours, noble', 'LDK wasm', 'LDK over ours with wasm'],
        rows: [
          row(`a payment's made, ${HOPS} hops`, build, undefined),
          row(`a message's made, ${MESSAGE_HOPS} hops, with its blinded path`, message, message.ldk),
          row(`one layer of ${HOPS} taken off, and read`, peeled, peeled.ldk),
        ],
      },
    ],
    figures: [
      { name: `a payment's made for ${HOPS} hops, wasm, median`, value: build.wasm.median / 1000, unit: 'ms' },
      { name: `a payment's made, noble over wasm`, value: build.noble.median / build.wasm.median, unit: '×' },
      { name: `a message's made, LDK over ours with wasm`, value: message.ldk.median / message.wasm.median, unit: '×' },
      { name: `a message's made, LDK over ours with noble`, value: message.ldk.median / message.noble.median, unit: '×' },
      { name: 'a layer taken off, LDK over ours with wasm', value: peeled.ldk.median / peeled.wasm.median, unit: '×' },
      { name: 'a layer taken off, LDK over ours with noble', value: peeled.ldk.median / peeled.noble.median, unit: '×' },
    ],
  };
}
