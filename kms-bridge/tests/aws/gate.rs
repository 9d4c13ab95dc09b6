//! A gate before moto: it refuses the use of keys that are switched off, as AWS does and moto does
//! not; it injects faults; it plays the metadata services; it remembers what came.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};

/// What the gate does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 400 with an error of this name.
    Refuse(&'static str),
    /// This status with an empty body, and `retry-after: 7`.
    Status(u16),
    /// 200 with a body of no sense.
    Nonsense,
    /// No answer, ever.
    Hang,
}

/// One call as it came.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct State {
    faults: HashMap<String, (Fault, usize)>,
    seen: Vec<Seen>,
    /// Seconds that the keys of the metadata services hold.
    life: i64,
    refused_ids: Vec<String>,
    issued: usize,
}

#[derive(Clone)]
pub(crate) struct Gate {
    address: SocketAddr,
    moto: Option<SocketAddr>,
    state: Arc<Mutex<State>>,
}

impl Gate {
    /// Opens the gate. Without a moto behind, each operation that has no fault answers nonsense.
    pub(crate) async fn open(moto: Option<SocketAddr>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { life: 3600, ..State::default() };
        let gate = Self { address: listener.local_addr().unwrap(), moto, state: Arc::new(Mutex::new(state)) };
        let server = gate.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let gate = server.clone();
                let answer = move |request| {
                    let gate = gate.clone();
                    async move { Ok::<_, Infallible>(gate.answer(request).await) }
                };
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
            }
        });
        gate
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, `operation` has this fault, `times` times.
    pub(crate) fn fault(&self, operation: &str, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.insert(operation.to_owned(), (fault, times));
    }

    pub(crate) fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// How long keys of the metadata services hold, in seconds.
    pub(crate) fn life(&self, seconds: i64) {
        self.state.lock().unwrap().life = seconds;
    }

    /// Makes the key service refuse the keys with this id as ended.
    pub(crate) fn refuse(&self, id: &str) {
        self.state.lock().unwrap().refused_ids.push(id.to_owned());
    }

    pub(crate) fn seen(&self, operation: &str) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|s| s.operation == operation).cloned().collect()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        let operation = operation(&head, &body);
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(Seen { operation: operation.clone(), headers: head.headers.clone(), body: body.clone() });
            let authorization = head.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
            let ended = state.refused_ids.iter().any(|id| authorization.as_ref().is_some_and(|a| a.contains(id)));
            match state.faults.get_mut(&operation) {
                _ if ended => Some(Fault::Refuse("ExpiredTokenException")),
                Some((fault, left)) if *left > 0 => {
                    *left -= 1;
                    Some(*fault)
                }
                _ => None,
            }
        };
        match fault {
            Some(Fault::Refuse(name)) => {
                return reply(400, &json!({"__type": name, "message": "no"}).to_string());
            }
            Some(Fault::Status(status)) => return reply(status, ""),
            Some(Fault::Nonsense) => return reply(200, "[]"),
            Some(Fault::Hang) => {
                std::future::pending::<()>().await;
            }
            None => {}
        }
        if let Some(metadata) = self.metadata(&head) {
            return metadata;
        }
        let Some(moto) = self.moto else { return reply(200, "[]") };
        if matches!(operation.as_str(), "Encrypt" | "Decrypt")
            && let Some(refusal) = switched_off(moto, &head.headers, &body).await
        {
            return refusal;
        }
        let (parts, body) = forward(moto, head.uri.path(), &head.headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        // A ciphertext of another key than the pinned one: AWS names that, moto says that it is denied.
        if operation == "Decrypt" && String::from_utf8_lossy(&body).contains("AccessDeniedException") {
            return reply(400, &json!({"__type": "IncorrectKeyException"}).to_string());
        }
        Response::from_parts(parts, Full::new(body))
    }

    /// The metadata services of a machine and a container.
    fn metadata(&self, head: &http::request::Parts) -> Option<Response<Full<Bytes>>> {
        let path = head.uri.path();
        let with_token = head.headers.get("x-aws-ec2-metadata-token").is_some_and(|t| t == "canary-imds-token");
        match path {
            "/latest/api/token" if head.method == "PUT" => Some(reply(200, "canary-imds-token")),
            "/latest/meta-data/iam/security-credentials/" if with_token => Some(reply(200, "aios-role")),
            "/latest/meta-data/iam/security-credentials/aios-role" if with_token => Some(reply(200, &self.issue())),
            "/container" if head.headers.get("authorization").is_some_and(|a| a == "canary-agent-token") => {
                Some(reply(200, &self.issue()))
            }
            "/container" => Some(reply(401, "")),
            path if path.starts_with("/latest/") => Some(reply(401, "")),
            _ => None,
        }
    }

    fn issue(&self) -> String {
        let mut state = self.state.lock().unwrap();
        state.issued += 1;
        let end = time::OffsetDateTime::now_utc() + time::Duration::seconds(state.life);
        let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
        json!({
            "Code": "Success", "AccessKeyId": format!("ASIAISSUED{}", state.issued),
            "SecretAccessKey": super::SECRET, "Token": super::TOKEN, "Expiration": end,
        })
        .to_string()
    }
}

fn operation(head: &http::request::Parts, body: &[u8]) -> String {
    if let Some(target) = head.headers.get("x-amz-target") {
        return target.to_str().unwrap().trim_start_matches("TrentService.").to_owned();
    }
    let form = String::from_utf8_lossy(body);
    let action = form.split('&').find_map(|field| field.strip_prefix("Action="));
    action.map_or_else(|| head.uri.path().to_owned(), str::to_owned)
}

/// The refusal that AWS would give for the state of the key, which moto keeps and does not heed.
async fn switched_off(moto: SocketAddr, headers: &HeaderMap, body: &[u8]) -> Option<Response<Full<Bytes>>> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let mut headers = headers.clone();
    headers.insert("x-amz-target", "TrentService.DescribeKey".parse().unwrap());
    let body = json!({"KeyId": request["KeyId"]}).to_string();
    let answer = forward(moto, "/", &headers, body.into()).await.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let name = match answer["KeyMetadata"]["KeyState"].as_str()? {
        "Enabled" => return None,
        "Disabled" => "DisabledException",
        _ => "KMSInvalidStateException",
    };
    Some(reply(400, &json!({"__type": name}).to_string()))
}

async fn forward(moto: SocketAddr, path: &str, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
    let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::ZERO).build_http();
    let mut request = Request::post(format!("http://{moto}{path}")).body(Full::new(body)).unwrap();
    *request.headers_mut() = headers.clone();
    request.headers_mut().remove("content-length");
    let (head, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = head.status;
    response
}

fn reply(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("retry-after", "7".parse().unwrap());
    response
}
