//! `aios demo`: a scripted tour on a private embedded instance.

use super::proxy::block_on;
use crate::{
    assemble::DataDir,
    demo_model,
    embedded::{Instance, Plan},
    http_client::{Answer, Caller},
    output::{self, Exit, Form},
};
use audit_log::{
    VerifierKeys,
    verify::{Verdict, verify_dir},
};
use clap::Args as ClapArgs;
use http::Method;
use proxy::Drained;
use serde_json::{Value, json};
use std::{
    io,
    path::{Path, PathBuf},
};
use vocab::{GroupName, PrincipalId, TenantId};

/// A scripted tour; exit 0 if every promise holds.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Leave the data here for inspection; without it a temporary directory is used and removed.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// The documents of tenant acme. Each holds a mark that must not be found on the store's disk.
const DEEDS: [(&str, &str); 4] = [
    ("Lease of the harbour warehouse, mark KESTREL-7741", "en"),
    ("Kaufvertrag über das Grundstück am Hafen, mark HERON-2209", "de"),
    ("Loan agreement with a ship as security, mark OSPREY-5583", "en"),
    ("Employment contract of the night watch, mark PLOVER-9034", "en"),
];
const MARKS: [&str; 4] = ["KESTREL-7741", "HERON-2209", "OSPREY-5583", "PLOVER-9034"];
const SECRET_MAIL: &str = "ada.lovelace@example.org";
const SECRET_CARD: &str = "4111 1111 1111 1111";

/// One promise and what was seen.
struct Step {
    promise: &'static str,
    seen: String,
    holds: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
}

/// The steps so far.
#[derive(Default)]
struct Tour(Vec<Step>);

impl Tour {
    fn step(&mut self, promise: &'static str, holds: impl Into<Option<bool>>, seen: impl Into<String>) {
        let holds = if holds.into() == Some(true) { Holds::Yes } else { Holds::No };
        self.0.push(Step { promise, seen: seen.into(), holds });
    }
}

pub(crate) fn run(args: &Args, form: Form) -> Exit {
    let temporary = match tempfile::tempdir() {
        Ok(dir) => dir,
        Err(error) => {
            output::error(form, &format!("no temporary directory: {error}"));
            return Exit::Incomplete;
        }
    };
    let data = args.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    block_on(form, async {
        match tour(&data).await {
            Ok(tour) => report(form, &tour, args.data.as_deref()),
            Err(message) => {
                output::error(form, &message);
                Exit::Incomplete
            }
        }
    })
}

async fn tour(data: &Path) -> Result<Tour, String> {
    let any = "127.0.0.1:0".parse().map_err(|_| "no loopback address")?;
    let plan = Plan { data: data.to_owned(), listen: any, ops: any, openai: None, embeddings: None };
    let instance = Instance::start(&plan).await.map_err(|e| output::chain(&e))?;
    let (acme, globex) = (caller(&instance, "acme")?, caller(&instance, "globex")?);
    let mut tour = Tour::default();
    vectors(&mut tour, &acme, &globex).await?;
    model(&mut tour, &instance, &acme).await?;
    raw_bytes(&mut tour, &data.join("vectors")).map_err(|e| e.to_string())?;
    let drained = instance.stop().await;
    tour.step("a drain ends with every call recorded", drained == Drained::Whole, format!("{drained:?}"));
    ledger(&mut tour, &DataDir::new(data)).map_err(|e| e.to_string())?;
    Ok(tour)
}

fn caller(instance: &Instance, tenant: &str) -> Result<Caller, String> {
    let tenant = TenantId::new(tenant).map_err(|e| e.to_string())?;
    let principal = PrincipalId::new("demo").map_err(|e| e.to_string())?;
    let group = GroupName::new("apps").map_err(|e| e.to_string())?;
    Ok(Caller::new(instance.running().data_address(), instance.token(&tenant, &principal, &group).expose()))
}

fn ok(answer: Answer, what: &str) -> Result<Value, String> {
    if answer.status.is_success() {
        Ok(answer.json())
    } else {
        Err(format!("{what} answered {}: {}", answer.status, answer.text))
    }
}

async fn embed(caller: &Caller, text: &str) -> Result<Value, String> {
    let body = json!({ "model": demo_model::EMBED, "input": text });
    let answer = caller.call(Method::POST, "/embeddings/v1/embeddings", Some(&body)).await?;
    Ok(ok(answer, "embeddings")?.pointer("/data/0/embedding").cloned().unwrap_or(Value::Null))
}

async fn vectors(tour: &mut Tour, acme: &Caller, globex: &Caller) -> Result<(), String> {
    let create = json!({ "vectors": { "size": demo_model::DIMENSIONS, "distance": "Cosine" } });
    ok(acme.call(Method::PUT, "/vectors/collections/deeds", Some(&create)).await?, "create")?;
    let mut points = Vec::new();
    for (index, (text, lang)) in DEEDS.iter().enumerate() {
        points.push(
            json!({ "id": index + 1, "vector": embed(acme, text).await?, "payload": { "text": text, "lang": lang } }),
        );
    }
    let upsert = json!({ "points": points });
    ok(acme.call(Method::PUT, "/vectors/collections/deeds/points?wait=true", Some(&upsert)).await?, "upsert")?;

    let query =
        json!({ "query": embed(acme, "warehouse lease at the harbour").await?, "limit": 2, "with_payload": true });
    let path = "/vectors/collections/deeds/points/query";
    let found = ok(acme.call(Method::POST, path, Some(&query)).await?, "query")?;
    let first = found.pointer("/result/points/0/payload/text").and_then(Value::as_str).unwrap_or("nothing").to_owned();
    tour.step("acme stores and finds its documents", first.contains("KESTREL-7741"), first);

    let listed = ok(globex.call(Method::GET, "/vectors/collections", None).await?, "list")?;
    let names = listed.pointer("/result/collections").and_then(Value::as_array).map(Vec::len);
    tour.step(
        "globex sees no collection of acme",
        names.map(|n| n == 0),
        format!("{} collections", names.unwrap_or(0)),
    );
    let refused = globex.call(Method::POST, path, Some(&query)).await?;
    let leaks = MARKS.iter().any(|mark| refused.text.contains(mark));
    tour.step(
        "globex is refused acme's collection by name",
        refused.status.is_client_error() && !leaks,
        format!("{}", refused.status),
    );
    Ok(())
}

async fn model(tour: &mut Tour, instance: &Instance, acme: &Caller) -> Result<(), String> {
    let ask = |stream: bool| {
        json!({ "model": demo_model::CHAT, "stream": stream, "messages": [
            { "role": "user", "content": format!("Remind {SECRET_MAIL} about the card {SECRET_CARD}.") }] })
    };
    let path = "/models/v1/chat/completions";
    let answer = ok(acme.call(Method::POST, path, Some(&ask(false))).await?, "chat")?;
    let seen = instance.seen().last();
    let leaks = seen.contains(SECRET_MAIL) || seen.contains(SECRET_CARD);
    tour.step("the model sees pseudonyms only", !leaks && !seen.is_empty(), seen);
    let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default().to_owned();
    tour.step("the app gets its own values back", text.contains(SECRET_MAIL) && text.contains(SECRET_CARD), text);
    let streamed = acme.call(Method::POST, path, Some(&ask(true))).await?;
    let text: String = streamed
        .text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).map(str::to_owned))
        .collect();
    tour.step("and in a stream too", text.contains(SECRET_MAIL) && text.contains(SECRET_CARD), text);
    Ok(())
}

/// Searches every byte that the store has on disk for texts and for the floats of exact vectors.
fn raw_bytes(tour: &mut Tour, dir: &Path) -> io::Result<()> {
    let vectors: Vec<Vec<u8>> = DEEDS.iter().map(|(text, _)| telling_floats(&demo_model::embed(text))).collect();
    let mut needles: Vec<&[u8]> = MARKS.iter().map(|m| m.as_bytes()).collect();
    needles.extend(vectors.iter().map(Vec::as_slice));
    let (mut bytes, mut hits) = (0_usize, 0_usize);
    for file in files(dir)? {
        let content = std::fs::read(&file)?;
        bytes = bytes.saturating_add(content.len());
        hits = hits.saturating_add(needles.iter().filter(|n| memchr::memmem::find(&content, n).is_some()).count());
    }
    let seen = format!("{bytes} bytes searched, {hits} hits");
    tour.step("the store's raw bytes hold no plaintext", hits == 0 && bytes > 0, seen);
    Ok(())
}

/// The bytes of the eight neighbouring numbers of which most are not zero: demo embeddings are sparse,
/// and zeros are found in any file.
fn telling_floats(vector: &[f32]) -> Vec<u8> {
    let weight = |window: &&[f32]| window.iter().filter(|v| **v != 0.0).count();
    let window = vector.windows(8).max_by_key(weight).unwrap_or(vector);
    window.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// Verifies the ledger, then a copy of it in which one byte of one record was changed.
fn ledger(tour: &mut Tour, data: &DataDir) -> io::Result<()> {
    let keys = std::fs::read_to_string(data.ledger_keys())?;
    let keys = VerifierKeys::parse(&keys).map_err(io::Error::other)?;
    let report = verify_dir(&data.ledger(), &keys, &mut |_| {});
    let seen =
        format!("{} leaves, {} intents, {} outcomes", report.size, report.records.intents, report.records.outcomes);
    let paired = report.records.intents > 0 && report.open_intents.is_empty();
    tour.step("the ledger verifies, every intent with its outcome", report.verdict == Verdict::Sound && paired, seen);

    let copy = tempfile::tempdir()?;
    copy_tree(&data.ledger(), copy.path())?;
    let entries = files(&copy.path().join("tile").join("entries"))?;
    let target = entries.first().ok_or_else(|| io::Error::other("the ledger has no entries"))?;
    let mut bytes = std::fs::read(target)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(target, bytes)?;
    let report = verify_dir(copy.path(), &keys, &mut |_| {});
    let problem = report.problems.first().map_or_else(|| "no problem found".to_owned(), |p| p.what.clone());
    tour.step("a copy with one changed bit does not", report.verdict == Verdict::Tampered, problem);
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    for file in files(from)? {
        let relative = file.strip_prefix(from).map_err(io::Error::other)?;
        let target = to.join(relative);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, &target)?;
    }
    Ok(())
}

fn report(form: Form, tour: &Tour, data: Option<&Path>) -> Exit {
    let all = tour.0.iter().all(|step| step.holds == Holds::Yes);
    match form {
        Form::Json => {
            let steps: Vec<Value> = tour
                .0
                .iter()
                .map(|s| json!({ "promise": s.promise, "holds": s.holds == Holds::Yes, "seen": s.seen }))
                .collect();
            output::json(&json!({ "ok": all, "steps": steps, "data": data.map(|d| d.display().to_string()) }));
        }
        Form::Human => {
            let rows = tour.0.iter().map(|step| {
                let mark = if step.holds == Holds::Yes { "holds" } else { "BROKEN" };
                vec![step.promise.to_owned(), mark.to_owned(), shortened(&step.seen)]
            });
            output::line(output::table(&["promise", "", "what was seen"], rows));
            output::line(
                "Vectors were kept in mode `preserving`: obfuscation, not confidentiality (docs/threat-model.md).",
            );
            if let Some(data) = data {
                output::line(format!("The data is in {}.", data.display()));
            }
        }
    }
    if all { Exit::Ok } else { Exit::Failed }
}

fn shortened(text: &str) -> String {
    const WIDTH: usize = 96;
    let line = text.replace('\n', " ");
    if line.chars().count() <= WIDTH { line } else { line.chars().take(WIDTH - 1).chain(['…']).collect() }
}
