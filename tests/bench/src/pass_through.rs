//! The bare reference: hyper in, pooled hyper out, nothing between.

use crate::{child, error::BenchError};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{convert::Infallible, net::SocketAddr};
use tokio::net::TcpListener;

type Upstream = Client<HttpConnector, Incoming>;

/// Forwards everything to `to` until killed.
pub(crate) async fn serve(to: SocketAddr) -> Result<(), BenchError> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let upstream: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    child::announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, &upstream, to));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    mut request: Request<Incoming>,
    upstream: &Upstream,
    to: SocketAddr,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let answered = match format!("http://{to}{path}").parse::<Uri>() {
        Ok(uri) => {
            *request.uri_mut() = uri;
            upstream.request(request).await.ok()
        }
        Err(_) => None,
    };
    Ok(answered.map_or_else(
        || {
            let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        },
        |response| response.map(http_body_util::BodyExt::boxed),
    ))
}
