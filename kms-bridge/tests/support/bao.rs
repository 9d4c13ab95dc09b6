//! A real OpenBao server on a loopback port.

use std::{
    env,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kms_bridge::{
    ClientIdentity, Clock, Credential, Mount, Timeouts, Trust, VaultAccess, VaultAddress, VaultAuth, VaultConfig,
    VaultTransit,
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use vocab::Plain;

/// The program, which `cargo xtask test` installs and names in `AIOS_TEST_BAO`. Without it there is
/// nothing to test on; a name that does not work fails the test.
fn program() -> Option<PathBuf> {
    let Some(path) = env::var_os("AIOS_TEST_BAO").map(PathBuf::from) else {
        // Not a pass: without OpenBao this test says nothing. `cargo xtask test` brings it.
        eprintln!("skipped: AIOS_TEST_BAO does not name OpenBao's program");
        return None;
    };
    assert!(path.is_file(), "AIOS_TEST_BAO names {}, which is no file", path.display());
    Some(path)
}

/// A certificate authority of one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn leaf(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// One that a client shows.
    pub(crate) fn client(&self, name: &str) -> ClientIdentity {
        let (chain, key) = self.leaf(name, ExtendedKeyUsagePurpose::ClientAuth);
        ClientIdentity { chain: chain.into_bytes(), key: Plain::new(key.into_bytes()) }
    }
}

/// A server and its root token; killed when dropped.
pub(crate) struct Bao {
    child: Child,
    pub(crate) address: String,
    pub(crate) authority: Option<Authority>,
    pub(crate) root: String,
    pub(crate) home: TempDir,
    unseal: Option<String>,
    http: reqwest::Client,
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A moment between two looks at a server that is starting.
const LOOK: Duration = Duration::from_millis(20);

impl Bao {
    /// A server in memory with a transit engine, unsealed.
    pub(crate) async fn dev() -> Option<Self> {
        let program = program()?;
        let home = TempDir::new().unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-root-token-id=root-of-the-test", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        let child = spawn(command, &home);
        let http = client(None);
        let root = "root-of-the-test".to_owned();
        let address = format!("http://127.0.0.1:{port}");
        let mut bao = Self { child, address, authority: None, root, home, unseal: None, http };
        bao.wait_for(&[200]).await;
        bao.engine("transit").await;
        Some(bao)
    }

    /// A server with TLS, its state on disk, and an audit file; unsealed, with a transit engine.
    pub(crate) async fn on_disk() -> Option<Self> {
        let program = program()?;
        let home = TempDir::new().unwrap();
        let (port, cluster) = (free_port(), free_port());
        let authority = Authority::new();
        let (chain, key) = authority.leaf("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let at = |name: &str| home.path().join(name).display().to_string();
        std::fs::write(at("tls.pem"), chain).unwrap();
        std::fs::write(at("tls.key"), key).unwrap();
        std::fs::create_dir(at("raft")).unwrap();
        let config = format!(
            r#"storage "raft" {{ path = "{raft}" node_id = "one" performance_multiplier = 1 }}
listener "tcp" {{ address = "127.0.0.1:{port}" cluster_address = "127.0.0.1:{cluster}" tls_cert_file = "{cert}" tls_key_file = "{key}" }}
api_addr = "https://localhost:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
audit "file" "to-file" {{ options = {{ file_path = "{audit}" }} }}
"#,
            raft = at("raft"),
            cert = at("tls.pem"),
            key = at("tls.key"),
            audit = at("audit.log"),
        );
        std::fs::write(at("config.hcl"), config).unwrap();
        let mut command = Command::new(program);
        command.args(["server", "-config", &at("config.hcl")]);
        let child = spawn(command, &home);
        let http = client(Some(&authority));
        let address = format!("https://localhost:{port}");
        let (authority, root) = (Some(authority), String::new());
        let mut bao = Self { child, address, authority, root, home, unseal: None, http };
        bao.wait_for(&[501]).await;
        let keys = bao.post("sys/init", json!({"secret_shares": 1, "secret_threshold": 1})).await;
        bao.root = keys["root_token"].as_str().unwrap().to_owned();
        bao.unseal = Some(keys["keys_base64"][0].as_str().unwrap().to_owned());
        bao.unseal().await;
        bao.engine("transit").await;
        Some(bao)
    }

    /// Unseals and waits until calls are answered.
    pub(crate) async fn unseal(&mut self) {
        let key = self.unseal.clone().unwrap();
        self.post("sys/unseal", json!({ "key": key })).await;
        self.wait_for(&[200]).await;
    }

    async fn wait_for(&mut self, statuses: &[u16]) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.home.path().join("log")).unwrap();
                panic!("the server ended with {ended}:\n{log}");
            }
            let answer = self.http.get(format!("{}/v1/sys/health", self.address)).send().await;
            if answer.is_ok_and(|answer| statuses.contains(&answer.status().as_u16())) {
                return;
            }
            assert!(Instant::now() < patience, "the server is not ready after a minute");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn engine(&self, kind: &str) {
        self.post(&format!("sys/mounts/{kind}"), json!({ "type": kind })).await;
    }

    /// A call of an operator with the root token, which must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call_as(&self.root, method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A call with any token.
    pub(crate) async fn call_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.address);
        let mut request = self.http.request(method.parse().unwrap(), url).header("X-Vault-Token", token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await
    }

    /// Writes a policy.
    pub(crate) async fn policy(&self, name: &str, rules: &str) {
        self.post(&format!("sys/policies/acl/{name}"), json!({ "policy": rules })).await;
    }

    /// Makes a token.
    pub(crate) async fn token(&self, settings: Value) -> String {
        self.post("auth/token/create", settings).await["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Kills the server and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The requests of the audit file: operation and path.
    pub(crate) fn audited(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.home.path().join("audit.log")).unwrap();
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |entry: &Value, key: &str| entry["request"][key].as_str().unwrap_or_default().to_owned();
        entries.filter(|e| e["type"] == "request").map(|e| (word(&e, "operation"), word(&e, "path"))).collect()
    }

    /// A configuration for this server.
    pub(crate) fn config(&self, auth: VaultAuth) -> VaultConfig {
        VaultConfig {
            address: VaultAddress::new(&self.address).unwrap(),
            namespace: None,
            trust: self.authority.as_ref().map_or(Trust::Public, |a| Trust::Private(a.pem.clone().into_bytes())),
            identity: None,
            timeouts: Timeouts { connect: Duration::from_secs(5), operation: Duration::from_secs(20) },
            auth,
        }
    }

    pub(crate) fn access(&self, auth: VaultAuth, clock: Clock) -> Arc<VaultAccess> {
        VaultAccess::new(self.config(auth), clock).unwrap()
    }

    /// A provider with a token.
    pub(crate) fn transit(&self, token: &str) -> VaultTransit {
        transit(self.access(by_token(token), Clock::since_boot()))
    }
}

pub(crate) fn transit(access: Arc<VaultAccess>) -> VaultTransit {
    VaultTransit::new(access, Mount::new("transit").unwrap())
}

pub(crate) fn by_token(token: &str) -> VaultAuth {
    VaultAuth::Token(Credential::Value(Plain::new(token.to_owned())))
}

fn spawn(mut command: Command, home: &TempDir) -> Child {
    let log = std::fs::File::create(home.path().join("log")).unwrap();
    let errors = log.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(log).stderr(errors).env("HOME", home.path());
    command.spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The client of the operator, not the one under test.
fn client(authority: Option<&Authority>) -> reqwest::Client {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    if let Some(authority) = authority {
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}
