//! Opens a WebSocket. tokio-tungstenite can too, by a feature that the server does not need: with it the server would be
//! built once more for these tests.
#![allow(unreachable_pub, reason = "a module of tests, not a library")]

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, UrlError};
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::{WebSocketStream, client_async};

pub type Socket = WebSocketStream<TcpStream>;

pub async fn connect(request: impl IntoClientRequest + Unpin) -> Result<(Socket, Response), Error> {
    let request = request.into_client_request()?;
    let address = request.uri().authority().ok_or(Error::Url(UrlError::NoHostName))?;
    let stream = TcpStream::connect(address.as_str()).await?;
    client_async(request, stream).await
}
