//! A stand-in for the Durable Object: a ledger over SQLite with the real schema, driven as the edge drives it.

use edgeway::limit::Ledger;
use edgeway::limit::ledger::Step;
use edgeway::limit::message::{self, Message, Reply};
use edgeway::limit::rows::{self, EndedCall, EndedCalls, Rows};
use edgeway::time::Millis;
use rusqlite::{Connection, OptionalExtension, ToSql};

pub struct Object {
    pub database: Connection,
    pub ledger: Ledger,
    pub alarm: Option<Millis>,
}

struct Ended<'a>(&'a Connection);

impl EndedCalls for Ended<'_> {
    type Error = rusqlite::Error;

    fn find(&self, id: &str) -> Result<Option<EndedCall>, rusqlite::Error> {
        let row: Option<String> =
            self.0.prepare_cached(rows::FIND_ENDED)?.query_row([id], |row| row.get(0)).optional()?;
        Ok(row.map(|row| serde_json::from_str(&row).unwrap()))
    }

    fn any(&self) -> Result<bool, rusqlite::Error> {
        self.0.prepare_cached(rows::ANY_ENDED)?.exists([])
    }
}

impl Object {
    pub fn new() -> Object {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(rows::SCHEMA).unwrap();
        Object { database, ledger: Ledger::default(), alarm: None }
    }

    /// What a crash leaves: the rows, and the alarm.
    pub fn restart(&mut self) {
        self.database.execute_batch(rows::SCHEMA).unwrap();
        let mut statement = self.database.prepare_cached(rows::LOAD).unwrap();
        let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        self.ledger = Ledger::restore(Rows::read(pairs.map(Result::unwrap)).unwrap());
    }

    /// Through JSON, as on the way to the object.
    pub fn send(&mut self, message: &Message, now: Millis) -> Reply {
        let message = message::decode(message::encode(message).unwrap().as_bytes()).unwrap();
        let step = self.ledger.handle(message, now, &Ended(&self.database)).unwrap();
        let reply = self.write(step);
        message::decode(message::encode(&reply).unwrap().as_bytes()).unwrap()
    }

    /// The alarm rings, and the log has all that it is asked for.
    pub fn ring(&mut self, now: Millis) {
        self.ring_with(now, |_, _| {});
    }

    /// The alarm rings; the log is compared with calls whose bounds stand (`true`), and with those of the audit.
    pub fn ring_with(&mut self, now: Millis, compare: impl Fn(&mut Object, &[EndedCall])) {
        self.alarm = None;
        let step = self.ledger.ring(now, &Ended(&self.database)).unwrap();
        self.write(step);
        let audit = self.ledger.audit(now);
        let (behind, span) = (audit.behind.as_str(), [audit.after.0, audit.until.0]);
        let provisional = self.ended(rows::PROVISIONAL, &[&""]);
        compare(self, &provisional);
        let ended = self.ended(rows::ENDED_BETWEEN, &[&behind, &span[0], &span[1]]);
        compare(self, &ended);
        let least = self
            .database
            .query_row(rows::LEAST_ENDED, (self.ledger.audit(now).behind, audit.until.0), |row| row.get(0))
            .unwrap();
        let step = self.ledger.audited(&audit, least, now, &Ended(&self.database)).unwrap();
        self.write(step);
    }

    fn ended(&self, sql: &str, parameters: &[&dyn ToSql]) -> Vec<EndedCall> {
        let mut statement = self.database.prepare_cached(sql).unwrap();
        let rows = statement.query_map(parameters, |row| row.get::<_, String>(0)).unwrap();
        rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect()
    }

    fn write<T>(&mut self, step: Step<T>) -> T {
        if let Some(statement) = step.changes.statement() {
            let edgeway::store::Value::Text(changes) = &statement.parameters[0] else { panic!("not text") };
            self.database.prepare_cached(&statement.sql).unwrap().execute([changes]).unwrap();
        }
        self.alarm = step.alarm.or(self.alarm);
        step.reply
    }

    /// All rows of all tables.
    pub fn dump(&self) -> Vec<String> {
        let sql = "SELECT 'scope' || row FROM scopes UNION ALL SELECT 'open' || row FROM open_calls \
                   UNION ALL SELECT 'ended' || row FROM ended_calls UNION ALL SELECT 'horizon' || row FROM horizon";
        let mut statement = self.database.prepare_cached(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub fn count(&self, table: &str) -> i64 {
        self.database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}
