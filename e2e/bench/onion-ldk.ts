/**
 * What LDK's npm package lets one do with onions alone: take a layer off a payment's, and make an onion message. It has no call that makes
 * a payment's onion without a channel and a payment around it.
 */
import {
  Destination,
  IgnoringMessageHandler,
  KeysManager,
  Logger,
  NodeIdLookUp,
  OnionMessage,
  OnionMessageContents,
  OnionMessagePath,
  Option_CVec_SocketAddressZZ,
  PeeledOnion_Forward,
  PendingHTLCRouting_Forward,
  Result_C3Tuple_PublicKeyOnionMessageCOption_CVec_SocketAddressZZZSendErrorZ_OK,
  Result_OnionMessageDecodeErrorZ_OK,
  Result_PeeledOnionNoneZ_OK,
  Result_PendingHTLCInfoInboundHTLCErrZ_Err,
  Result_PendingHTLCInfoInboundHTLCErrZ_OK,
  Result_UpdateAddHTLCDecodeErrorZ_OK,
  UpdateAddHTLC,
  UtilMethods,
} from 'lightningdevkit';
import { concat } from '../../shared/lib/bytes.ts';
import type { IncomingHtlc } from '../../shared/ln/onion/htlc.ts';
import { encode } from '../../shared/ln/peer/wire.ts';
import { loadLdk } from '../peers/ldk-setup.ts';

/** Of the content of a message: odd, and above the types that BOLT 4 takes. */
export const CONTENT_TYPE = 65n;
export type Message = { readonly pathKey: Uint8Array; readonly packet: Uint8Array };
export type LdkOnions = {
  readonly nodeSecret: Uint8Array;
  /** For `peel`: the HTLC as LDK has it. */
  readonly read: (htlc: IncomingHtlc) => UpdateAddHTLC;
  /** Throws unless it leads on. Answers with the channel that it leads over. */
  readonly peel: (htlc: UpdateAddHTLC, height: number) => bigint;
  readonly message: (nodeIds: readonly Uint8Array[], content: Uint8Array) => Message;
  /** Does LDK take a layer off this one, and finds that it leads on? */
  readonly leadsOn: (message: Message) => boolean;
};

const refused = (result: object): Error =>
  new Error(result instanceof Result_PendingHTLCInfoInboundHTLCErrZ_Err ? result.err.get_msg() : 'LDK refused the onion');

export async function ldkOnions(seed: Uint8Array): Promise<LdkOnions> {
  await loadLdk();
  const keys = KeysManager.constructor_new(seed, 1n, 0);
  const [entropy, signer] = [keys.as_EntropySource(), keys.as_NodeSigner()];
  const logger = Logger.new_impl({ log: () => undefined });
  const handler = IgnoringMessageHandler.constructor_new().as_CustomOnionMessageHandler();
  const lookUp = NodeIdLookUp.new_impl({ next_node_id: () => new Uint8Array(33) });
  const channelId = new Uint8Array(32);
  return {
    nodeSecret: keys.get_node_secret_key(),
    read(htlc) {
      // Without the two bytes of its type.
      const body = encode({ name: 'update_add_htlc', channelId, id: 0n, ...htlc }).subarray(2);
      const read = UpdateAddHTLC.constructor_read(body);
      if (!(read instanceof Result_UpdateAddHTLCDecodeErrorZ_OK)) throw new Error('LDK reads no such HTLC');
      return read.res;
    },
    peel(htlc, height) {
      const peeled = UtilMethods.constructor_peel_payment_onion(htlc, signer, logger, height, false);
      if (!(peeled instanceof Result_PendingHTLCInfoInboundHTLCErrZ_OK)) throw refused(peeled);
      const routing = peeled.res.get_routing();
      if (!(routing instanceof PendingHTLCRouting_Forward)) throw new Error('for LDK the onion ends here');
      return routing.short_channel_id;
    },
    message(nodeIds, content) {
      const contents = OnionMessageContents.new_impl({
        tlv_type: () => CONTENT_TYPE,
        msg_type: () => 'bench',
        write: () => content,
        debug_str: () => 'bench',
      });
      const destination = Destination.constructor_node(nodeIds.at(-1) ?? new Uint8Array(33));
      const noAddresses = Option_CVec_SocketAddressZZ.constructor_none();
      const path = OnionMessagePath.constructor_new(nodeIds.slice(0, -1), destination, noAddresses);
      const made = UtilMethods.constructor_create_onion_message(entropy, signer, lookUp, path, contents, null);
      if (!(made instanceof Result_C3Tuple_PublicKeyOnionMessageCOption_CVec_SocketAddressZZZSendErrorZ_OK))
        throw new Error('LDK made none');
      const message = made.res.get_b();
      const packet = message.get_onion_routing_packet();
      return {
        pathKey: message.get_blinding_point(),
        packet: concat(Uint8Array.of(packet.get_version()), packet.get_public_key(), packet.get_hop_data(), packet.get_hmac()),
      };
    },
    leadsOn({ pathKey, packet }) {
      const read = OnionMessage.constructor_read(concat(pathKey, Uint8Array.of(packet.length >> 8, packet.length & 0xff), packet));
      if (!(read instanceof Result_OnionMessageDecodeErrorZ_OK)) return false;
      const peeled = UtilMethods.constructor_peel_onion_message(read.res, signer, logger, handler);
      return peeled instanceof Result_PeeledOnionNoneZ_OK && peeled.res instanceof PeeledOnion_Forward;
    },
  };
}
