//! TLS as the client of a listener that was found to be our own: no certificate is checked.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::failure::{Failure, is_passing};

/// One connection, as far as it has come.
#[derive(Debug)]
pub(crate) struct Session {
    connection: ClientConnection,
    /// The other side has said something in TLS.
    is_tls: bool,
}

impl Session {
    /// A client that says hello first, and `request` as soon as it may.
    pub(crate) fn new(address: IpAddr, request: &[u8]) -> Option<Self> {
        let mut connection = client(address)?;
        connection.writer().write_all(request).ok()?;
        Some(Self { connection, is_tls: false })
    }

    /// Whether it waits for room to write, and not for an answer.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Goes on as far as it can without waiting, and adds what was answered to `reply`. False at the end
    /// of the stream.
    ///
    /// # Errors
    /// The connection broke, or is no TLS.
    pub(crate) fn advance(&mut self, stream: &mut TcpStream, reply: &mut Vec<u8>) -> Result<bool, Failure> {
        loop {
            while self.connection.wants_write() {
                match self.connection.write_tls(stream) {
                    Ok(_) => {}
                    Err(error) if is_passing(&error) => return Ok(true),
                    Err(_) => return Err(self.closed()),
                }
            }
            match self.connection.read_tls(stream) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if is_passing(&error) => return Ok(true),
                Err(_) => return Err(self.closed()),
            }
            let state = self.connection.process_new_packets().map_err(|error| self.refused(error))?;
            self.is_tls = true;
            let begun = reply.len();
            reply.resize(begun + state.plaintext_bytes_to_read(), 0);
            self.connection.reader().read_exact(&mut reply[begun..]).map_err(|_| self.closed())?;
            if reply.len() > begun {
                return Ok(true);
            }
        }
    }

    /// What it means that the connection ended.
    pub(crate) fn closed(&self) -> Failure {
        if self.is_tls { Failure::TlsRefused("it hung up".to_owned()) } else { Failure::NotTls }
    }

    fn refused(&self, error: Error) -> Failure {
        match error {
            Error::AlertReceived(_) => Failure::TlsRefused(error.to_string()),
            error if self.is_tls => Failure::TlsRefused(error.to_string()),
            _ => Failure::NotTls,
        }
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

/// Takes every certificate for good: whose the listener is was seen in the system's own table.
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
