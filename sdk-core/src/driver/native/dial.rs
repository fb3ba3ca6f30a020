//! From a host's name to a connection that may carry a request.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use std::sync::Arc;

use super::Shared;
use super::target::Target;
use super::wire::Stream;
use crate::io::DisconnectReason;

/// How long one address may keep the next one waiting (RFC 8305 §8: "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Resolves, connects, and for a secure URL shakes hands. Everything lives in this future: dropping it ends it.
pub(super) async fn dial(shared: &Arc<Shared>, target: &Target) -> Result<Stream, DisconnectReason> {
    let host = target.host.as_str();
    tracing::debug!(target: "steadfast", host, port = target.port, tls = target.secure, "dialing");
    let addresses = tokio::net::lookup_host((host, target.port)).await.map_err(|error| {
        DisconnectReason::Network(format!("the name {host} could not be resolved: {error}"))
    })?;
    let tcp = connect_any(addresses.collect())
        .await
        .map_err(|error| DisconnectReason::Network(format!("{host}:{}: {error}", target.port)))?;
    // Messages are small and wanted at once. A socket that can't be told is still a socket.
    let _ = tcp.set_nodelay(true);
    if !target.secure {
        return Ok(Stream::Plain(tcp));
    }
    let config = shared.tls().await.map_err(DisconnectReason::Tls)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| DisconnectReason::Tls(format!("{host:?} can't be the name of a certificate")))?;
    match TlsConnector::from(config).connect(name, tcp).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) => Err(refusal(host, target.port, &error)),
    }
}

/// Connects to the first address that answers. Each has a quarter of a second before the next is tried beside it, so
/// that a family whose packets vanish costs no more than that.
async fn connect_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = interleave(addresses);
    let mut tries = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(address) = waiting.pop_front() {
        tries.push(TcpStream::connect(address));
        let patience = core::pin::pin!(tokio::time::sleep(ATTEMPT_DELAY));
        if let Either::Left((Some(result), _)) = select(tries.next(), patience).await {
            match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
    }
    while let Some(result) = tries.next().await {
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Alternates between the families, beginning with the resolver's favourite (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut order = VecDeque::new();
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    loop {
        let pair = (ours.next(), others.next());
        if pair == (None, None) {
            return order;
        }
        order.extend(pair.0);
        order.extend(pair.1);
    }
}

/// A refused certificate and a port that speaks something else are final, any other trouble of the handshake may pass.
/// [rules §2.11.2]
fn refusal(host: &str, port: u16, error: &io::Error) -> DisconnectReason {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => {
            DisconnectReason::Tls(format!("the certificate of {host} was refused: {why}"))
        }
        Some(rustls::Error::InvalidMessage(_)) => DisconnectReason::Tls(format!(
            "{host}:{port} does not speak TLS ({error}); for a plain port the URL is to begin with ws:// or http://"
        )),
        _ => DisconnectReason::Network(format!("the TLS handshake with {host} failed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let order = interleave(vec![
            address("[::1]:1"),
            address("[::2]:1"),
            address("[::3]:1"),
            address("1.1.1.1:1"),
        ]);
        let order: Vec<_> = order.iter().map(SocketAddr::is_ipv6).collect();
        assert_eq!(order, [true, false, true, true]);
        assert!(interleave(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_living_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        // Reserved for documentation (RFC 5737): nobody answers there.
        let dead = "192.0.2.1:9".parse().unwrap();
        let stream = connect_any(vec![dead, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }
}
