//! No statement of the queue reads more of a table than it answers.

use rusqlite::Connection;

use super::super::schema::SCHEMA;
use super::{CLAIMS_OF, LONGEST_WAITING, TOTALS, accounts, claim};

/// What the engine means to do for a statement, one step a line.
fn plan(c: &Connection, sql: &str) -> Vec<String> {
    let mut query = c.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![rusqlite::types::Null; query.parameter_count()];
    let steps = query.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

/// Steps that take longer as the tables grow.
fn growing(steps: &[String]) -> Vec<&String> {
    steps.iter().filter(|step| step.starts_with("SCAN ") || step.contains("TEMP B-TREE")).collect()
}

#[test]
fn no_statement_scans_or_sorts() {
    let c = Connection::open_in_memory().unwrap();
    c.execute_batch(SCHEMA).unwrap();
    let claims_of = format!("SELECT doc {CLAIMS_OF}");
    let statements = [
        claim::EXPIRED,
        claim::OF_FORMER_LIFE,
        claim::FIRST_OF_LINE,
        claim::DUE,
        claim::ASTRAY,
        claim::WITHOUT_TURN,
        accounts::ACCOUNT,
        LONGEST_WAITING,
        TOTALS,
        &claims_of,
        "SELECT doc FROM jobs WHERE id=?1 AND state='running' AND claim_token=?2",
        "DELETE FROM jobs WHERE asset_id=?1",
    ];
    for sql in statements {
        let steps = plan(&c, sql);
        assert!(!steps.is_empty() && growing(&steps).is_empty(), "{sql}\n{steps:#?}");
    }
    // The test sees what it is after: the order of this one is nobody's.
    let sorted = plan(&c, "SELECT doc FROM jobs WHERE state='queued' ORDER BY claim_token");
    assert_eq!(growing(&sorted).len(), 2, "{sorted:?}");
}
