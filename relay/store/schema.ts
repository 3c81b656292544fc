/**
 * The tables. Migrations are only ever appended; the index of the last one is the version of the file.
 * Transport keys are in no table: they die with their socket (rule R3).
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

  -- account: the relay-auth public key in hex.
  CREATE TABLE accounts (account TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL) STRICT;
  -- token_hash: SHA-256 of a login token, hex.
  CREATE TABLE tokens (token_hash TEXT PRIMARY KEY, account TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;

  -- One row for each (account, peer), for ever: the epoch must never be used twice.
  CREATE TABLE sessions (
    account TEXT NOT NULL, session TEXT NOT NULL, peer TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
    epoch INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT,
    lost_wakes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, session), UNIQUE (account, peer)
  ) STRICT;
  CREATE UNIQUE INDEX sessions_by_id ON sessions (session);

  -- seq only grows; the newest is kept.
  CREATE TABLE backups (account TEXT PRIMARY KEY, seq INTEGER NOT NULL, bytes BLOB NOT NULL, stored_ms INTEGER NOT NULL) STRICT;

  CREATE TABLE subscriptions (
    account TEXT NOT NULL, device TEXT NOT NULL, endpoint TEXT NOT NULL, p256dh TEXT NOT NULL, auth TEXT NOT NULL,
    created_ms INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, next_try_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, device)
  ) STRICT;
  CREATE TABLE wakes (
    wake_id TEXT NOT NULL, account TEXT NOT NULL, device TEXT NOT NULL, reason TEXT NOT NULL, sent_ms INTEGER NOT NULL,
    status TEXT NOT NULL, receipt_ms INTEGER, result TEXT, worked_ms INTEGER,
    PRIMARY KEY (wake_id, device)
  ) STRICT;
  CREATE INDEX wakes_by_account ON wakes (account, sent_ms);

  CREATE TABLE alarms (account TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (account, id)) STRICT;
  CREATE INDEX alarms_by_time ON alarms (at_ms);
  CREATE TABLE watches (account TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, state TEXT, PRIMARY KEY (account, id)) STRICT;
  CREATE TABLE events (
    n INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, UNIQUE (account, id)
  ) STRICT;
  `,
  `
  -- rung: told already. It stays until the app takes it off its list, so that the same list sent again does not ring again.
  CREATE TABLE height_alarms (
    account TEXT NOT NULL, id TEXT NOT NULL, at_height INTEGER NOT NULL, rung INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, id)
  ) STRICT;
  CREATE INDEX height_alarms_by_height ON height_alarms (rung, at_height);
  `,
  `
  -- The channel graph as it came from peers: whole messages. scid: 8 bytes, so that they sort as numbers. capacity_sat: 0 is not known.
  -- spent_at: height of the block that spends the funding output.
  CREATE TABLE gossip_channels (
    scid BLOB PRIMARY KEY, announcement BLOB NOT NULL, capacity_sat INTEGER NOT NULL, outpoint TEXT, spent_at INTEGER,
    update1 BLOB, update2 BLOB
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE gossip_nodes (node_id BLOB PRIMARY KEY, announcement BLOB NOT NULL) STRICT, WITHOUT ROWID;
  -- at: the snapshot's timestamp in seconds. bytes: gzip.
  CREATE TABLE graph_snapshots (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  `,
];
