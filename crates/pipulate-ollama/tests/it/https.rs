//! Ollama behind https: with a certificate that this machine trusts, and with one that it does not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use pipulate_ollama::error::Error;
use pipulate_ollama::host::Host;
use pipulate_ollama::probe::probe_blocking;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const MINUTE: Duration = Duration::from_secs(60);
/// The server's address for the test that is run again.
const ADDRESS: &str = "PIPULATE_TEST_HTTPS";

/// A server with a self-signed certificate; returns its address, and the certificate as PEM.
fn serve() -> (String, String) {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust us closes before its request.
            let Ok(length) = stream.read(&mut [0; 4096]) else { continue };
            let body = r#"{"version":"0.30.6","models":[]}"#;
            let head =
                format!("HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _gone = stream.write_all((head + body).as_bytes());
            assert!(length > 0);
        }
    });
    (address, own.cert.pem())
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_with_what_to_do() {
    let (address, _) = serve();
    let error = probe_blocking(&Host::parse(&address).unwrap(), MINUTE).unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    let told = error.to_string().replace(&address, "https://HERE");
    assert_eq!(
        told,
        "could not trust the certificate of https://HERE: its issuer is not trusted by this machine; \
         install its authority on this machine, or name a file that holds it in SSL_CERT_FILE"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "only another process has another environment")]
fn a_certificate_that_the_environment_vouches_for_is_trusted() {
    if let Ok(address) = std::env::var(ADDRESS) {
        let probe = probe_blocking(&Host::parse(&address).unwrap(), MINUTE).unwrap();
        assert_eq!(probe.version, "0.30.6");
        return;
    }
    let (address, certificate) = serve();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "https::a_certificate_that_the_environment_vouches_for_is_trusted"]);
    let output = again.env(ADDRESS, address).env("SSL_CERT_FILE", file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
