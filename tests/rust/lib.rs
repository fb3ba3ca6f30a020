//! What the tests that cross crates share: a mock server and a client of it.

use std::future::Future;
use std::time::Duration;

use steadfast::client::{Handle, Options};
use steadfast::{Endpoint, Service};
use steadfast_mock_server::{MockServer, Options as MockOptions, Service as MockService};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something, but not for ever.
///
/// # Panics
/// If it takes too long; `what` says what did.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

/// The mock's name for a service.
pub const fn mock_service(service: Service) -> MockService {
    match service {
        Service::Charisma => MockService::Charisma,
        Service::TherapyBridge => MockService::TherapyBridge,
        Service::Saga => MockService::Saga,
        Service::DocProc => MockService::DocProc,
        Service::DevContext => MockService::DevContext,
    }
}

/// A mock server on a free port, with short steps.
///
/// # Panics
/// If it can't start.
pub async fn mock(settings: &[&str]) -> MockServer {
    let mut options = MockOptions::for_tests();
    for setting in settings {
        options = options.with(setting);
    }
    MockServer::start(options).await.expect("the mock server starts")
}

/// The options of a client of this mock, by default with a token of user `u1`.
pub fn options(server: &MockServer, service: Service) -> Options {
    let url = server.service_url(mock_service(service));
    Options::new(service, Endpoint::Url(url)).token(server.token("u1"))
}

/// A client of this mock.
///
/// # Panics
/// If the options are wrong.
pub fn client(server: &MockServer, service: Service) -> Handle {
    Handle::new(options(server, service)).expect("the options are good")
}
