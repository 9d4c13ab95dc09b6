//! Data listeners: accept, TLS, HTTP/1.1, bounds, and a drain that lets calls finish.

use crate::{
    answer::AnswerBody,
    config::{Limits, ListenTls},
};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Why a listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The certificate or key cannot be used.
    #[error("the server certificate or key cannot be used")]
    Certificate,
}

/// A bound socket that does not accept yet.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// What all connections of a sidecar share.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) limits: Arc<Limits>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    pub(crate) draining: CancellationToken,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, tls: Option<&ListenTls>) -> Result<Self, ListenError> {
        let tls = tls.map(acceptor).transpose()?;
        let socket = TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })?;
        Ok(Self { socket, tls })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the drain begins. Each connection is a task; each takes a slot, and no
    /// connection is accepted while no slot is free.
    pub(crate) async fn serve<F, Fut>(self, shared: Connections, handle: F)
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        loop {
            let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = shared.draining.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.connection(stream, slot, shared.clone(), handle.clone()),
                Err(error) => {
                    // Out of descriptors, or a connection that died in the queue: go on shortly.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn connection<F, Fut>(&self, stream: TcpStream, slot: OwnedSemaphorePermit, shared: Connections, handle: F)
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        let _ = stream.set_nodelay(true);
        let tls = self.tls.clone();
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            let _slot = slot;
            match tls {
                None => http(stream, &shared, handle).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(shared.limits.header_timeout, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        http(stream, &shared, handle).await;
                    }
                }
            }
        });
    }
}

async fn http<S, F, Fut>(stream: S, shared: &Connections, handle: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_timeout)
        .max_buf_size(shared.limits.max_header_bytes.max(8 << 10))
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

fn acceptor(files: &ListenTls) -> Result<TlsAcceptor, ListenError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).map_err(|_| ListenError::Certificate)?.collect();
    let chain = chain.map_err(|_| ListenError::Certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| ListenError::Certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ListenError::Certificate)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| ListenError::Certificate)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
