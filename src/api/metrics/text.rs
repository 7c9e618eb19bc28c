//! Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats>): one block for each metric.

use super::families::{BOUNDS, Family, Kind, Sample, Table};
use serde_json::Value;

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Writes the metrics of a table. One without samples has its `HELP` and `TYPE` all the same.
    pub fn table(&mut self, table: &Table, samples: &[Sample]) {
        for (at, family) in table.families.iter().enumerate() {
            self.head(family);
            for sample in samples {
                let (labels, values) = sample.split_at_checked(table.labels.len()).unwrap_or_default();
                let labels = labelled(table.labels, labels);
                match family.kind {
                    Kind::Histogram => self.histogram(family, &labels, values),
                    Kind::Counter | Kind::Gauge => {
                        self.sample(family.name, "", &labels, &value(values, at, family.scale));
                    }
                }
            }
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, family: &Family) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        for piece in ["# HELP ", family.name, " ", family.help, "\n# TYPE ", family.name, " ", kind, "\n"] {
            self.0.push_str(piece);
        }
    }

    fn histogram(&mut self, family: &Family, labels: &str, values: &[Value]) {
        let all = value(values, BOUNDS.len(), 0);
        for (at, bound) in BOUNDS.iter().copied().chain(["+Inf"]).enumerate() {
            let comma = if labels.is_empty() { "" } else { "," };
            let labels = [labels, comma, "le=\"", bound, "\""].concat();
            self.sample(family.name, "_bucket", &labels, &value(values, at, 0));
        }
        self.sample(family.name, "_sum", labels, &value(values, BOUNDS.len() + 1, family.scale));
        self.sample(family.name, "_count", labels, &all);
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &str, value: &str) {
        let (open, close) = if labels.is_empty() { ("", " ") } else { ("{", "} ") };
        for piece in [name, suffix, open, labels, close, value, "\n"] {
            self.0.push_str(piece);
        }
    }
}

/// `name="value",…`, with what the format wants escaped.
fn labelled(names: &[&str], values: &[Value]) -> String {
    let mut text = String::new();
    for (name, value) in names.iter().zip(values) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.as_str().unwrap_or_default().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                plain => text.push(plain),
            }
        }
        text.push('"');
    }
    text
}

/// An integer in units of 10^-`scale`, as an exact decimal.
fn value(values: &[Value], at: usize, scale: usize) -> String {
    let number = values.get(at).and_then(Value::as_i64).unwrap_or_default();
    let digits = format!("{:0width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or_default();
    let fraction = fraction.trim_end_matches('0');
    let (sign, point) = (if number < 0 { "-" } else { "" }, if fraction.is_empty() { "" } else { "." });
    [sign, whole, point, fraction].concat()
}

#[cfg(test)]
mod tests {
    use super::super::families::{LEDGERS, QUEUES, TABLES};
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn page(table: &Table, samples: &[Value]) -> String {
        let samples: Vec<Sample> = samples.iter().map(|sample| sample.as_array().unwrap().clone()).collect();
        let mut page = Page::default();
        page.table(table, &samples);
        page.finish().lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_a_label_cannot_hold_is_escaped() {
        let page = page(&TABLES[0], &[json!(["a\"b\\c\nd", "süß, {x=\"y\"}", "200", 3])]);
        assert_eq!(
            page,
            r#"ai_gateway_requests_total{client="a\"b\\c\nd",model="süß, {x=\"y\"}",status="200"} 3"#
        );
    }

    #[test]
    fn money_and_times_are_exact_decimals() {
        for (number, scale, expected) in [
            (0_i64, 9, "0"),
            (1, 9, "0.000000001"),
            (1_500_000_000, 9, "1.5"),
            (9_007_199_254_740_993, 9, "9007199.254740993"),
            (250, 3, "0.25"),
            (-1_050, 3, "-1.05"),
            (7, 0, "7"),
        ] {
            assert_eq!(value(&[json!(number)], 0, scale), expected);
        }
        assert_eq!(value(&[], 0, 3), "0");
    }

    #[test]
    fn a_histogram_has_its_buckets_its_sum_and_its_count() {
        let page = page(&TABLES[2], &[json!(["m", 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 400_260])]);
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines.len(), BOUNDS.len() + 3);
        assert_eq!(lines[0], r#"ai_gateway_request_duration_seconds_bucket{model="m",le="0.1"} 1"#);
        assert_eq!(lines[7], r#"ai_gateway_request_duration_seconds_bucket{model="m",le="30"} 3"#);
        assert_eq!(lines[11], r#"ai_gateway_request_duration_seconds_bucket{model="m",le="+Inf"} 4"#);
        assert_eq!(lines[12], r#"ai_gateway_request_duration_seconds_sum{model="m"} 400.26"#);
        assert_eq!(lines[13], r#"ai_gateway_request_duration_seconds_count{model="m"} 4"#);
    }

    #[test]
    fn metrics_have_names_and_helps_that_the_format_allows() {
        let mut names = BTreeSet::new();
        for family in TABLES.iter().chain([&LEDGERS, &QUEUES]).flat_map(|table| table.families) {
            assert!(names.insert(family.name), "{} is there twice", family.name);
            assert!(
                family.name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()),
                "{}",
                family.name
            );
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(!family.help.contains(['\n', '\\']), "{}", family.help);
        }
        assert!(names.len() > 10);
    }
}
