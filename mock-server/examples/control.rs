//! Steers a mock server that runs as a program of its own: waits for a client, breaks its connection, and says what it
//! did wrong.
//!
//! ```text
//! cargo run -p steadfast-mock-server &
//! cargo run -p steadfast-mock-server --example control -- http://127.0.0.1:8090
//! ```

use std::time::Duration;

use steadfast_mock_server::{Control, Filter, Happening, How, Match, Rule, Service, TcpFault, When};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8090".to_owned());
    let control = Control::new(&base)?;
    let token = control.token("u1", None, Duration::from_secs(3600)).await?;
    println!("connect a client to {} with the token\n{token}", control.service_url(Service::Charisma));

    let opened = Filter { what: Some(Happening::Open), ..Filter::of(Service::Charisma) };
    let first = control.wait_for(&opened, 1, Duration::from_secs(120)).await?;
    println!("connection {} is open: it is cut", first[0].connection);
    let drop = TcpFault::drop(How::Rst);
    let now = Match { service: Some(Service::Charisma), when: Some(When::Now), ..Match::default() };
    control.fault(&Rule { matching: now, ..Rule::new(drop) }).await?;

    control.wait_for(&opened, 2, Duration::from_secs(60)).await?;
    println!("the client is back\n{}", control.report().await?);
    Ok(())
}
