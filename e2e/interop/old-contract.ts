/**
 * The relay's older HTTP contract, driven by two packages that are not ours: bolt08 makes the acts and keys, bolt02 reads the
 * message. What comes back must be the peer's own `init`.
 */
import { LightningMessage } from 'bolt02';
import { Handshake, Role } from 'bolt08';
import * as v from 'valibot';
import type { Peer } from '../peers/peer.ts';

const INIT = 16;
const connected = v.object({ id: v.string(), message: v.string() });
const answered = v.object({ message: v.string() });

/** bolt08 keeps the keys in private fields; its users read them all the same. */
function keyOf(handler: object, name: 'sendingKey' | 'receivingKey' | 'chainingKey'): string {
  const key: unknown = Reflect.get(handler, name);
  if (!Buffer.isBuffer(key)) throw new Error(`bolt08 has no ${name}`);
  return key.toString('hex');
}

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

export async function oldContract(relayUrl: string, peer: Peer): Promise<string> {
  const client = new Handshake({});
  const first = client.actDynamically({ role: Role.INITIATOR, remotePublicKey: Buffer.from(peer.id, 'hex') });
  const target = { url: `${peer.id}@${peer.host}:${peer.port}`, message: first.responseBuffer?.toString('hex') };
  const { id, message } = v.parse(connected, await post(`${relayUrl}/api/connect`, target));
  const second = client.actDynamically({ role: Role.INITIATOR, incomingBuffer: Buffer.from(message, 'hex') });
  const handler = second.transmissionHandler;
  if (handler === undefined || handler === null) throw new Error('bolt08 did not finish the handshake');
  const keys = {
    sending: keyOf(handler, 'sendingKey'),
    receiving: keyOf(handler, 'receivingKey'),
    chaining: keyOf(handler, 'chainingKey'),
  };
  const answer = v.parse(
    answered,
    await post(`${relayUrl}/api/handshake/${id}`, { message: second.responseBuffer?.toString('hex'), keys }),
  );
  const bytes = Buffer.from(answer.message, 'hex');
  if (bytes.readUInt16BE(0) !== INIT) throw new Error(`type ${bytes.readUInt16BE(0)} instead of init`);
  const parsed = LightningMessage.parse(bytes);
  return `init of ${bytes.length} bytes, read by bolt02 as ${parsed.constructor.name}`;
}
