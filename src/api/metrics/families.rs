//! Which metrics there are: their names, their meaning, and the statement that gives their samples.

use crate::store::Statement;
use crate::time::Millis;
use serde_json::Value;

/// A line of samples that share their labels: the labels' values first, then a value for each family.
pub type Sample = Vec<Value>;

/// A client counts as active for so long after the end of its last call.
pub const ACTIVE: Millis = Millis(5 * Millis::MINUTE.0);

/// The upper bounds of the histogram, as Prometheus has them, in seconds.
pub const BOUNDS: [&str; 11] = ["0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300"];

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name")]
pub enum Kind {
    Counter,
    Gauge,
    /// Its samples have the calls within each of [`BOUNDS`], then all calls, then the sum of their times.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// With its unit, as Prometheus wants it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its meaning, in one line.
    pub help: &'static str,
    /// By which power of ten the integer behind it is greater: 9 for nano-USD, 3 for ms.
    pub scale: usize,
}

/// Metrics with the same labels, and where their samples come from.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its rows are arrays of samples.
    pub sql: &'static str,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// The metrics.
    pub families: &'static [Family],
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help, scale: 0 }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help, scale: 0 }
}

/// All that the database knows.
pub const TABLES: [Table; 7] = [
    Table {
        sql: "SELECT json_group_array(json_array(client, model, CAST(status AS TEXT), requests)) AS samples \
              FROM metric_calls GROUP BY client",
        labels: &["client", "model", "status"],
        families: &[counter(
            "ai_gateway_requests_total",
            "Finished calls by the name of the client's key, the model as sent upstream (or asked for, where nothing was sent) and \
             the status that the client got. Beyond 1000 clients or models, the rest is counted as other.",
        )],
    },
    Table {
        sql: "SELECT json_group_array(json_array(client, model, input, output, cost, unpriced)) AS samples FROM \
              (SELECT client, model, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost) AS cost, \
              sum(unpriced) AS unpriced FROM metric_calls GROUP BY client, model) GROUP BY client",
        labels: &["client", "model"],
        families: &[
            counter("ai_gateway_input_tokens_total", "Input tokens of finished calls, cached ones included."),
            counter("ai_gateway_output_tokens_total", "Output tokens of finished calls, reasoning included."),
            Family {
                name: "ai_gateway_cost_usd_total",
                kind: Kind::Counter,
                help: "What finished calls cost, in USD.",
                scale: 9,
            },
            counter(
                "ai_gateway_unpriced_requests_total",
                "Finished calls that no price was known for: the cost lacks them.",
            ),
        ],
    },
    Table {
        sql: "SELECT json_group_array(json_array(model, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11, calls, ms)) AS samples \
              FROM (SELECT model, sum(within_100) AS l1, sum(within_250) AS l2, sum(within_500) AS l3, \
              sum(within_1000) AS l4, sum(within_2500) AS l5, sum(within_5000) AS l6, sum(within_10000) AS l7, \
              sum(within_30000) AS l8, sum(within_60000) AS l9, sum(within_120000) AS l10, sum(within_300000) AS l11, \
              sum(requests) AS calls, sum(duration_ms) AS ms FROM metric_calls GROUP BY model) GROUP BY model",
        labels: &["model"],
        families: &[Family {
            name: "ai_gateway_request_duration_seconds",
            kind: Kind::Histogram,
            help: "From the arrival of a call to the last byte of its answer, refused calls included.",
            scale: 3,
        }],
    },
    Table {
        sql: "SELECT json_group_array(json_array(client, provider, errors)) AS samples FROM metric_upstream_errors",
        labels: &["client", "provider"],
        families: &[counter(
            "ai_gateway_upstream_errors_total",
            "Attempts that failed at a provider, whether or not another one served the call.",
        )],
    },
    Table {
        sql: "SELECT json_group_array(json_array(client, reason, refused)) AS samples FROM \
              (SELECT client, iif(status = 402, 'budget', 'rate') AS reason, sum(refused) AS refused FROM metric_calls \
              WHERE refused > 0 GROUP BY client, reason)",
        labels: &["client", "reason"],
        families: &[counter(
            "ai_gateway_ratelimit_refusals_total",
            "Calls that a limit of their key refused before any attempt: a budget (402), or a rate or quota (429).",
        )],
    },
    Table {
        sql: "SELECT json_array(json_array((SELECT count(DISTINCT client) FROM metric_calls WHERE ended_at >= ?1), \
              coalesce(max(ended_at), 0), coalesce((SELECT delay_ms FROM metric_calls ORDER BY ended_at DESC LIMIT 1), 0))) \
              AS samples FROM metric_calls",
        labels: &[],
        families: &[
            gauge(
                "ai_gateway_active_clients",
                "Clients with a call that ended within the last five minutes.",
            ),
            Family {
                name: "ai_gateway_log_last_record_timestamp_seconds",
                kind: Kind::Gauge,
                help: "When the last call ended whose record has come through the queue; 0 before the first.",
                scale: 3,
            },
            Family {
                name: "ai_gateway_log_delay_seconds",
                kind: Kind::Gauge,
                help: "How long the record of that call was on its way through the queue.",
                scale: 3,
            },
        ],
    },
    Table {
        sql: "SELECT json_array(json_array(coalesce(sum(redeliveries), 0), coalesce(sum(dead_letters), 0))) AS samples \
              FROM metric_log_queue",
        labels: &[],
        families: &[
            counter(
                "ai_gateway_log_redeliveries_total",
                "Deliveries of log messages that had to be repeated, of those that are stored by now.",
            ),
            counter(
                "ai_gateway_log_dead_letters_total",
                "Log messages that were stored from the dead-letter queue, after all tries of the log queue had failed.",
            ),
        ],
    },
];

/// What the queues say of themselves.
pub const QUEUES: Table = Table {
    sql: "",
    labels: &["queue"],
    families: &[
        gauge(
            "ai_gateway_log_queue_messages",
            "Messages with log records that wait in the queue, or in the dead-letter queue; about, as the platform counts them.",
        ),
        Family {
            name: "ai_gateway_log_queue_oldest_age_seconds",
            kind: Kind::Gauge,
            help: "How long the oldest of them has waited; 0 where none does, or nothing is known.",
            scale: 3,
        },
    ],
};

/// What the ledgers know; its statement stands with its question.
pub const LEDGERS: Table = Table {
    sql: "",
    labels: &[],
    families: &[
        gauge(
            "ai_gateway_requests_in_progress",
            "Calls under way: of keys that have limits, as the ledgers hold them at this moment; of other keys, those that were \
             open when their isolate looked last, every five seconds.",
        ),
        gauge("ai_gateway_ledgers", "Ledgers: one for each owner of active keys with limits, 100 at most."),
        gauge("ai_gateway_ledgers_unreachable", "Ledgers that did not answer this scrape."),
    ],
};

/// The statements of [`TABLES`], in order.
#[must_use]
pub fn statements(now: Millis) -> Vec<Statement> {
    let statement = |table: &Table| {
        let statement = Statement::new(table.sql);
        if table.sql.contains("?1") { statement.bind(Millis(now.0 - ACTIVE.0)) } else { statement }
    };
    TABLES.iter().map(statement).collect()
}
