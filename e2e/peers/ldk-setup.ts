/** What every LDK node of ours is made with: the wasm itself, the configuration, fees and logs. */
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  ChannelHandshakeConfig,
  ConfirmationTarget,
  FeeEstimator,
  initializeWasmFromBinary,
  Level,
  Logger,
  type Record as LogRecord,
  UserConfig,
} from 'lightningdevkit';

/** The wasm is one for the whole process, however many nodes live in it. */
let loaded: Promise<void> | undefined;

export function loadLdk(): Promise<void> {
  loaded ??= (async () => {
    const folder = dirname(createRequire(import.meta.url).resolve('lightningdevkit'));
    await initializeWasmFromBinary(await readFile(join(folder, 'liblightningjs.wasm')));
  })();
  return loaded;
}

/** Anchors, one confirmation, private unless asked otherwise, every inbound channel shown to us as an event; passes payments on to private channels. */
export function userConfig(options: { readonly public: boolean }): UserConfig {
  const config = UserConfig.constructor_default();
  const handshake = ChannelHandshakeConfig.constructor_default();
  handshake.set_minimum_depth(1);
  handshake.set_announce_for_forwarding(options.public);
  handshake.set_negotiate_anchors_zero_fee_htlc_tx(true);
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100);
  config.set_channel_handshake_config(handshake);
  const limits = config.get_channel_handshake_limits();
  limits.set_force_announced_channel_preference(false);
  config.set_channel_handshake_limits(limits);
  config.set_accept_forwards_to_priv_channels(true);
  // LDK takes an anchors channel only where the user accepts by hand.
  config.set_manually_accept_inbound_channels(true);
  return config;
}

const SAT_PER_KW_FLOOR = 253;

/** What commitments of anchors channels are to cost; a test moves it. */
export type FeeLevel = { perKw: number };
export const feeLevel = (): FeeLevel => ({ perKw: SAT_PER_KW_FLOOR });

/** Regtest has no fee market: the floor where low is right, something that relays well elsewhere. */
export const feeEstimator = (level: FeeLevel): FeeEstimator =>
  FeeEstimator.new_impl({
    get_est_sat_per_1000_weight(target) {
      switch (target) {
        case ConfirmationTarget.LDKConfirmationTarget_MaximumFeeEstimate:
          return 50_000;
        case ConfirmationTarget.LDKConfirmationTarget_UrgentOnChainSweep:
          return 5_000;
        case ConfirmationTarget.LDKConfirmationTarget_NonAnchorChannelFee:
        case ConfirmationTarget.LDKConfirmationTarget_OutputSpendingFee:
          return 1_000;
        case ConfirmationTarget.LDKConfirmationTarget_AnchorChannelFee:
          return level.perKw;
        default:
          return SAT_PER_KW_FLOOR;
      }
    },
  });

/** Writes LDK's own log to a file, from debug upwards. A panic leaves its last line there: so each is written at once. */
export const fileLogger = (path: string): Logger =>
  Logger.new_impl({
    log(record: LogRecord) {
      const level = record.get_level();
      if (level < Level.LDKLevel_Debug) return;
      appendFileSync(
        path,
        `${new Date().toISOString()} ${Level[level].slice('LDKLevel_'.length)} ${record.get_module_path()}: ${record.get_args()}\n`,
      );
    },
  });
