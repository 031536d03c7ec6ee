//! Every dialect on every dialect: what a client's request becomes, and what the upstream's answer, stream and error become
//! for that client. One file per cell in `matrix/<client>-<upstream>/`, made from one input per dialect and case in
//! `matrix/input/`; a cell without its file fails, and so does a file without its cell.
//!
//! `QUOTALANE_GOLDEN=write cargo test --test golden matrix` writes the files anew; read what changed before it is committed.
//! `tests/clients/matrix.py` has the official SDKs read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use actix_http::Method;
use actix_http::header::HeaderMap;
use actors::domain::account::AccountKind;
use actors::domain::route::Endpoint;
use bytes::Bytes;
use quotalane::dialect::convert::{self, Outside};
use quotalane::dialect::form::Losses;
use quotalane::dialect::peek::peek;
use quotalane::dialect::{Dialect, Surface, error, read};
use quotalane::relay::pipe::{Pipe, Plan};
use quotalane::upstream::{Inbound, adapter};
use serde_json::Value;

use crate::sample::{NOW, account, credential, reply};

/// The dialects that are translated.
const DIALECTS: [Dialect; 4] = [Dialect::Anthropic, Dialect::Chat, Dialect::Responses, Dialect::Gemini];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
    Stream,
    /// With its HTTP status.
    Error(u16),
}

const CASES: [(&str, Kind); 15] = [
    // System text, an image, thinking, tools, parallel calls with their results, one of which is an error.
    ("request", Kind::Request),
    // A document, sampling, stop sequences, structured output.
    ("request-shape", Kind::Request),
    // One tool that must be called, alone and without thinking.
    ("request-forced", Kind::Request),
    // Much thinking, shown, without a history.
    ("request-thinking", Kind::Request),
    // Thinking, text and two calls; cached input.
    ("response", Kind::Response),
    ("response-stop", Kind::Response),
    ("response-length", Kind::Response),
    ("response-refusal", Kind::Response),
    ("stream", Kind::Stream),
    ("stream-stop", Kind::Stream),
    ("stream-length", Kind::Stream),
    ("stream-refusal", Kind::Stream),
    // Overloaded after the first words.
    ("stream-error", Kind::Stream),
    ("error", Kind::Error(400)),
    ("error-missing", Kind::Error(404)),
];

/// What a cell holds.
struct Cell {
    bytes: Vec<u8>,
    /// Words of what was lost on the way.
    lost: Vec<&'static str>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matrix")
}

fn file(case: &str, kind: Kind) -> String {
    format!("{case}.{}", if kind == Kind::Stream { "sse" } else { "json" })
}

fn input(dialect: Dialect, case: &str, kind: Kind) -> Bytes {
    let path = folder().join("input").join(dialect.as_str()).join(file(case, kind));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

const fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "claude-sonnet-4-5-20250929",
        Dialect::Chat | Dialect::Responses => "gpt-5",
        Dialect::Gemini => "gemini-2.5-pro",
        Dialect::Converse => "never translated",
    }
}

const fn kind_of(dialect: Dialect) -> AccountKind {
    match dialect {
        Dialect::Anthropic => AccountKind::ClaudeConsole,
        Dialect::Chat => AccountKind::OpenAi,
        Dialect::Responses => AccountKind::OpenAiResponses,
        Dialect::Gemini => AccountKind::GeminiApi,
        Dialect::Converse => AccountKind::Bedrock,
    }
}

/// What the account's adapter sends for a client of its own dialect.
fn forwarded(dialect: Dialect, body: &Bytes) -> Vec<u8> {
    let kind = kind_of(dialect);
    let peek = peek(body).unwrap();
    let call = Inbound {
        endpoint: Endpoint::Generate,
        method: &Method::POST,
        client: Surface::plain(dialect),
        translated: false,
        tail: "",
        query: None,
        headers: &HeaderMap::new(),
        body,
        model: model(dialect),
        model_span: peek.model_span.clone(),
        stream: peek.stream,
        strip_thinking: false,
        now: NOW,
    };
    let out = (adapter(kind).prepare)(&call, &account(kind), &credential(kind)).unwrap();
    assert!(out.edits.is_empty(), "{dialect:?}: {:?}", out.edits);
    out.body.to_vec()
}

fn request(client: Dialect, upstream: Dialect, body: &Bytes) -> Cell {
    if client == upstream {
        return Cell { bytes: forwarded(client, body), lost: Vec::new() };
    }
    let mut losses = Losses::new(false);
    let stream = client == Dialect::Gemini || peek(body).unwrap().stream;
    let outside = Outside { model: model(client), stream };
    let mut form = convert::decode_request(client, body, outside, &mut losses).unwrap();
    model(upstream).clone_into(&mut form.model);
    let bytes = convert::encode_request(upstream, &form, &mut losses).unwrap();
    Cell { bytes, lost: losses.dropped().to_vec() }
}

fn response(client: Dialect, upstream: Dialect, body: &Bytes) -> Cell {
    assert!(read(upstream, body).is_some_and(|read| read.usage.is_some()));
    let bytes = if client == upstream {
        body.to_vec()
    } else {
        let answer = convert::decode_answer(upstream, body).unwrap();
        convert::encode_answer(client, &answer, &reply(model(client))).unwrap()
    };
    Cell { bytes, lost: Vec::new() }
}

fn stream(client: Dialect, upstream: Dialect, body: &Bytes) -> Cell {
    let piped = |size: usize| {
        let (upstream, client) = (Surface::plain(upstream), Surface::plain(client));
        let reply = reply(model(client.dialect));
        let mut pipe = Pipe::new(Plan { upstream, client, renamed: None, hide_usage: false, reply }).unwrap();
        let mut out = Vec::new();
        for chunk in body.chunks(size) {
            let kept = pipe.arrive(Bytes::copy_from_slice(chunk)).unwrap();
            out.extend_from_slice(&pipe.leave(kept));
        }
        out.extend_from_slice(&pipe.end());
        out
    };
    let bytes = piped(body.len());
    for size in [1, 7, 997] {
        assert_eq!(String::from_utf8(piped(size)), String::from_utf8(bytes.clone()), "cut by {size}");
    }
    let mut decoder = convert::decoder(upstream).unwrap();
    decoder.feed(body, &mut Vec::new());
    let lost = if client == upstream { Vec::new() } else { decoder.dropped().to_vec() };
    Cell { bytes, lost }
}

fn failure(client: Dialect, upstream: Dialect, body: &Bytes, status: u16) -> Cell {
    let theirs = error::theirs(upstream, body).unwrap();
    let bytes = if client == upstream {
        body.to_vec()
    } else {
        let (said, bytes) = error::reword(Surface::plain(client), status, &theirs, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(said, status, "the fault is the client's");
        bytes
    };
    Cell { bytes, lost: Vec::new() }
}

fn cell(client: Dialect, upstream: Dialect, case: &str, kind: Kind) -> Cell {
    // A request comes in the client's dialect, everything else in the upstream's.
    let body = input(if kind == Kind::Request { client } else { upstream }, case, kind);
    let mut cell = match kind {
        Kind::Request => request(client, upstream, &body),
        Kind::Response => response(client, upstream, &body),
        Kind::Stream => stream(client, upstream, &body),
        Kind::Error(status) => failure(client, upstream, &body, status),
    };
    if client == upstream {
        assert!(cell.bytes == body, "{client:?}: {case} was changed");
    } else if kind != Kind::Stream {
        cell.bytes = pretty(&cell.bytes);
    }
    cell
}

/// The same JSON, for people and diffs. The order of members and the text of strings stay.
fn pretty(body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).unwrap();
    let mut text = serde_json::to_vec_pretty(&value).unwrap();
    text.push(b'\n');
    text
}

/// Compares a cell with its file, or writes it; what is wrong, as text.
fn check(path: &Path, bytes: &[u8]) -> Option<String> {
    if std::env::var_os("QUOTALANE_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        return None;
    }
    match std::fs::read(path) {
        Ok(golden) if golden == bytes => None,
        Ok(_) => Some(format!("{} differs from\n{}", path.display(), String::from_utf8_lossy(bytes))),
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}

/// The cells of one pair: the files that belong there, and what is wrong.
fn pair(client: Dialect, upstream: Dialect) -> (BTreeSet<PathBuf>, Vec<String>) {
    let home = folder().join(format!("{}-{}", client.as_str(), upstream.as_str()));
    let (mut files, mut wrong, mut lost) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
    for (case, kind) in CASES {
        let cell = cell(client, upstream, case, kind);
        let path = home.join(file(case, kind));
        wrong.extend(check(&path, &cell.bytes));
        files.insert(path);
        if !cell.lost.is_empty() {
            lost.insert(case, cell.lost);
        }
    }
    if client != upstream {
        let path = home.join("losses.json");
        wrong.extend(check(&path, &pretty(&serde_json::to_vec(&lost).unwrap())));
        files.insert(path);
    }
    (files, wrong)
}

fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path);
        }
    }
    files
}

#[test]
fn every_cell_of_the_matrix_is_golden() {
    let (mut files, mut wrong) = (BTreeSet::new(), Vec::new());
    for client in DIALECTS {
        for (case, kind) in CASES {
            files.insert(folder().join("input").join(client.as_str()).join(file(case, kind)));
        }
        for upstream in DIALECTS {
            let (of_pair, found) = pair(client, upstream);
            files.extend(of_pair);
            wrong.extend(found);
        }
    }
    let strangers =
        files_below(&folder()).into_iter().filter(|path| path.extension().is_some() && !files.contains(path));
    wrong.extend(strangers.map(|path| format!("{} belongs to no cell", path.display())));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
