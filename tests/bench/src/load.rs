//! The load generator: a closed loop for throughput, an open loop at a fixed rate for latency.
//!
//! In the open loop a call's time starts when the schedule says that it starts, so a stall is counted in every call
//! that it delays (no coordinated omission).

use crate::{error::BenchError, stats::Samples};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::Mutex, task::JoinSet};

/// Where and what one call is.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// Its port on loopback.
    pub(crate) port: u16,
    /// The path of chat completions.
    pub(crate) path: String,
    /// The bearer token, where it wants one.
    pub(crate) token: Option<String>,
    /// The text that every answer must hold.
    pub(crate) expect: &'static str,
}

/// What a closed loop saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    /// Calls that were answered.
    pub(crate) calls: u32,
    /// Calls per second.
    pub(crate) per_second: f64,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    async fn open(target: &Target) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], target.port))).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its end shows in the next request on it.
            let _ = driver.await;
        });
        Ok(Self { sender })
    }

    async fn send(&mut self, target: &Target, body: &Bytes) -> Result<Response<Incoming>, BenchError> {
        let mut request = Request::post(target.path.as_str())
            .header(header::HOST, "127.0.0.1")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &target.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body.clone()))?).await?)
    }

    /// One whole call; its answer is checked.
    async fn call(&mut self, target: &Target, body: &Bytes) -> Result<(), BenchError> {
        let response = self.send(target, body).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let holds = answer.windows(target.expect.len()).any(|w| w == target.expect.as_bytes());
        if status.is_success() && holds { Ok(()) } else { Err(answered(target, status, &answer)) }
    }

    /// Microseconds until the first event of a streamed answer.
    async fn first_event(&mut self, target: &Target, body: &Bytes) -> Result<f64, BenchError> {
        let start = Instant::now();
        let response = self.send(target, body).await?;
        let status = response.status();
        let mut answer = response.into_body();
        let mut seen = Vec::new();
        let mut first = None;
        while let Some(frame) = answer.frame().await {
            if let Ok(data) = frame?.into_data() {
                seen.extend_from_slice(&data);
                if first.is_none() && seen.windows(2).any(|w| w == b"\n\n") {
                    first = Some(start.elapsed().as_secs_f64() * 1e6);
                }
            }
        }
        match first {
            Some(time) if status.is_success() => Ok(time),
            _ => Err(answered(target, status, &seen)),
        }
    }
}

fn answered(target: &Target, status: http::StatusCode, body: &[u8]) -> BenchError {
    let body = String::from_utf8_lossy(body.get(..300).unwrap_or(body)).into_owned();
    BenchError::Answered { target: target.name.to_owned(), status: status.as_u16(), body }
}

/// `connections` clients, each sending its next call when the last is answered, for `time`.
///
/// # Errors
/// At the first call that fails: no figure is given over failures.
pub(crate) async fn closed_loop(
    target: &Target,
    body: &Bytes,
    connections: u32,
    time: Duration,
) -> Result<Throughput, BenchError> {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let (target, body) = (target.clone(), body.clone());
        clients.spawn(async move {
            let mut connection = Connection::open(&target).await?;
            let mut calls = 0_u32;
            while start.elapsed() < time {
                connection.call(&target, &body).await?;
                calls += 1;
            }
            Ok::<_, BenchError>(calls)
        });
    }
    let mut calls = 0;
    while let Some(done) = clients.join_next().await {
        calls += done.map_err(|_| BenchError::NoSample("a load client"))??;
    }
    Ok(Throughput { calls, per_second: f64::from(calls) / start.elapsed().as_secs_f64() })
}

/// `rate` calls a second for `time`, each timed from its place in the schedule.
///
/// # Errors
/// At the first call that fails.
pub(crate) async fn open_loop(target: &Target, body: &Bytes, rate: u32, time: Duration) -> Result<Samples, BenchError> {
    let idle = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..8 {
        idle.lock().await.push(Connection::open(target).await?);
    }
    let period = Duration::from_secs(1) / rate.max(1);
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let end = Instant::now() + time;
    let mut running = JoinSet::new();
    while Instant::now() < end {
        let due = ticks.tick().await.into_std();
        let (target, body, idle) = (target.clone(), body.clone(), Arc::clone(&idle));
        running.spawn(async move {
            let free = idle.lock().await.pop();
            let mut connection = match free {
                Some(connection) => connection,
                None => Connection::open(&target).await?,
            };
            connection.call(&target, &body).await?;
            let took = due.elapsed().as_secs_f64() * 1e6;
            idle.lock().await.push(connection);
            Ok::<_, BenchError>(took)
        });
    }
    let mut samples = Samples::default();
    while let Some(done) = running.join_next().await {
        samples.push(done.map_err(|_| BenchError::NoSample("a timed call"))??);
    }
    Ok(samples)
}

/// `count` streamed calls one after the other: microseconds to the first event of each.
///
/// # Errors
/// At the first call that fails.
pub(crate) async fn first_events(target: &Target, body: &Bytes, count: u32) -> Result<Samples, BenchError> {
    let mut connection = Connection::open(target).await?;
    let mut samples = Samples::default();
    for _ in 0..count {
        samples.push(connection.first_event(target, body).await?);
    }
    Ok(samples)
}
