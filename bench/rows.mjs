// How long the management plane takes over a log of a million calls: every list, every summary, the first byte of an export,
// and a scrape. The rows are stored as those of calls are.
import { performance } from "node:perf_hooks";

const DAYS = 30;
const BATCH = 2_000;
const ROUNDS = 7;
const MODELS = 40;
const KEYS = 50;
const METRICS = { METRICS_USERNAME: "bench", METRICS_PASSWORD: "bench-metrics" };

const FILL = `
  INSERT INTO log_batches (records)
  WITH RECURSIVE n (i) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
  SELECT json_group_array(json_array(
    substr(at, 1, 8) || '-' || substr(at, 9) || '-7' || printf('%03x', i % 4096) || '-8' || printf('%03x', i / 4096 % 4096) || '-' || printf('%012x', i),
    CAST(?3 AS INTEGER) + i * CAST(?4 AS INTEGER), ?5, 'key-' || (i * 7919 % ${KEYS}), 'chat.completions', 'chat', 'model-' || (i * 104729 % ${MODELS}), 'provider-' || (i % 5),
    'model-' || (i * 104729 % ${MODELS}), iif(i % 50 = 0, 500, 200), iif(i % 50 = 0, 'the provider answered 500', NULL), json(iif(i % 2, 'true', 'false')),
    100 + i % 900, 50 + i % 400, 0, 0, 0, 'upstream', 1000 + i % 90000, json('true'), 200 + i % 4000,
    CAST(ln(201 + i % 4000) / ln(1.1) AS INTEGER), 150, iif(i % 50 = 0, 'upstream_error', 'done'), json('{}'),
    json_array(json_object('provider', 'provider-' || (i % 5), 'model', 'model-' || (i * 104729 % ${MODELS}), 'key_hint', NULL,
      'status', iif(i % 50 = 0, 500, 200), 'error', iif(i % 50 = 0, 'answered 500', NULL), 'latency_ms', 200)), json('[]'), NULL))
  FROM (SELECT i, printf('%012x', CAST(?3 AS INTEGER) + i * CAST(?4 AS INTEGER)) AS at FROM n)`;

/** Fills a gateway's log with so many calls of the last thirty days; → the slowest of each kind, in ms. */
export async function rowTimes(Gateway, count, say) {
  const gateway = await Gateway.start({ vars: METRICS });
  try {
    const every = Math.floor((DAYS * 86_400_000) / count);
    const since = Date.now() - count * every;
    for (let from = 0; from < count; from += BATCH) {
      await gateway.sql(FILL, from, Math.min(from + BATCH, count), since, every, gateway.admin.user.id);
    }
    const [{ rows }] = await gateway.sql("SELECT count(*) AS rows FROM request_logs");
    const [middle] = await gateway.sql("SELECT id FROM request_logs WHERE created_at >= ?1 LIMIT 1", since + (count / 2) * every);
    const iso = (ms) => encodeURIComponent(new Date(ms).toISOString());
    const [from, to] = [iso(since + 10 * 86_400_000), iso(since + 20 * 86_400_000)];
    const lists = [
      "", "?limit=100", `?cursor=${middle.id}`, "?key_id=key-7", "?provider=provider-3", "?model=model-9", "?status=500", "?status=200", "?status=404",
      `?since=${from}&until=${to}`, `?since=${from}&until=${to}&model=model-9&status=500`, "?key_id=key-7&model=model-9&status=500",
      `?search=${middle.id}`, "?search=model-9", "?search=answered", "?search=nowhere-to-be-found", `/${middle.id}`,
    ].map((query) => `/api/logs${query}`);
    const summaries = ["", "&key_id=key-7", "&provider=provider-3", "&model=model-9"].flatMap((filter) =>
      ["day", "hour", "provider", "model", "key"].map((group) => `/api/logs/summary?since=${iso(since)}&group_by=${group}${filter}`));
    const exports = ["csv", "ndjson"].map((format) => `/api/logs/export?format=${format}`);
    const timed = {};
    for (const [kind, paths] of Object.entries({ lists, summaries, exports, metrics: ["/metrics"] })) {
      timed[kind] = 0;
      for (const path of paths) {
        const ms = await time(gateway, path);
        say(`${ms.toFixed(1).padStart(7)} ms  ${decodeURIComponent(path)}`);
        timed[kind] = Math.max(timed[kind], ms);
      }
    }
    return { rows, ...timed };
  } finally {
    await gateway.stop();
  }
}

/** The median time to the first byte of a path; a whole body is read where it is small. */
async function time(gateway, path) {
  const taken = [];
  const headers = path === "/metrics"
    ? { authorization: `Basic ${btoa(`${METRICS.METRICS_USERNAME}:${METRICS.METRICS_PASSWORD}`)}` }
    : { authorization: `Bearer ${gateway.admin.token}` };
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    const response = await fetch(gateway.url + path, { headers });
    const reader = response.body.getReader();
    const isExport = path.includes("/export");
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      if (isExport) {
        break;
      }
    }
    taken.push(performance.now() - begun);
    await reader.cancel();
    if (response.status !== 200) {
      throw new Error(`${path} answered ${response.status}`);
    }
  }
  return taken.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)];
}
