//! Tables and indexes. Every statement is idempotent; `doc` is the JSON of the domain type, the columns repeat what is
//! searched or must be unique.

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, email TEXT NOT NULL, auth0_id TEXT, role TEXT NOT NULL, created_at INTEGER NOT NULL, doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS users_email ON users(email);
CREATE UNIQUE INDEX IF NOT EXISTS users_auth0_id ON users(auth0_id) WHERE auth0_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS revoked_sessions (sid TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, s3_key TEXT NOT NULL, owner TEXT NOT NULL, generation INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_open ON uploads(state, expires_at);
CREATE INDEX IF NOT EXISTS uploads_s3_key ON uploads(s3_key);

-- Sessions that were found to be a repeat, and of which asset: the same answer whenever it is asked for again.
CREATE TABLE IF NOT EXISTS repeats (id TEXT PRIMARY KEY, first TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS garbage (s3_key TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS assets (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, file_type TEXT NOT NULL, upload_status TEXT NOT NULL,
  file_name TEXT NOT NULL, file_size INTEGER NOT NULL, sha256 TEXT NOT NULL, s3_key TEXT NOT NULL,
  created_at INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS assets_s3_key ON assets(s3_key);
CREATE INDEX IF NOT EXISTS assets_user_created ON assets(user_id, created_at, id);
CREATE INDEX IF NOT EXISTS assets_user_name ON assets(user_id, file_name, id);
CREATE INDEX IF NOT EXISTS assets_user_size ON assets(user_id, file_size, id);
CREATE INDEX IF NOT EXISTS assets_repeat ON assets(user_id, sha256, created_at);

CREATE TABLE IF NOT EXISTS fingerprints (
  id TEXT PRIMARY KEY, asset_id TEXT NOT NULL, user_id TEXT NOT NULL, phash TEXT, created_at INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS fingerprints_asset ON fingerprints(asset_id);
CREATE INDEX IF NOT EXISTS fingerprints_phash ON fingerprints(phash) WHERE phash IS NOT NULL;

CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, asset_id TEXT NOT NULL, state TEXT NOT NULL, not_before INTEGER NOT NULL,
  claim_token TEXT, claim_node TEXT, claim_generation INTEGER, claim_expires_at INTEGER, created_at INTEGER NOT NULL, doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS jobs_asset ON jobs(asset_id);
-- One ordered index for each way to come to be claimed. What is only in `doc` is unknown to older versions, which may
-- run again after this one.
CREATE INDEX IF NOT EXISTS jobs_turn ON jobs(json_extract(doc, '$.turn.line'), json_extract(doc, '$.turn.at'), created_at, id)
  WHERE state='queued';
CREATE INDEX IF NOT EXISTS jobs_due ON jobs(json_extract(doc, '$.turn.line'), not_before) WHERE state='queued';
CREATE INDEX IF NOT EXISTS jobs_expired ON jobs(claim_expires_at) WHERE state='running';
CREATE INDEX IF NOT EXISTS jobs_claimed ON jobs(claim_node, claim_generation) WHERE state='running';
DROP INDEX IF EXISTS jobs_state;
DROP INDEX IF EXISTS jobs_kind;
-- What each user's jobs used; the row without a user tells where the queue is.
CREATE TABLE IF NOT EXISTS job_accounts (
  user_id TEXT PRIMARY KEY, next INTEGER NOT NULL, debt INTEGER NOT NULL, day INTEGER NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job_totals (state TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO job_totals SELECT state, count(*) FROM jobs WHERE NOT EXISTS (SELECT 1 FROM job_totals) GROUP BY state;
INSERT OR IGNORE INTO job_totals VALUES ('queued', 0), ('running', 0);
CREATE TRIGGER IF NOT EXISTS jobs_in AFTER INSERT ON jobs BEGIN
  UPDATE job_totals SET n=n+1 WHERE state=NEW.state;
END;
CREATE TRIGGER IF NOT EXISTS jobs_out AFTER DELETE ON jobs BEGIN
  UPDATE job_totals SET n=n-1 WHERE state=OLD.state;
END;
CREATE TRIGGER IF NOT EXISTS jobs_move AFTER UPDATE OF state ON jobs WHEN OLD.state<>NEW.state BEGIN
  UPDATE job_totals SET n=n-1 WHERE state=OLD.state;
  UPDATE job_totals SET n=n+1 WHERE state=NEW.state;
END;

CREATE TABLE IF NOT EXISTS partners (id TEXT PRIMARY KEY, name TEXT NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS partners_name ON partners(name);

CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY, partner_id TEXT NOT NULL, created_at INTEGER NOT NULL, doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS api_keys_partner ON api_keys(partner_id, created_at, id);

CREATE TABLE IF NOT EXISTS usage_events (
  id TEXT PRIMARY KEY, partner_id TEXT NOT NULL, user_id TEXT NOT NULL, asset_id TEXT NOT NULL, status TEXT NOT NULL,
  working_until INTEGER, expires_at INTEGER, created_at INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_events_created ON usage_events(created_at, id);
CREATE INDEX IF NOT EXISTS usage_events_partner ON usage_events(partner_id, created_at, id);
CREATE INDEX IF NOT EXISTS usage_events_user ON usage_events(user_id, created_at, id);
CREATE INDEX IF NOT EXISTS usage_events_asset ON usage_events(asset_id, created_at, id);
CREATE INDEX IF NOT EXISTS usage_events_working ON usage_events(status, working_until);
CREATE INDEX IF NOT EXISTS usage_events_expires ON usage_events(status, expires_at);
-- Calculations as they came, in any shape; user_id is null where they make no sense.
CREATE TABLE IF NOT EXISTS analytics (
  id TEXT PRIMARY KEY, user_id TEXT, asset_id TEXT, created_at INTEGER NOT NULL, bson BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS analytics_user ON analytics(user_id, created_at, id);
CREATE INDEX IF NOT EXISTS analytics_user_asset ON analytics(user_id, asset_id, created_at, id);
CREATE INDEX IF NOT EXISTS analytics_asset ON analytics(asset_id);
-- Rows are only added. The three unique indexes decide between two writers.
CREATE TABLE IF NOT EXISTS wallet_journal (
  id TEXT PRIMARY KEY, wallet_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, transaction_id TEXT NOT NULL,
  resolves TEXT, idempotency_key TEXT NOT NULL, doc TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS wallet_journal_seq ON wallet_journal(wallet_id, seq);
CREATE UNIQUE INDEX IF NOT EXISTS wallet_journal_key ON wallet_journal(wallet_id, idempotency_key);
CREATE UNIQUE INDEX IF NOT EXISTS wallet_journal_resolves ON wallet_journal(resolves) WHERE resolves IS NOT NULL;
CREATE INDEX IF NOT EXISTS wallet_journal_transaction ON wallet_journal(transaction_id);
CREATE INDEX IF NOT EXISTS wallet_journal_time ON wallet_journal(wallet_id, at, seq);

-- Each index below holds all that a filter may ask for, so that rows which do not match are never read.
CREATE TABLE IF NOT EXISTS wallet_transactions (
  id TEXT PRIMARY KEY, wallet_id TEXT NOT NULL, ordinal INTEGER NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
  currency TEXT NOT NULL, amount INTEGER NOT NULL, created_at INTEGER NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS wallet_transactions_ordinal ON wallet_transactions(wallet_id, ordinal);
CREATE INDEX IF NOT EXISTS wallet_transactions_page ON wallet_transactions(wallet_id, ordinal, type, status, currency, created_at);
CREATE INDEX IF NOT EXISTS wallet_transactions_type ON wallet_transactions(wallet_id, type, ordinal, status, currency, created_at);
CREATE INDEX IF NOT EXISTS wallet_transactions_sums ON wallet_transactions(wallet_id, type, status, currency, created_at, amount);
CREATE INDEX IF NOT EXISTS wallet_transactions_all ON wallet_transactions(created_at, id, type, status, currency, amount);
CREATE INDEX IF NOT EXISTS wallet_transactions_all_type ON wallet_transactions(type, status, created_at, id, currency, amount);

-- Documents of wallets as they lie in archives too; user_id is empty where a record names no owner.
CREATE TABLE IF NOT EXISTS wallets (id TEXT PRIMARY KEY, user_id TEXT, last_seq INTEGER NOT NULL, bson BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS wallets_user ON wallets(user_id) WHERE user_id IS NOT NULL;

-- Where older versions kept wallets and analytics; emptied at the start.
CREATE TABLE IF NOT EXISTS plain_records (
  collection TEXT NOT NULL, id TEXT NOT NULL, bson BLOB NOT NULL, PRIMARY KEY (collection, id)
) WITHOUT ROWID;

-- Who these documents are, and which other stores belong to them.
CREATE TABLE IF NOT EXISTS identities (store TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
";
