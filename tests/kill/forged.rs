//! The checker's own test: a clean record passes, and one forged violation per invariant is found.

use bench::http::End;
use bench::messages::Facts;
use bench::rig::mock::Call;
use serde_json::json;
use std::time::Duration;

use crate::checker::violations;
use crate::evidence::{Attempt, Counts, Evidence, Request, Sums};
use crate::stage::CREDENTIALS;
use crate::traffic::Exchange;

const COUNTS: Counts = Counts { input: 25, cache_read: 3, cache_write: 4, output: 12 };

/// One answered request and one that was interrupted.
fn clean() -> Evidence {
    let call = |id: &str, output: u64| Call {
        id: id.to_owned(),
        path: "/v1/messages".to_owned(),
        credential: CREDENTIALS[0].to_owned(),
        usage: json!({"input_tokens": 25, "output_tokens": output, "cache_read_input_tokens": 3, "ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 1}),
        terminal: true,
        rest: serde_json::Map::from_iter([("bytes".to_owned(), json!(1_000))]),
    };
    let facts = Facts {
        terminal: true,
        deltas: 1,
        input: Some(25),
        output: Some(12),
        cache_read: 3,
        cache_write: 4,
        error: false,
    };
    let exchange = |id: &str, end: End| Exchange {
        request_id: Some(id.to_owned()),
        status: 200,
        end,
        stream: true,
        facts: facts.clone(),
        said: String::new(),
        took: Duration::ZERO,
    };
    let request = |id: &str, status: &str, charge| Request {
        id: id.to_owned(),
        status: status.to_owned(),
        attempts: 1,
        counts: COUNTS,
        estimated: false,
        charge,
    };
    let attempt = |request: &str, upstream: &str| Attempt {
        id: format!("{request}.1"),
        request: request.to_owned(),
        upstream: Some(upstream.to_owned()),
        counts: COUNTS,
    };
    Evidence {
        calls: vec![call("up-1", 12), call("up-2", 40)],
        exchanges: vec![exchange("req-1", End::Complete), exchange("req-2", End::Cut)],
        requests: vec![request("req-1", "ok", 100), request("req-2", "interrupted", 50)],
        attempts: vec![attempt("req-1", "up-1"), attempt("req-2", "up-2")],
        sums: Sums { charges: vec![("usage_hourly", 150)] },
        before: vec![request("req-1", "ok", 100)],
        gauges: vec![("quotalane_relay_inflight".to_owned(), 0.0)],
    }
}

#[test]
fn a_clean_record_passes() {
    assert_eq!(violations(&clean()), Vec::<String>::new());
}

/// One thing that is changed in a clean record.
type Forgery = fn(&mut Evidence);

#[test]
fn every_forgery_is_found() {
    let forgeries: [(&str, Forgery); 16] = [
        ("I1", |e| e.attempts[1].upstream = Some("never-called".to_owned())),
        ("I1", |e| e.attempts[1].upstream = Some("up-1".to_owned())),
        ("I2", |e| drop(e.requests.remove(0))),
        ("I2", |e| e.requests.push(e.requests[0].clone())),
        ("I2", |e| e.requests[0].counts.output += 1),
        ("I2", |e| e.calls[0].usage["output_tokens"] = json!(13)),
        ("I3", |e| e.requests[1].counts.output = 41),
        ("I3", |e| (e.requests[1].estimated, e.requests[1].counts.output) = (true, 1_001)),
        ("I3", |e| (e.requests[1].estimated, e.requests[1].counts.input) = (true, 26)),
        ("I3", |e| drop(e.requests.remove(1))),
        ("I4", |e| e.requests[1].charge += 1),
        ("I4", |e| (e.requests[0].charge, e.requests[1].charge) = (0, 150)),
        ("I5", |e| e.requests[0].attempts = 2),
        ("I7", |e| e.calls[0].credential = "cr_client".to_owned()),
        ("I9", |e| e.gauges[0].1 = 1.0),
        ("I10", |e| e.before[0].charge = 99),
    ];
    for (rule, forge) in forgeries {
        let mut evidence = clean();
        forge(&mut evidence);
        let found = violations(&evidence);
        assert!(found.iter().any(|text| text.starts_with(&format!("{rule}:"))), "{rule} was not found: {found:?}");
    }
}
