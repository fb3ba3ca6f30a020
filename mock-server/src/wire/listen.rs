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
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use crate::options::{OptionsError, Tls, TlsFiles};
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

/// What to do about a port that is in use.
pub(crate) const OTHER_PORT: &str = "choose another port with --port (0 picks a free one)";

/// Binds the host's port, or both loopback addresses on the same port. `else_do` is what to do if it is in use.
pub(crate) async fn bind(
    host: Option<IpAddr>,
    port: u16,
    else_do: &str,
) -> Result<Vec<TcpListener>, OptionsError> {
    if let Some(host) = host {
        let address = SocketAddr::new(host, port);
        return Ok(vec![TcpListener::bind(address).await.map_err(|e| explain(address, &e, else_do))?]);
    }
    let mut clash = None;
    for _ in 0..PORT_TRIES {
        let four = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let first = TcpListener::bind(four).await.map_err(|e| explain(four, &e, else_do))?;
        let given = first.local_addr().map_err(|e| explain(four, &e, else_do))?.port();
        let six = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), given);
        match TcpListener::bind(six).await {
            Ok(second) => return Ok(vec![first, second]),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && port == 0 => {
                clash = Some(explain(six, &e, else_do));
            }
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(explain(six, &e, else_do)),
            Err(_) => return Ok(vec![first]), // a machine without IPv6
        }
    }
    Err(clash.unwrap_or_else(|| OptionsError("no free port was found".to_owned())))
}

fn explain(address: SocketAddr, error: &io::Error, else_do: &str) -> OptionsError {
    OptionsError(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} on {} is in use by another program: stop that one, or {else_do}",
            address.port(),
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {} may not be used by this user: choose one above 1023 with --port", address.port())
        }
        _ => format!("cannot listen on {address}: {error}; choose another address with --host"),
    })
}

/// TLS with the certificate of `--tls`.
pub(crate) fn tls(tls: &Tls) -> Result<TlsAcceptor, OptionsError> {
    let (chain, key) = match tls {
        Tls::Files(files) => read(files)?,
        Tls::SelfSigned | Tls::Expired | Tls::WrongHost => {
            make(tls).map_err(|e| OptionsError(format!("--tls: no certificate could be made: {e}")))?
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| match tls {
            Tls::Files(TlsFiles { key, .. }) => wrong(key, &e),
            _ => OptionsError(format!("--tls: {e}")),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate with the flaw that is asked for. Whoever trusts it as its own root finds no other.
fn make(flaw: &Tls) -> Result<Identity, rcgen::Error> {
    let names: &[&str] = match flaw {
        Tls::WrongHost => &["wrong-host.invalid"],
        _ => &["localhost", "127.0.0.1", "::1"],
    };
    let mut params =
        rcgen::CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
    if *flaw == Tls::Expired {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn wrong(path: &std::path::Path, why: &dyn std::fmt::Display) -> OptionsError {
    OptionsError(format!("--tls: {}: {why}; give two PEM files, certificate chain and key", path.display()))
}

/// Reads the two PEM files.
fn read(files: &TlsFiles) -> Result<Identity, OptionsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(&files.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(&files.key, &e))?;
    Ok((chain, key))
}

/// A listening port from outside: it can be closed for a while.
#[derive(Debug)]
pub(crate) struct Port(watch::Sender<Instant>);

/// The same from inside.
#[derive(Debug)]
pub(crate) struct Shutter(watch::Receiver<Instant>);

impl Port {
    /// One that is open.
    pub(crate) fn new() -> (Self, Shutter) {
        let (port, shutter) = watch::channel(Instant::now());
        (Self(port), Shutter(shutter))
    }

    /// Nothing listens any more until this instant; one that has passed opens it again.
    pub(crate) fn close(&self, until: Instant) {
        self.0.send_replace(until);
    }
}

impl Shutter {
    /// Waits until the port shall be closed.
    async fn closed(&mut self) {
        if self.0.wait_for(|until| *until > Instant::now()).await.is_err() {
            std::future::pending::<()>().await; // nobody can close it any more
        }
    }

    /// Waits until the port shall be open again, and listens.
    async fn reopen(&mut self, address: SocketAddr) -> TcpListener {
        loop {
            let until = *self.0.borrow_and_update();
            if until > Instant::now() {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    Ok(()) = self.0.changed() => {}
                }
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(error) => {
                    tracing::warn!(%error, "the port cannot be opened again yet");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Accepts connections until the shutdown.
pub(crate) async fn serve(
    ground: Ground,
    mut listener: TcpListener,
    mut shutter: Shutter,
    tls: Option<TlsAcceptor>,
    router: Router,
) {
    let Ok(address) = listener.local_addr() else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => Some(accepted),
            () = shutter.closed() => None,
            () = ground.shutdown.cancelled() => return,
        };
        match accepted {
            None => {
                drop(listener);
                listener = tokio::select! {
                    listener = shutter.reopen(address) => listener,
                    () = ground.shutdown.cancelled() => return,
                };
            }
            Some(Ok((stream, _))) => {
                ground.tasks.spawn(connection(ground.clone(), stream, tls.clone(), router.clone()));
            }
            Some(Err(error)) => {
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
