//! TLS as the client of a listener that was found to be our own: no certificate is checked.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

use crate::failure::Failure;

/// A TLS connection.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Starts TLS on a connection.
pub(crate) fn secured(stream: TcpStream, address: IpAddr) -> Option<Secured> {
    Some(StreamOwned::new(client(address)?, stream))
}

/// Classifies an error of the stream, or its end.
pub(crate) fn failure(connection: &ClientConnection, error: Option<&io::Error>) -> Failure {
    let is_tls = connection.protocol_version().is_some();
    match error.and_then(|error| error.get_ref()?.downcast_ref::<Error>()) {
        Some(error @ Error::AlertReceived(_)) => Failure::TlsRefused(error.to_string()),
        Some(error) if is_tls => Failure::TlsRefused(error.to_string()),
        None if is_tls => Failure::TlsRefused("it closed the connection".to_owned()),
        Some(_) | None => Failure::NotTls,
    }
}

fn client(address: IpAddr) -> Option<ClientConnection> {
    let provider = Arc::new(ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier = Arc::new(AnyCertificate(provider));
    let mut config =
        versions.ok()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.resumption = Resumption::disabled();
    ClientConnection::new(Arc::new(config), ServerName::IpAddress(address.into())).ok()
}

/// Accepts every certificate: the listener's owner was verified in the system's own table.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
