//! The sidecar under test, with everything on: a real signed token, policy, pseudonyms, sealed keys and the ledger.

use crate::{
    child::{self, Part},
    error::BenchError,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const ISSUER: &str = "https://issuer.bench.invalid";
const AUDIENCE: &str = "aios";
/// How long a sidecar may take to open its data directory.
const START: Duration = Duration::from_secs(30);

/// What an acknowledged record has survived.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Durability {
    /// On disk.
    Fsync,
    /// In the kernel.
    Os,
}

impl Durability {
    const fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        }
    }
}

/// What the sidecar is made of.
pub(crate) struct Setup<'a> {
    /// The binary.
    pub(crate) aios: &'a Path,
    /// The policy documents.
    pub(crate) policies: &'a Path,
    /// Port of the model.
    pub(crate) upstream: u16,
    /// A directory for its data, configuration and log.
    pub(crate) directory: PathBuf,
    /// See [`Durability`].
    pub(crate) durability: Durability,
}

/// A running sidecar and a token that it accepts.
pub(crate) struct Governed {
    /// The process; its port is that of the data listener.
    pub(crate) part: Part,
    /// A bearer token of tenant `acme`, group `apps`.
    pub(crate) token: String,
}

/// Starts a sidecar and waits until it is ready.
///
/// # Errors
/// When the binary is missing, or not ready in time; its log is left in the directory.
pub(crate) fn start(setup: &Setup<'_>) -> Result<Governed, BenchError> {
    fs::create_dir_all(&setup.directory)?;
    let directory = setup.directory.canonicalize()?;
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| BenchError::Key)?;
    let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).map_err(|_| BenchError::Key)?;
    fs::write(directory.join("issuer.pem"), public_pem(&key))?;
    let (port, operations) = two_ports()?;
    let configuration = directory.join("sidecar.toml");
    fs::write(&configuration, text(setup, &directory, port, operations)?)?;
    let log = fs::File::create(directory.join("sidecar.log"))?;
    let child = child::program(setup.aios)?
        .args(["proxy", "--config"])
        .arg(&configuration)
        .env_remove("AIOS_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    let mut part = Part::adopt(child, port);
    wait_ready(&mut part, operations, &directory)?;
    Ok(Governed { part, token: token(&key) })
}

fn wait_ready(part: &mut Part, operations: u16, directory: &Path) -> Result<(), BenchError> {
    let deadline = Instant::now() + START;
    loop {
        if ready(operations).unwrap_or(false) {
            return Ok(());
        }
        if Instant::now() > deadline || part.ended()? {
            let log = fs::read_to_string(directory.join("sidecar.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            return Err(BenchError::NotReady { part: "the sidecar".to_owned(), why: last.join(" | ") });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ready(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

fn two_ports() -> Result<(u16, u16), BenchError> {
    let (first, second) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

fn text(setup: &Setup<'_>, directory: &Path, port: u16, operations: u16) -> Result<String, BenchError> {
    let here = directory.display();
    Ok(format!(
        r#"data = "{here}/data"
[listen]
address = "127.0.0.1:{port}"
[ops]
address = "127.0.0.1:{operations}"
[policy]
directory = "{policies}"
[keyring]
key_file = "{here}/root.key"
[ledger]
durability = "{durability}"
[[issuer]]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
algorithms = ["EdDSA"]
pem_file = "{here}/issuer.pem"
[[upstream]]
name = "models"
kind = "openai"
url = "http://127.0.0.1:{upstream}/v1"
region = "eu"
trust = "private"
"#,
        policies = setup.policies.canonicalize()?.display(),
        durability = setup.durability.name(),
        upstream = setup.upstream,
    ))
}

/// SubjectPublicKeyInfo of RFC 8410.
fn public_pem(key: &Ed25519KeyPair) -> String {
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(key.public_key().as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// A JSON Web Token of RFC 7519, signed with EdDSA (RFC 8037), good for a day.
fn token(key: &Ed25519KeyPair) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let header = json!({"alg": "EdDSA", "typ": "JWT"});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u-bench", "tenant": "acme", "groups": ["apps"],
        "iat": now, "nbf": now, "exp": now + 86_400
    });
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
