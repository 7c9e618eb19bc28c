-- Edgeway: the whole, current schema. Idempotent: applied by `npm start` locally and by `npm run deploy`, which bring an older database
-- to it first (scripts/upgrade.mjs). A new column of an old table stands last there, wherever it stands here: every INSERT names columns.
--
-- Conventions
--   ids          UUID v7 as text: they sort by time of creation, so lists page by `id` alone.
--   times        integers, milliseconds since 1970 UTC.
--   money        integers, nano-USD (1 USD = 1 000 000 000).
--   prices       integers, nano-USD per million units (tokens where not said otherwise); NULL = no such price known.
--   JSON         text columns named in a comment with their shape.
--   ownership    `user_id` is the owner; a member sees only rows it owns, an admin sees all.

-- People who may sign in to the management API.
CREATE TABLE IF NOT EXISTS users (
  id            TEXT PRIMARY KEY,
  username      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT NOT NULL,                    -- pbkdf2-sha256$iterations$salt$hash, see src/auth/password.rs
  role          TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT;

-- A session lives here so that it can be revoked; its token is signed, so a forged one never reaches this table.
CREATE TABLE IF NOT EXISTS sessions (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);

-- Failed sign-ins of the last fifteen minutes: what the login throttle counts.
CREATE TABLE IF NOT EXISTS login_failures (
  username TEXT NOT NULL COLLATE NOCASE,
  address  TEXT NOT NULL,
  at       INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS login_failures_by_username ON login_failures (username, at);
CREATE INDEX IF NOT EXISTS login_failures_by_age ON login_failures (at);

-- An upstream account. `name` is the model prefix (`name/model`).
CREATE TABLE IF NOT EXISTS providers (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL,                       -- a row of the provider table, src/provider/table.rs
  base_url   TEXT,                                -- NULL: the kind's own
  enabled    INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  headers    TEXT NOT NULL DEFAULT '{}',          -- {"name": "value"} sent with every call
  config     TEXT NOT NULL DEFAULT '{}',          -- {"dialect"?: "chat"|"responses"|"messages"|"gemini", …}
  models     TEXT NOT NULL DEFAULT '[]',          -- ["model", …] as its own list said last; empty = never asked
  models_refreshed_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (user_id, name)
) STRICT;

-- Keys of a provider, AES-256-GCM under MASTER_KEY with the row id as associated data.
CREATE TABLE IF NOT EXISTS provider_keys (
  id              TEXT PRIMARY KEY,
  user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  provider_id     TEXT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
  name            TEXT NOT NULL DEFAULT '',
  hint            TEXT NOT NULL,                  -- e.g. sk-...9f3a
  ciphertext      TEXT NOT NULL,                  -- base64(nonce ‖ ciphertext ‖ tag)
  key_version     INTEGER NOT NULL DEFAULT 1,     -- which MASTER_KEY sealed it
  fingerprint     TEXT NOT NULL,                  -- keyed hash, finds duplicates without the key
  is_selected     INTEGER NOT NULL DEFAULT 0 CHECK (is_selected IN (0, 1)),
  enabled         INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  disabled_until  INTEGER,                        -- resting until; NULL = not resting
  disabled_reason TEXT,                           -- why it rests; with disabled_until NULL, why it is dead until changed or enabled
  created_at      INTEGER NOT NULL,
  UNIQUE (provider_id, fingerprint)
) STRICT;
CREATE INDEX IF NOT EXISTS provider_keys_by_user ON provider_keys (user_id, id);
CREATE INDEX IF NOT EXISTS provider_keys_by_provider ON provider_keys (provider_id, id);

-- A named set of rules that a gateway key may be bound to. NULL settings fall back to the Worker's variables.
CREATE TABLE IF NOT EXISTS routers (
  id               TEXT PRIMARY KEY,
  user_id          TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name             TEXT NOT NULL,
  description      TEXT NOT NULL DEFAULT '',
  max_retries      INTEGER,
  base_delay_ms    INTEGER,
  headers_ms       INTEGER,
  first_content_ms INTEGER,
  idle_ms          INTEGER,
  total_ms         INTEGER,
  created_at       INTEGER NOT NULL,
  updated_at       INTEGER NOT NULL,
  UNIQUE (user_id, name)
) STRICT;

CREATE TABLE IF NOT EXISTS rules (
  id            TEXT PRIMARY KEY,
  router_id     TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
  model_pattern TEXT NOT NULL,                    -- glob on the name the client sent
  provider_id   TEXT NOT NULL REFERENCES providers (id) ON DELETE RESTRICT,
  target_model  TEXT,                             -- NULL: the name the client sent
  priority      INTEGER NOT NULL,                 -- lower is tried first
  weight        INTEGER NOT NULL DEFAULT 1 CHECK (weight >= 0),
  conditions    TEXT NOT NULL DEFAULT '{}',       -- {field: value | {operator: value}}
  enabled       INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS rules_by_router ON rules (router_id, priority, id);
CREATE INDEX IF NOT EXISTS rules_by_provider ON rules (provider_id);

-- A client of the gateway. Only the SHA-256 of its key is kept.
CREATE TABLE IF NOT EXISTS gateway_keys (
  id                  TEXT PRIMARY KEY,
  user_id             TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name                TEXT NOT NULL,
  hash                TEXT NOT NULL UNIQUE,       -- hex SHA-256 of the key
  hint                TEXT NOT NULL,
  previous_hash       TEXT UNIQUE,                -- after a rotation, honoured until previous_expires_at
  previous_expires_at INTEGER,
  router_id           TEXT REFERENCES routers (id) ON DELETE RESTRICT,
  provider_id         TEXT REFERENCES providers (id) ON DELETE RESTRICT,
  default_model       TEXT,
  allowed_models      TEXT NOT NULL DEFAULT '[]', -- ["glob", …]; empty = all
  denied_models       TEXT NOT NULL DEFAULT '[]', -- ["glob", …]
  system_prompt       TEXT,
  tool_mode           TEXT NOT NULL DEFAULT 'pass-through' CHECK (tool_mode IN ('pass-through', 'gateway')),
  base_url            TEXT,
  key_prefix          TEXT NOT NULL DEFAULT 'gw_',
  rate_limits         TEXT NOT NULL DEFAULT '{}', -- {requests_per_minute?, requests_per_hour?, requests_per_day?, tokens_per_minute?, concurrent?}
  quotas              TEXT NOT NULL DEFAULT '{}', -- {input_tokens_per_day?, output_tokens_per_day?, requests_per_day?, max_input_tokens?, max_output_tokens?}
  budget              TEXT,                       -- {nano_usd, window: "day"|"week"|"month"|"total"}
  policy              TEXT NOT NULL DEFAULT '{}', -- {unknown_output?, unknown_price?, unreachable?}: src/config/policy.rs
  expires_at          INTEGER,
  log_bodies          INTEGER NOT NULL DEFAULT 0 CHECK (log_bodies IN (0, 1)),
  metadata            TEXT NOT NULL DEFAULT '{}', -- {"name": "value"}
  is_active           INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
  created_at          INTEGER NOT NULL,
  updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS gateway_keys_by_user ON gateway_keys (user_id, id);
CREATE INDEX IF NOT EXISTS gateway_keys_by_router ON gateway_keys (router_id);
CREATE INDEX IF NOT EXISTS gateway_keys_by_provider ON gateway_keys (provider_id);

-- Models and prices. A price holds from `effective_from` on; the newest that has begun wins. user_id '' is the
-- catalogue, any other value that user's own override, which wins over the catalogue.
CREATE TABLE IF NOT EXISTS models (
  id                TEXT PRIMARY KEY,
  user_id           TEXT NOT NULL DEFAULT '',
  kind              TEXT NOT NULL,                -- provider kind, or '*' for any
  model             TEXT NOT NULL,
  mode              TEXT NOT NULL DEFAULT 'chat', -- chat, embedding, image, speech, transcription, rerank, moderation, …
  context_window    INTEGER,
  max_output_tokens INTEGER,
  capabilities      TEXT NOT NULL DEFAULT '[]',   -- ["tools", "vision", "reasoning", …]
  input_price           INTEGER,
  output_price          INTEGER,
  cached_input_price    INTEGER,
  cache_write_price     INTEGER,                  -- five-minute writes
  cache_write_1h_price  INTEGER,
  reasoning_price       INTEGER,
  audio_input_price     INTEGER,
  audio_output_price    INTEGER,
  image_input_price     INTEGER,                  -- of pictures in the input, by the token
  image_output_price    INTEGER,                  -- of pictures that are made, by the token
  image_price           INTEGER,                  -- of pictures that are made, by the picture
  audio_second_price    INTEGER,                  -- of sound that is listened to, by the second
  character_price       INTEGER,                  -- of speech, by the character
  search_price          INTEGER,                  -- of rerankers, by the search
  tiers             TEXT NOT NULL DEFAULT '[]',   -- [{above, input?, output?, cached_input?, cache_write?}], above = total input tokens
  effective_from    INTEGER NOT NULL,
  source            TEXT NOT NULL,                -- 'catalog', 'refresh' or 'override'
  updated_at        INTEGER NOT NULL,
  UNIQUE (user_id, kind, model, effective_from)
) STRICT;
CREATE INDEX IF NOT EXISTS models_by_name ON models (model, kind);

-- One row for each finished call. The queue delivers at least once; the primary key makes it exactly once.
CREATE TABLE IF NOT EXISTS request_logs (
  id                  TEXT PRIMARY KEY,           -- the x-request-id
  created_at          INTEGER NOT NULL,
  user_id             TEXT NOT NULL,              -- '' where the caller is no user's key
  key_id              TEXT NOT NULL,              -- '' likewise; no foreign key: a log outlives its key
  endpoint            TEXT NOT NULL,
  dialect             TEXT NOT NULL,
  model               TEXT NOT NULL,              -- as the client named it
  provider            TEXT NOT NULL,              -- '' where none was reached
  target_model        TEXT NOT NULL,
  status              INTEGER NOT NULL,
  error               TEXT,
  stream              INTEGER NOT NULL CHECK (stream IN (0, 1)),
  input_tokens        INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  usage_source        TEXT NOT NULL CHECK (usage_source IN ('upstream', 'estimated', 'none')),
  cost                INTEGER NOT NULL,           -- nano-USD
  priced              INTEGER NOT NULL CHECK (priced IN (0, 1)),
  latency_ms          INTEGER NOT NULL,
  latency_bucket      INTEGER NOT NULL,           -- src/log/latency.rs
  first_content_ms    INTEGER,
  end_reason          TEXT NOT NULL CHECK (end_reason IN ('done', 'client_closed', 'upstream_error', 'timeout')),
  metadata            TEXT NOT NULL DEFAULT '{}',
  attempts            TEXT NOT NULL DEFAULT '[]', -- [{provider, model, key_hint, status, error, latency_ms}]
  dropped_params      TEXT NOT NULL DEFAULT '[]',
  units               TEXT,                       -- {audio_ms?, characters?, images?, …}: src/usage.rs, Units; NULL for none
  batch               INTEGER NOT NULL DEFAULT 0  -- the number of the batch that it was stored in; negative: /metrics counted a stand-in
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS request_logs_by_user ON request_logs (user_id, id);
CREATE INDEX IF NOT EXISTS request_logs_by_key ON request_logs (key_id, id);
CREATE INDEX IF NOT EXISTS request_logs_by_provider ON request_logs (provider, id);
CREATE INDEX IF NOT EXISTS request_logs_by_model ON request_logs (model, id);
-- Failed calls are few and looked for; of the others, nearly every row matches.
CREATE INDEX IF NOT EXISTS request_logs_by_failure ON request_logs (status, id) WHERE status >= 400;
-- Stand-ins that /metrics has not counted.
CREATE INDEX IF NOT EXISTS request_logs_uncounted ON request_logs (id) WHERE endpoint = '' AND batch > 0;

-- Calls that were let past a ledger that did not answer, until it knows them: src/call/limits.rs.
CREATE INDEX IF NOT EXISTS request_logs_past_ledger ON request_logs (user_id, id)
  WHERE instr(metadata, '"edgeway.ledger":"unreachable"');

-- Bodies, only where a key asks for them, capped.
CREATE TABLE IF NOT EXISTS request_log_bodies (
  id         TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  request    TEXT,
  response   TEXT
) STRICT, WITHOUT ROWID;

-- Sums by the hour and by the day: what summaries read, so that they stay fast on a million calls. `latencies` is a histogram: numbers
-- in any order, a comma behind each; the number 256 * n + b stands for n calls in bucket b (src/log/latency.rs). So two histograms
-- written one behind the other are the histogram of both. One that has grown long is written anew, with one number for each bucket.
CREATE TABLE IF NOT EXISTS usage_hourly (
  hour                INTEGER NOT NULL,           -- its first millisecond
  user_id             TEXT NOT NULL,
  key_id              TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  requests            INTEGER NOT NULL,
  errors              INTEGER NOT NULL,
  input_tokens        INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  cost                INTEGER NOT NULL,
  latencies           TEXT NOT NULL,
  PRIMARY KEY (hour, user_id, key_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS usage_hourly_by_user ON usage_hourly (user_id, hour);
CREATE TABLE IF NOT EXISTS usage_daily (
  day                 INTEGER NOT NULL,           -- its first millisecond, UTC
  user_id             TEXT NOT NULL,
  key_id              TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  requests            INTEGER NOT NULL,
  errors              INTEGER NOT NULL,
  input_tokens        INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  cost                INTEGER NOT NULL,
  latencies           TEXT NOT NULL,
  PRIMARY KEY (day, user_id, key_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS usage_daily_by_user ON usage_daily (user_id, day);

-- Records are stored by `INSERT INTO log_batches VALUES (json)`, their JSON array (src/log.rs), and in no other way
-- (docs/adr/0015-sums-by-the-batch.md). It is one statement, so all of this happens or nothing does:
--   the records become rows of request_logs; one that is there already is passed over;
--   the rows that are new are added up by what the sums below tell apart, and each such sum is inserted into `log_sums`;
--   the triggers of `log_sums` add it to the sums that last, a handful of rows however many records there were.
CREATE VIEW IF NOT EXISTS log_batches AS SELECT '' AS records;
CREATE VIEW IF NOT EXISTS log_sums AS SELECT
  0 AS is_logged,                                 -- belongs into what is added up of the log: usage, budgets, alerts
  0 AS is_counted,                                -- belongs into the counters of /metrics
  0 AS hour, '' AS user_id, '' AS key_id, '' AS provider, '' AS model, '' AS target_model, 0 AS status, 0 AS requests, 0 AS errors,
  0 AS input_tokens, 0 AS output_tokens, 0 AS cached_input_tokens, 0 AS cache_write_tokens, 0 AS reasoning_tokens, 0 AS cost,
  '' AS latencies, 0 AS ended_at, 0 AS unpriced, '' AS unpriced_id, 0 AS refused, 0 AS duration_ms, 0 AS within_100, 0 AS within_250,
  0 AS within_500, 0 AS within_1000, 0 AS within_2500, 0 AS within_5000, 0 AS within_10000, 0 AS within_30000, 0 AS within_60000,
  0 AS within_120000, 0 AS within_300000,
  '' AS failed;                                   -- [[attempts, 1 where the last one died in its answer], …] of calls in which one failed

-- The number of the batch that is being stored, or was stored last.
CREATE TABLE IF NOT EXISTS log_batch_number (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  number INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO log_batch_number (id, number) VALUES (1, 0);

-- A record that a ledger wrote for a call whose own was lost (it has no endpoint: src/call/limits.rs) is a stand-in: it gives way to the
-- call's own, should that come after all, or to what the ledger learned later.
CREATE TRIGGER IF NOT EXISTS log_batches_store INSTEAD OF INSERT ON log_batches BEGIN
  UPDATE log_batch_number SET number = number + 1;
  -- Each record is parsed once, into the binary form: without that, every place taken out of it would parse it anew.
  INSERT OR IGNORE INTO request_logs (id, created_at, user_id, key_id, endpoint, dialect, model, provider, target_model, status, error,
      stream, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost, priced,
      latency_ms, latency_bucket, first_content_ms, end_reason, metadata, attempts, dropped_params, units, batch)
    WITH records AS MATERIALIZED (SELECT jsonb(value) AS record FROM json_each(NEW.records))
    SELECT record ->> 0, record ->> 1, record ->> 2, record ->> 3, record ->> 4, record ->> 5, record ->> 6, record ->> 7, record ->> 8,
      record ->> 9, record ->> 10, record ->> 11, record ->> 12, record ->> 13, record ->> 14, record ->> 15, record ->> 16,
      record ->> 17, record ->> 18, record ->> 19, record ->> 20, record ->> 21, record ->> 22, record ->> 23, record -> 24, record -> 25,
      record -> 26, record ->> 28, (SELECT number FROM log_batch_number)
    FROM records WHERE true
  ON CONFLICT (id) DO UPDATE SET
    created_at = excluded.created_at, user_id = excluded.user_id, key_id = excluded.key_id, endpoint = excluded.endpoint,
    dialect = excluded.dialect, model = excluded.model, provider = excluded.provider, target_model = excluded.target_model,
    status = excluded.status, error = excluded.error, stream = excluded.stream, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, cached_input_tokens = excluded.cached_input_tokens,
    cache_write_tokens = excluded.cache_write_tokens, reasoning_tokens = excluded.reasoning_tokens,
    usage_source = excluded.usage_source, cost = excluded.cost, priced = excluded.priced, latency_ms = excluded.latency_ms,
    latency_bucket = excluded.latency_bucket, first_content_ms = excluded.first_content_ms, end_reason = excluded.end_reason,
    metadata = excluded.metadata, attempts = excluded.attempts, dropped_params = excluded.dropped_params, units = excluded.units,
    batch = iif(request_logs.batch < 0, -excluded.batch, excluded.batch)
    WHERE request_logs.endpoint = '' AND (excluded.endpoint <> '' OR excluded.latency_ms > request_logs.latency_ms);
  -- The ids are cut out of the text, each being the first thing in its record and plain: that takes less than parsing. Refusals at the
  -- end of a budget come last: that a budget is spent must be known by then.
  INSERT INTO log_sums
    SELECT 1, endpoint <> '' AND batch > 0, created_at - created_at % 3600000, user_id, key_id, provider, model, target_model, status,
      count(*), sum(status >= 400 OR end_reason IN ('upstream_error', 'timeout')), sum(input_tokens), sum(output_tokens),
      sum(cached_input_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost), group_concat((256 + latency_bucket) || ',', ''),
      max(created_at + latency_ms), sum(NOT priced), min(iif(priced, NULL, id)), sum(status IN (402, 429) AND attempts = '[]'),
      sum(latency_ms), sum(latency_ms <= 100), sum(latency_ms <= 250), sum(latency_ms <= 500), sum(latency_ms <= 1000),
      sum(latency_ms <= 2500), sum(latency_ms <= 5000), sum(latency_ms <= 10000), sum(latency_ms <= 30000), sum(latency_ms <= 60000),
      sum(latency_ms <= 120000), sum(latency_ms <= 300000),
      -- Attempts are looked at only where something failed: parsing them costs as much as the rest.
      json_group_array(json_array(json(attempts), end_reason IN ('upstream_error', 'timeout')))
        FILTER (WHERE instr(attempts, '"error":"') OR end_reason IN ('upstream_error', 'timeout'))
    FROM request_logs WHERE id IN (SELECT substr(value, 3, instr(value, '",') - 3) FROM json_each(NEW.records))
      AND abs(batch) = (SELECT number FROM log_batch_number)
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY status = 402;
END;

-- What gives way is taken from the sums, unless it came in the same batch and so is in none. /metrics has not counted it: see below.
CREATE TRIGGER IF NOT EXISTS request_logs_give_way AFTER UPDATE OF endpoint ON request_logs WHEN abs(OLD.batch) <> abs(NEW.batch) BEGIN
  INSERT INTO log_sums (is_logged, is_counted, hour, user_id, key_id, provider, model, requests, errors, input_tokens, output_tokens,
    cached_input_tokens, cache_write_tokens, reasoning_tokens, cost, latencies)
  VALUES (1, 0, OLD.created_at - OLD.created_at % 3600000, OLD.user_id, OLD.key_id, OLD.provider, OLD.model, -1,
    -(OLD.status >= 400 OR OLD.end_reason IN ('upstream_error', 'timeout')), -OLD.input_tokens, -OLD.output_tokens,
    -OLD.cached_input_tokens, -OLD.cache_write_tokens, -OLD.reasoning_tokens, -OLD.cost, (OLD.latency_bucket - 256) || ',');
END;

CREATE TRIGGER IF NOT EXISTS log_sums_roll_up INSTEAD OF INSERT ON log_sums WHEN NEW.is_logged BEGIN
  INSERT INTO usage_hourly (hour, user_id, key_id, provider, model, requests, errors, input_tokens, output_tokens, cached_input_tokens,
    cache_write_tokens, reasoning_tokens, cost, latencies) VALUES (
    NEW.hour, NEW.user_id, NEW.key_id, NEW.provider, NEW.model, NEW.requests, NEW.errors,
    NEW.input_tokens, NEW.output_tokens, NEW.cached_input_tokens, NEW.cache_write_tokens, NEW.reasoning_tokens, NEW.cost, NEW.latencies)
  ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, errors = errors + excluded.errors,
    input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost,
    latencies = iif(length(latencies) + length(excluded.latencies) < 500, latencies || excluded.latencies,
      (SELECT coalesce(group_concat((calls * 256 + bucket) || ',', ''), '') FROM
        (SELECT value & 255 AS bucket, sum(value >> 8) AS calls
          FROM json_each('[' || latencies || excluded.latencies || '0]') GROUP BY 1)
        WHERE calls <> 0));
  INSERT INTO usage_daily (day, user_id, key_id, provider, model, requests, errors, input_tokens, output_tokens, cached_input_tokens,
    cache_write_tokens, reasoning_tokens, cost, latencies) VALUES (
    NEW.hour - NEW.hour % 86400000, NEW.user_id, NEW.key_id, NEW.provider, NEW.model, NEW.requests, NEW.errors,
    NEW.input_tokens, NEW.output_tokens, NEW.cached_input_tokens, NEW.cache_write_tokens, NEW.reasoning_tokens, NEW.cost, NEW.latencies)
  ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, errors = errors + excluded.errors,
    input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost,
    latencies = iif(length(latencies) + length(excluded.latencies) < 500, latencies || excluded.latencies,
      (SELECT coalesce(group_concat((calls * 256 + bucket) || ',', ''), '') FROM
        (SELECT value & 255 AS bucket, sum(value >> 8) AS calls
          FROM json_each('[' || latencies || excluded.latencies || '0]') GROUP BY 1)
        WHERE calls <> 0));
END;

-- The counters of GET /metrics (src/api/metrics.rs), since the gateway began: no retention takes anything from them, so they
-- never go down. There is a row for each combination of labels, and one is written for each call.
CREATE TABLE IF NOT EXISTS metric_calls (
  client        TEXT NOT NULL,                    -- the key's name when the call was stored, '' for a caller without a key
  model         TEXT NOT NULL,                    -- as sent upstream; as the client named it where nothing was
  status        INTEGER NOT NULL,
  requests      INTEGER NOT NULL,
  input_tokens  INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cost          INTEGER NOT NULL,                 -- nano-USD
  unpriced      INTEGER NOT NULL,
  refused       INTEGER NOT NULL,                 -- by a limit of its key, before any attempt
  duration_ms   INTEGER NOT NULL,
  within_100    INTEGER NOT NULL,                 -- calls that took at most so many ms
  within_250    INTEGER NOT NULL,
  within_500    INTEGER NOT NULL,
  within_1000   INTEGER NOT NULL,
  within_2500   INTEGER NOT NULL,
  within_5000   INTEGER NOT NULL,
  within_10000  INTEGER NOT NULL,
  within_30000  INTEGER NOT NULL,
  within_60000  INTEGER NOT NULL,
  within_120000 INTEGER NOT NULL,
  within_300000 INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,                 -- when the last of them ended
  delay_ms      INTEGER NOT NULL,                 -- how much later the one stored last was stored
  PRIMARY KEY (client, model, status)
) STRICT, WITHOUT ROWID;

-- Attempts that failed upstream.
CREATE TABLE IF NOT EXISTS metric_upstream_errors (
  client   TEXT NOT NULL,
  provider TEXT NOT NULL,
  errors   INTEGER NOT NULL,
  PRIMARY KEY (client, provider)
) STRICT, WITHOUT ROWID;

-- Log messages that came late, in one row: from the dead-letter queue, and how often they had to be delivered again.
CREATE TABLE IF NOT EXISTS metric_log_queue (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  redeliveries INTEGER NOT NULL,
  dead_letters INTEGER NOT NULL
) STRICT;

-- Isolates and their open calls of keys without limits, as each says behind its answers (src/edge/presence.rs), and until when that
-- is believed.
CREATE TABLE IF NOT EXISTS isolates (
  id         TEXT PRIMARY KEY,
  calls      INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Clients and models that have series of their own; all others are counted as `other`. Anyone may send any model's name: 1000 are
-- let in that an upstream has answered for or that the catalogue knows, but 100 at most while they may be inventions.
CREATE TABLE IF NOT EXISTS metric_labels (
  label TEXT NOT NULL CHECK (label IN ('client', 'model')),
  value TEXT NOT NULL,
  PRIMARY KEY (label, value)
) STRICT, WITHOUT ROWID;

-- A counter must not fall, so a stand-in is not counted while it may give way. When it is a day old (src/log/retention.rs), its batch is made
-- negative, and it is counted here; the call's own record, should it come even later, is not.
CREATE TRIGGER IF NOT EXISTS request_logs_count_lost AFTER UPDATE OF batch ON request_logs WHEN NEW.batch = -OLD.batch BEGIN
  INSERT INTO log_sums (is_logged, is_counted, hour, user_id, key_id, provider, model, target_model, status, requests, input_tokens,
    output_tokens, cost, ended_at, unpriced, refused, duration_ms, within_100, within_250, within_500, within_1000, within_2500,
    within_5000, within_10000, within_30000, within_60000, within_120000, within_300000)
  VALUES (0, 1, 0, NEW.user_id, NEW.key_id, NEW.provider, NEW.model, NEW.target_model, NEW.status, 1, NEW.input_tokens,
    NEW.output_tokens, NEW.cost, NEW.created_at + NEW.latency_ms, 0, 0, NEW.latency_ms, NEW.latency_ms <= 100, NEW.latency_ms <= 250,
    NEW.latency_ms <= 500, NEW.latency_ms <= 1000, NEW.latency_ms <= 2500, NEW.latency_ms <= 5000, NEW.latency_ms <= 10000,
    NEW.latency_ms <= 30000, NEW.latency_ms <= 60000, NEW.latency_ms <= 120000, NEW.latency_ms <= 300000);
END;

CREATE TRIGGER IF NOT EXISTS log_sums_count INSTEAD OF INSERT ON log_sums WHEN NEW.is_counted BEGIN
  INSERT INTO metric_labels (label, value) SELECT 'client', client
    FROM (SELECT coalesce((SELECT name FROM gateway_keys WHERE id = NEW.key_id), NEW.key_id) AS client)
    WHERE iif(EXISTS (SELECT 1 FROM metric_labels WHERE label = 'client' AND value = client), 0,
      (SELECT count(*) FROM metric_labels WHERE label = 'client') < 1000);
  INSERT INTO metric_labels (label, value) SELECT 'model', model
    FROM (SELECT substr(iif(NEW.target_model = '', NEW.model, NEW.target_model), 1, 200) AS model)
    WHERE iif(EXISTS (SELECT 1 FROM metric_labels WHERE label = 'model' AND value = model), 0,
      (SELECT count(*) FROM metric_labels WHERE label = 'model') <
        iif(NEW.status < 400 OR EXISTS (SELECT 1 FROM models AS listed WHERE listed.model = NEW.target_model), 1000, 100));
  INSERT INTO metric_calls (client, model, status, requests, input_tokens, output_tokens, cost, unpriced, refused, duration_ms,
      within_100, within_250, within_500, within_1000, within_2500, within_5000, within_10000, within_30000, within_60000,
      within_120000, within_300000, ended_at, delay_ms) SELECT
      coalesce((SELECT value FROM metric_labels WHERE label = 'client'
        AND value = coalesce((SELECT name FROM gateway_keys WHERE id = NEW.key_id), NEW.key_id)), 'other'),
      coalesce((SELECT value FROM metric_labels WHERE label = 'model'
        AND value = substr(iif(NEW.target_model = '', NEW.model, NEW.target_model), 1, 200)), 'other'),
      NEW.status, NEW.requests, NEW.input_tokens, NEW.output_tokens, NEW.cost, NEW.unpriced, NEW.refused, NEW.duration_ms,
      NEW.within_100, NEW.within_250, NEW.within_500, NEW.within_1000, NEW.within_2500, NEW.within_5000, NEW.within_10000,
      NEW.within_30000, NEW.within_60000, NEW.within_120000, NEW.within_300000, NEW.ended_at,
      max(0, coalesce(CAST(unixepoch('subsec') * 1000 AS INTEGER), 0) - NEW.ended_at)
    WHERE true
  ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost,
    unpriced = unpriced + excluded.unpriced, refused = refused + excluded.refused,
    duration_ms = duration_ms + excluded.duration_ms,
    within_100 = within_100 + excluded.within_100, within_250 = within_250 + excluded.within_250,
    within_500 = within_500 + excluded.within_500, within_1000 = within_1000 + excluded.within_1000,
    within_2500 = within_2500 + excluded.within_2500, within_5000 = within_5000 + excluded.within_5000,
    within_10000 = within_10000 + excluded.within_10000, within_30000 = within_30000 + excluded.within_30000,
    within_60000 = within_60000 + excluded.within_60000, within_120000 = within_120000 + excluded.within_120000,
    within_300000 = within_300000 + excluded.within_300000,
    ended_at = max(ended_at, excluded.ended_at), delay_ms = excluded.delay_ms;
  -- An upstream that died in the middle of its answer failed, too.
  INSERT INTO metric_upstream_errors (client, provider, errors)
    SELECT coalesce((SELECT labels.value FROM metric_labels AS labels WHERE label = 'client'
        AND labels.value = coalesce((SELECT name FROM gateway_keys WHERE gateway_keys.id = NEW.key_id), NEW.key_id)), 'other'),
      attempt.value ->> 'provider', 1
    FROM json_each(NEW.failed) AS call, json_each(call.value, '$[0]') AS attempt
    WHERE attempt.value ->> 'error' IS NOT NULL
      OR (call.value ->> 1 AND attempt.key = json_array_length(call.value, '$[0]') - 1)
  ON CONFLICT DO UPDATE SET errors = errors + 1;
END;

-- Answers of the Responses API, kept by the gateway whoever gave them. An id is an upstream's or a client's choice, so it is
-- unique only for its owner: that is a user's id, `static` for the static keys, or a hash where a caller brings its own key.
CREATE TABLE IF NOT EXISTS responses (
  owner       TEXT NOT NULL,
  id          TEXT NOT NULL,                      -- resp_…, as the client was told
  key_id      TEXT NOT NULL,                      -- '' for a caller without a gateway key of its own; a response outlives its key
  created_at  INTEGER NOT NULL,
  model       TEXT NOT NULL,
  status      TEXT NOT NULL,                      -- completed, incomplete or failed
  previous_id TEXT,                               -- the response that this one goes on from
  thread_id   TEXT NOT NULL,                      -- the first response of its conversation
  size        INTEGER NOT NULL,                   -- bytes of its chunks
  PRIMARY KEY (owner, id)
) STRICT;
CREATE INDEX IF NOT EXISTS responses_by_time ON responses (owner, created_at, id);
CREATE INDEX IF NOT EXISTS responses_by_thread ON responses (owner, thread_id, created_at);
CREATE INDEX IF NOT EXISTS responses_by_age ON responses (created_at);

-- Their bodies, in pieces far below the 2 MB that D1 takes in a row.
CREATE TABLE IF NOT EXISTS response_chunks (
  owner       TEXT NOT NULL,
  response_id TEXT NOT NULL,
  body        INTEGER NOT NULL CHECK (body IN (0, 1)), -- 0: `input` of the request, JSON; 1: the response object, JSON
  part        INTEGER NOT NULL,
  text        TEXT NOT NULL,
  PRIMARY KEY (owner, response_id, body, part),
  FOREIGN KEY (owner, response_id) REFERENCES responses (owner, id) ON DELETE CASCADE
) STRICT;

-- Where the items of outputs are, for requests that only refer to them.
CREATE TABLE IF NOT EXISTS response_items (
  owner       TEXT NOT NULL,
  id          TEXT NOT NULL,
  response_id TEXT NOT NULL,
  PRIMARY KEY (owner, id),
  FOREIGN KEY (owner, response_id) REFERENCES responses (owner, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS response_items_by_response ON response_items (owner, response_id);
CREATE TRIGGER IF NOT EXISTS users_delete_responses AFTER DELETE ON users BEGIN DELETE FROM responses WHERE owner = OLD.id; END;

-- Calls that are made once: those with an Idempotency-Key, and those that the cache answers. Who makes one, and what it got.
CREATE TABLE IF NOT EXISTS replays (
  id          TEXT PRIMARY KEY,                   -- SHA-256 of the caller and its key; for the cache, of all that decides the answer
  fingerprint TEXT NOT NULL,                      -- SHA-256 of what was asked for
  holder      TEXT NOT NULL,                      -- request id of the call that goes upstream
  status      INTEGER,                            -- of the answer; NULL while the call runs
  kept_at     INTEGER,                            -- when the answer was kept
  headers     TEXT NOT NULL DEFAULT '',           -- of the answer, a line each: `name: value`
  is_base64   INTEGER NOT NULL DEFAULT 0,         -- how its chunks are written
  expires_at  INTEGER NOT NULL                    -- of the holder's lease, then of the answer; from then on the row is free
) STRICT;
CREATE INDEX IF NOT EXISTS replays_by_expiry ON replays (expires_at);
CREATE TABLE IF NOT EXISTS replay_chunks (
  replay_id TEXT NOT NULL REFERENCES replays (id) ON DELETE CASCADE,
  part      INTEGER NOT NULL,
  text      TEXT NOT NULL,
  PRIMARY KEY (replay_id, part)
) STRICT;

-- What happened to provider keys, and other management actions.
CREATE TABLE IF NOT EXISTS activity_logs (
  id          TEXT PRIMARY KEY,
  user_id     TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  action      TEXT NOT NULL CHECK (action IN ('ADD', 'DELETE', 'SELECT', 'UNSELECT', 'IMPORT', 'EXHAUSTED')),
  provider    TEXT NOT NULL,
  key_hint    TEXT NOT NULL DEFAULT '',
  description TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS activity_logs_by_user ON activity_logs (user_id, id);
CREATE INDEX IF NOT EXISTS activity_logs_by_action ON activity_logs (action, id);
CREATE INDEX IF NOT EXISTS activity_logs_by_time ON activity_logs (created_at);

CREATE TABLE IF NOT EXISTS settings (
  name       TEXT PRIMARY KEY,
  value      TEXT NOT NULL,                       -- JSON
  updated_at INTEGER NOT NULL
) STRICT;

-- What somebody should know, once in its period, until a webhook has taken it (src/alert.rs). Nothing is written while none is set.
CREATE TABLE IF NOT EXISTS alerts (
  kind       TEXT NOT NULL CHECK (kind IN ('provider_key_dead', 'model_unpriced', 'budget_80', 'budget_100')),
  subject    TEXT NOT NULL,                       -- the provider key's id, provider/model, or the gateway key's id
  period     INTEGER NOT NULL,                    -- first millisecond of the budget's window or of the day; a dead key's moment
  created_at INTEGER NOT NULL,
  detail     TEXT NOT NULL,                       -- {"name": value}: what the webhook is told beside kind and time
  taken_at   INTEGER,                             -- when sending it was begun last
  sent_at    INTEGER,                             -- when the webhook had it
  PRIMARY KEY (kind, subject, period)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_to_send ON alerts (created_at) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS alerts_by_age ON alerts (created_at);

-- What the log says that keys with a budget have spent of it, in each window: for alerts alone, the ledger decides.
CREATE TABLE IF NOT EXISTS budget_spend (
  key_id TEXT NOT NULL REFERENCES gateway_keys (id) ON DELETE CASCADE,
  period INTEGER NOT NULL,                        -- the window's first millisecond, UTC; 0 for `total`
  cost   INTEGER NOT NULL,                        -- nano-USD
  PRIMARY KEY (key_id, period)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS log_sums_alert_unpriced INSTEAD OF INSERT ON log_sums
WHEN NEW.unpriced AND EXISTS (SELECT 1 FROM settings WHERE name = 'alert_webhook_url') BEGIN
  INSERT INTO alerts (kind, subject, period, created_at, detail) SELECT
    'model_unpriced', NEW.provider || '/' || NEW.target_model, NEW.hour - NEW.hour % 86400000, NEW.ended_at,
    json_object('provider', NEW.provider, 'model', NEW.target_model, 'key_id', NEW.key_id, 'request_id', NEW.unpriced_id)
  WHERE true ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER IF NOT EXISTS provider_keys_alert_dead AFTER UPDATE OF disabled_until, disabled_reason ON provider_keys
WHEN NEW.disabled_reason IS NOT NULL AND NEW.disabled_until IS NULL
  AND (OLD.disabled_reason IS NULL OR OLD.disabled_until IS NOT NULL)
  AND EXISTS (SELECT 1 FROM settings WHERE name = 'alert_webhook_url') BEGIN
  INSERT INTO alerts (kind, subject, period, created_at, detail) SELECT
    'provider_key_dead', NEW.id, unixepoch() * 1000, unixepoch() * 1000,
    json_object('provider', (SELECT name FROM providers WHERE providers.id = NEW.provider_id),
      'provider_key_id', NEW.id, 'key_hint', NEW.hint, 'reason', NEW.disabled_reason)
  WHERE true ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER IF NOT EXISTS log_sums_alert_budget INSTEAD OF INSERT ON log_sums
WHEN NEW.is_logged AND NEW.key_id <> '' AND (SELECT budget FROM gateway_keys WHERE id = NEW.key_id) IS NOT NULL BEGIN
  INSERT INTO budget_spend (key_id, period, cost) SELECT NEW.key_id,
    iif(budget ->> 'window' = 'day', NEW.hour - NEW.hour % 86400000,
    -- Weeks begin on Mondays, 1970 did on a Thursday.
    iif(budget ->> 'window' = 'week', NEW.hour - (NEW.hour - 345600000) % 604800000,
    iif(budget ->> 'window' = 'month', unixepoch(NEW.hour / 1000, 'unixepoch', 'start of month') * 1000, 0))), NEW.cost
    FROM gateway_keys WHERE id = NEW.key_id
  ON CONFLICT DO UPDATE SET cost = cost + excluded.cost;
  -- A budget that holds exactly is hardly ever met to the last nano-dollar: that it refuses a call near its end is its end.
  INSERT INTO alerts (kind, subject, period, created_at, detail) SELECT
    'budget_' || share, k.id, spend.period, NEW.ended_at,
    json_object('key', k.name, 'key_id', k.id, 'used_usd', spend.cost / 1e9, 'budget_usd', (k.budget ->> 'nano_usd') / 1e9,
      'window', k.budget ->> 'window', 'refuses', json(iif(NEW.status = 402 AND NEW.refused, 'true', 'false')))
    FROM gateway_keys AS k JOIN budget_spend AS spend ON spend.key_id = k.id AND spend.period =
      iif(k.budget ->> 'window' = 'day', NEW.hour - NEW.hour % 86400000,
      iif(k.budget ->> 'window' = 'week', NEW.hour - (NEW.hour - 345600000) % 604800000,
      iif(k.budget ->> 'window' = 'month', unixepoch(NEW.hour / 1000, 'unixepoch', 'start of month') * 1000, 0)))
      JOIN (SELECT 80 AS share UNION ALL SELECT 100)
    WHERE k.id = NEW.key_id AND NEW.requests > 0 AND EXISTS (SELECT 1 FROM settings WHERE name = 'alert_webhook_url')
      AND spend.cost * 100 >= (k.budget ->> 'nano_usd') * iif(NEW.status = 402 AND NEW.refused, 80, share)
  ON CONFLICT DO NOTHING;
END;

-- Counts up with every change of anything that a compiled key depends on. An isolate asks for this one number to
-- know whether what it holds is still true.
CREATE TABLE IF NOT EXISTS config_version (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO config_version (id, version) VALUES (1, 1);
CREATE TRIGGER IF NOT EXISTS providers_insert_version AFTER INSERT ON providers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS providers_update_version AFTER UPDATE ON providers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS providers_delete_version AFTER DELETE ON providers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS provider_keys_insert_version AFTER INSERT ON provider_keys BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS provider_keys_update_version AFTER UPDATE ON provider_keys BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS provider_keys_delete_version AFTER DELETE ON provider_keys BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS routers_insert_version AFTER INSERT ON routers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS routers_update_version AFTER UPDATE ON routers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS routers_delete_version AFTER DELETE ON routers BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS rules_insert_version AFTER INSERT ON rules BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS rules_update_version AFTER UPDATE ON rules BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS rules_delete_version AFTER DELETE ON rules BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS gateway_keys_insert_version AFTER INSERT ON gateway_keys BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS gateway_keys_update_version AFTER UPDATE ON gateway_keys BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS gateway_keys_delete_version AFTER DELETE ON gateway_keys BEGIN UPDATE config_version SET version = version + 1; END;
-- What the refresh remembers of its source (src/catalog/refresh.rs) concerns no key.
CREATE TRIGGER IF NOT EXISTS settings_insert_version AFTER INSERT ON settings WHEN NEW.name <> 'catalog_source' BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS settings_update_version AFTER UPDATE ON settings WHEN NEW.name <> 'catalog_source' BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS settings_delete_version AFTER DELETE ON settings WHEN OLD.name <> 'catalog_source' BEGIN UPDATE config_version SET version = version + 1; END;
-- The catalogue's thousands of rows are followed by one explicit count; a user's own price counts by itself.
CREATE TRIGGER IF NOT EXISTS models_insert_version AFTER INSERT ON models WHEN NEW.user_id <> '' BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS models_update_version AFTER UPDATE ON models WHEN NEW.user_id <> '' BEGIN UPDATE config_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS models_delete_version AFTER DELETE ON models WHEN OLD.user_id <> '' BEGIN UPDATE config_version SET version = version + 1; END;
