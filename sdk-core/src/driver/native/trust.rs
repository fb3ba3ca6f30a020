//! Whom the app trusts, in place of the roots.

use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Decides whether a chain of certificates is trusted: by the verifier of the system, say, that only the app can reach.
///
/// It is asked in every handshake, after the certificate's name was found to be the server's, on the thread that drives
/// the client, without any lock. That client waits for it, and so does everything else on its runtime's thread: it
/// must not block, on the network say.
pub trait ServerTrust: Send + Sync {
    /// Why this chain is not trusted, if it isn't. `chain` holds the certificates as sent, in DER, the server's own
    /// first. A panic counts as a refusal.
    fn check(&self, chain: &[&[u8]], host: &str) -> Result<(), String>;
}

/// [`ServerTrust`] as an option: two are equal if they are the same.
#[derive(Clone)]
pub struct Trust(pub Arc<dyn ServerTrust>);

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

/// Asks the app about the chain, and checks itself what needs no roots: the name, and that the server has the key.
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trust.fmt(f)
    }
}

/// What the app said against a chain.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Refused {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
        let chain: Vec<&[u8]> = [own].into_iter().chain(intermediates).map(|der| &**der).collect();
        // Foreign code: its panic must not take the client's task with it, and what it said is not repeated.
        let checked = catch_unwind(AssertUnwindSafe(|| self.trust.0.check(&chain, &name.to_str())));
        let checked = checked.unwrap_or_else(|payload| {
            drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
            Err("the app's check of the certificate panicked".into())
        });
        checked.map_err(|why| {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(why)))))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
