//! Whom we trust: rustls with ring, and roots by platform.
//!
//! | platform | roots | why | bytes in the library |
//! |---|---|---|---|
//! | macOS, iOS | the system's own verifier | revocation, what an administrator or the user added, no list that ages | 8 KB to call it; nothing of the last row |
//! | Windows | the system's own verifier | the same | 4 KB to call it; nothing of the last row |
//! | Linux, other Unix | the system's bundle; Mozilla's list only where there is none at all (slim containers) | such systems have no verifier, only files | 8 KB to find them, and the last row |
//! | Android | Mozilla's list, or who the app names | the system's verifier needs a call from Java before first use, which a binding that is loaded by JNA can't make | the last row |
//! | (what a list takes) | | | 68 KB for its 120 roots, 74 KB to check chains against them |
//!
//! Weighed in the libraries for `x86_64` Linux and for iPhones, as `cargo xtask library` and `xcframework` build them. That
//! for Windows, which is not shipped yet, by the symbols of a DLL linked with mingw from the same profile, without the
//! standard library's own part: 2.4 MB stripped in all, and no chain is checked but by the system.
//!
//! Mozilla's list does not join the system's, so a root that an administrator removed stays removed. Extra roots are
//! added to either. An app that can reach the verifier of its system, Android's say, gives it as `ServerTrust`.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore};

use super::trust::{Trust, Verifier};

/// The configurations in use, with their extra roots: shared by all clients of a process that trust the same, for as
/// long as one of them lives. The roots of a Linux system take some hundred KiB and some ms.
static SHARED: Mutex<Vec<(Vec<CertificateDer<'static>>, Weak<ClientConfig>)>> = Mutex::new(Vec::new());

/// Reads the certificates of a PEM text.
pub(super) fn read_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let roots = roots.map_err(|error| format!("not a PEM text: {error}"))?;
    // Tried out here, so that a certificate that can't be a root is an error at the start and not at the first dial.
    let mut store = RootCertStore::empty();
    for root in &roots {
        store.add(root.clone()).map_err(|error| format!("not a certificate that can be a root: {error}"))?;
    }
    if roots.is_empty() { Err("the PEM text holds no certificate".into()) } else { Ok(roots) }
}

/// The configuration of every TLS connection. It reads files, so it is called where blocking does no harm.
pub(super) fn client_config(extra: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    // Held while the roots are read: a second client waits for them instead of reading them again.
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.retain(|(_, config)| config.strong_count() > 0);
    if let Some(config) =
        shared.iter().find(|(roots, _)| roots == extra).and_then(|(_, config)| config.upgrade())
    {
        return Ok(config);
    }
    let config = Arc::new(build(extra).map_err(|error| error.to_string())?);
    shared.push((extra.to_vec(), Arc::downgrade(&config)));
    Ok(config)
}

/// Clients prove who they are by tokens. That nothing can load a private key keeps the code that signs with one out.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("this client has no keys of its own".into()))
    }
}

/// The configuration of a client whose app decides whom to trust.
pub(super) fn trusting(trust: &Trust) -> Result<Arc<ClientConfig>, String> {
    let provider = provider();
    let verifier = Verifier { trust: trust.clone(), provider: Arc::clone(&provider) };
    config(provider, Arc::new(verifier)).map(Arc::new).map_err(|error| error.to_string())
}

/// Named, because an app may have installed another one, or two crates of it none that is unambiguous. This is the only
/// place that asks ring for it: asked twice, it stays a function of its own, with the keys' code (35 KB) behind it.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { key_provider: &NoClientKeys, ..ring::default_provider() })
}

fn build(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = verifier(extra, &provider)?;
    config(provider, verifier)
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A client talks to one server or two; the default has room for 32 and takes it at once.
    config.resumption = Resumption::in_memory_sessions(16);
    Ok(config)
}

#[cfg(not(target_os = "android"))]
fn verifier(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    use rustls_platform_verifier::Verifier;

    match Verifier::new(Arc::clone(provider)) {
        Ok(verifier) if extra.is_empty() => Ok(Arc::new(verifier)),
        Ok(_) => Verifier::new_with_extra_roots(extra.iter().cloned(), Arc::clone(provider))
            .map(|v| Arc::new(v) as _),
        #[cfg(all(unix, not(target_vendor = "apple")))]
        Err(_) => bundled(extra, provider),
        #[cfg(not(all(unix, not(target_vendor = "apple"))))]
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "android")]
fn verifier(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    bundled(extra, provider)
}

/// Mozilla's list and the extra roots.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn bundled(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    use rustls::client::WebPkiServerVerifier;

    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra {
        store.add(root.clone())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as _)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_text_must_hold_roots() {
        assert!(read_pem("").is_err());
        assert!(read_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
        assert!(read_pem("-----BEGIN CERTIFICATE-----\n").is_err());
    }

    #[test]
    fn clients_that_trust_the_same_share_one_configuration() {
        let first = client_config(&[]).unwrap();
        let second = client_config(&[]).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn the_bundled_roots_are_a_verifier_without_any_system() {
        assert!(bundled(&[], &provider()).is_ok());
    }
}
