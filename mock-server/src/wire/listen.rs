//! Listening: ports, TLS, and HTTP over the wires of `io.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use crate::options::{OptionsError, TlsFiles};
use crate::wire::io::{Lot, Wire, WireIo};

/// Time a client has to send its request's head or finish the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How often a second address is tried to be bound on the port that the first one was given.
const PORT_TRIES: usize = 20;

/// The wire that a request came in on; every request carries it as an extension.
#[derive(Debug, Clone)]
pub(crate) struct CameBy(pub(crate) Wire);

/// Told of each TCP connection before its first byte is read.
#[derive(Clone)]
pub(crate) struct OnAccept(pub(crate) Arc<dyn Fn(&Wire) + Send + Sync>);

impl std::fmt::Debug for OnAccept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnAccept")
    }
}

/// What listening needs of the server it works for.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// Where held connections stay when the server gives them up.
    pub(crate) lot: Lot,
    /// Ends accepting and the idle connections.
    pub(crate) shutdown: CancellationToken,
    /// Every connection's task.
    pub(crate) tasks: TaskTracker,
    pub(crate) on_accept: OnAccept,
}

/// Binds the host's port, or both loopback addresses on the same port.
pub(crate) async fn bind(host: Option<IpAddr>, port: u16) -> Result<Vec<TcpListener>, OptionsError> {
    if let Some(host) = host {
        let address = SocketAddr::new(host, port);
        return Ok(vec![TcpListener::bind(address).await.map_err(|e| explain(address, &e))?]);
    }
    let mut clash = None;
    for _ in 0..PORT_TRIES {
        let four = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let first = TcpListener::bind(four).await.map_err(|e| explain(four, &e))?;
        let given = first.local_addr().map_err(|e| explain(four, &e))?.port();
        let six = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), given);
        match TcpListener::bind(six).await {
            Ok(second) => return Ok(vec![first, second]),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && port == 0 => clash = Some(explain(six, &e)),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(explain(six, &e)),
            Err(_) => return Ok(vec![first]), // a machine without IPv6
        }
    }
    Err(clash.unwrap_or_else(|| OptionsError("no free port was found".to_owned())))
}

fn explain(address: SocketAddr, error: &io::Error) -> OptionsError {
    OptionsError(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} on {} is in use by another program: stop that one, or choose another port with \
             --port (0 picks a free one)",
            address.port(),
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {} may not be used by this user: choose one above 1023 with --port", address.port())
        }
        _ => format!("cannot listen on {address}: {error}; choose another address with --host"),
    })
}

/// Reads the two PEM files.
pub(crate) fn tls(files: &TlsFiles) -> Result<TlsAcceptor, OptionsError> {
    let wrong = |path: &std::path::Path, why: &dyn std::fmt::Display| {
        OptionsError(format!(
            "--tls: {}: {why}; give two PEM files, certificate chain and key",
            path.display()
        ))
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(&files.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(&files.key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&files.certificate, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| wrong(&files.key, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections until the shutdown.
pub(crate) async fn serve(ground: Ground, listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ground.shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                ground.tasks.spawn(connection(ground.clone(), stream, tls.clone(), router.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await; // out of file descriptors, mostly
            }
        }
    }
}

async fn connection(ground: Ground, stream: TcpStream, tls: Option<TlsAcceptor>, router: Router) {
    let _ = stream.set_nodelay(true);
    let io = WireIo::new(stream, ground.lot.clone());
    let wire = io.wire();
    (ground.on_accept.0)(&wire);
    let Some(tls) = tls else { return http(ground, io, wire, router).await };
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(io));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        () = ground.shutdown.cancelled() => return,
    };
    match handshake {
        Ok(Ok(io)) => http(ground, io, wire, router).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

async fn http<I>(ground: Ground, io: I, wire: Wire, router: Router)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(CameBy(wire.clone()));
        router.clone().call(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_LIMIT)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = ground.shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
