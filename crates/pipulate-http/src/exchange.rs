//! One GET and its response, over TCP or TLS, without blocking: the caller polls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pipulate_core::service::Scheme;
use pipulate_process::poll::{self, Interest};
use pipulate_process::ports;

use crate::failure::Failure;
use crate::response::{Malformed, Response};
use crate::tls;

/// The request and its target.
#[derive(Debug, Clone, Copy)]
pub struct Get<'a> {
    pub address: SocketAddr,
    pub scheme: Scheme,
    pub path: &'a str,
    /// The value of `Authorization`, if any.
    pub authorization: Option<&'a str>,
    /// The longest body that is read, in bytes.
    pub limit: usize,
}

/// A connection with one request on it.
#[derive(Debug)]
pub struct Exchange {
    stream: Stream,
    address: SocketAddr,
    /// The rest of the request to be written.
    unsent: Vec<u8>,
    was_connected: bool,
    response: Response,
    limit: usize,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::Secured>),
}

/// Fetches a whole response, for `patience` at most.
///
/// # Errors
/// There was none.
pub fn fetch(get: Get<'_>, patience: Duration) -> Result<(u16, Vec<u8>), Failure> {
    let deadline = Instant::now() + patience;
    let mut exchange = Exchange::begin(get)?;
    loop {
        // Before polling: if this process was delayed, data that came meanwhile still counts.
        let left = deadline.saturating_duration_since(Instant::now());
        exchange.advance()?;
        if let (Some(status), Some(body)) = (exchange.status(), exchange.response.body()) {
            return Ok((status, body.to_vec()));
        }
        if left.is_zero() || poll::wait(&[exchange.descriptor()], Some(left)).is_err() {
            return Err(Failure::Silent);
        }
    }
}

impl Exchange {
    /// Begins to connect.
    ///
    /// # Errors
    /// The connection is refused at once.
    pub fn begin(get: Get<'_>) -> Result<Self, Failure> {
        let Get { address, scheme, path, authorization, limit } = get;
        let stream = ports::connect(address).map_err(|_| Failure::Refused)?;
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: pipulate\r\nAccept: */*\r\n\
             {authorization}Connection: close\r\n\r\n"
        );
        let stream = match scheme {
            Scheme::Http => Stream::Plain(stream),
            Scheme::Https => {
                Stream::Tls(Box::new(tls::secured(stream, address.ip()).ok_or(Failure::NotTls)?))
            }
        };
        let (unsent, response) = (request.into_bytes(), Response::default());
        Ok(Self { stream, address, unsent, was_connected: false, response, limit })
    }

    /// Returns what to wait for before the next [`Exchange::advance`].
    pub fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        let wants_write = match &self.stream {
            Stream::Plain(_) => !self.unsent.is_empty(),
            Stream::Tls(stream) => stream.conn.wants_write(),
        };
        (self.stream.socket().as_fd(), if wants_write { Interest::Write } else { Interest::Read })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn scheme(&self) -> Scheme {
        match self.stream {
            Stream::Plain(_) => Scheme::Http,
            Stream::Tls(_) => Scheme::Https,
        }
    }

    /// Returns the status of the response, as soon as it is known.
    pub fn status(&self) -> Option<u16> {
        self.response.status()
    }

    /// Returns true if the connection is established.
    ///
    /// # Errors
    /// It was refused, or has ended.
    pub fn connected(&self) -> Result<bool, Failure> {
        let socket = self.stream.socket();
        match socket.take_error() {
            Ok(None) => Ok(socket.peer_addr().is_ok()),
            Ok(Some(_)) | Err(_) => Err(self.ended(None)),
        }
    }

    /// Advances as far as possible without blocking.
    ///
    /// # Errors
    /// There will be no response. The status may be known anyway.
    pub fn advance(&mut self) -> Result<(), Failure> {
        // Before it is connected, the first bytes of TLS would be lost.
        if !self.connected()? {
            return Ok(());
        }
        self.was_connected = true;
        while self.step()? {}
        Ok(())
    }

    /// Writes or reads once; returns true if there is more to do that poll(2) does not report.
    fn step(&mut self) -> Result<bool, Failure> {
        let mut buffer = [0; 4096];
        let is_written = self.unsent.is_empty();
        let done = match is_written {
            true => self.stream.io().read(&mut buffer),
            false => self.stream.io().write(&self.unsent),
        };
        match done {
            Ok(count) if !is_written => drop(self.unsent.drain(..count)),
            Ok(0) => {
                self.response.end();
                return self.response.body().map(|_| false).ok_or_else(|| self.ended(None));
            }
            Ok(count) => {
                self.response.feed(&buffer[..count], self.limit).map_err(|Malformed| Failure::NotHttp)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(self.ended(Some(&error))),
        }
        Ok(self.stream.holds_more())
    }

    /// Classifies the end of the connection.
    fn ended(&self, error: Option<&io::Error>) -> Failure {
        match &self.stream {
            stream if !self.was_connected && stream.socket().peer_addr().is_err() => Failure::Refused,
            Stream::Tls(stream) => tls::failure(&stream.conn, error),
            Stream::Plain(_) => Failure::Closed,
        }
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn io(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut **stream,
        }
    }

    /// True if TLS has decrypted more than was read.
    fn holds_more(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => {
                stream.conn.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
            }
        }
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    const AMPLE: Duration = Duration::from_secs(20);

    fn get(address: SocketAddr, scheme: Scheme) -> Get<'static> {
        Get { address, scheme, path: "/x", authorization: Some("token t"), limit: 1000 }
    }

    /// Sends a request to a server on `host` that sends these parts and closes.
    fn answered(host: &str, parts: &'static [&'static str]) -> Result<(u16, Vec<u8>), Failure> {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            let expected = format!(
                "GET /x HTTP/1.1\r\nHost: {address}\r\nUser-Agent: pipulate\r\nAccept: */*\r\n\
                 Authorization: token t\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(String::from_utf8_lossy(&request[..count]), expected);
            for part in parts {
                // The other side may have closed already.
                let _heard = stream.write_all(part.as_bytes());
            }
        });
        let answer = fetch(get(address, Scheme::Http), AMPLE);
        server.join().unwrap();
        answer
    }

    #[test]
    fn a_response_is_read_whole_on_both_loopback_addresses() {
        let parts = &["HTTP/1.1 2", "01 OK\r\nContent-Le", "ngth: 4\r\n\r\nab", "cd"];
        assert_eq!(answered("127.0.0.1", parts), Ok((201, b"abcd".to_vec())));
        assert_eq!(answered("127.0.0.1", &["HTTP/1.0 200 OK\r\n\r\n", "until", " closed"]).unwrap().0, 200);
        if TcpListener::bind(("::1", 0)).is_ok() {
            assert_eq!(answered("::1", parts), Ok((201, b"abcd".to_vec())));
        }
    }

    #[test]
    fn what_is_no_whole_response_is_a_failure() {
        assert_eq!(answered("127.0.0.1", &[]), Err(Failure::Closed));
        assert_eq!(answered("127.0.0.1", &["garbage\r\n"]), Err(Failure::NotHttp));
        let cut = &["HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", "half"];
        assert_eq!(answered("127.0.0.1", cut), Err(Failure::Closed));
        let long = &["HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"];
        assert_eq!(answered("127.0.0.1", long), Err(Failure::NotHttp));
    }

    #[test]
    fn a_server_that_dribbles_is_given_up_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Until the other side gives up.
            while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        });
        assert_eq!(fetch(get(address, Scheme::Http), Duration::from_millis(100)), Err(Failure::Silent));
        server.join().unwrap();
    }

    #[test]
    fn a_free_port_refuses() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for scheme in [Scheme::Http, Scheme::Https] {
            assert_eq!(fetch(get(address, scheme), AMPLE), Err(Failure::Refused));
        }
    }

    /// Sends a request to a server with a self-signed certificate that sends `reply`, with or without a
    /// close_notify.
    fn answered_in_tls(reply: String, says_goodbye: bool) -> Result<(u16, Vec<u8>), Failure> {
        let made = rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, listener.accept().unwrap().0);
            let count = stream.read(&mut [0; 1024]).unwrap();
            assert!(count > 0);
            stream.write_all(reply.as_bytes()).unwrap();
            if says_goodbye {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
        });
        let get = Get { address, scheme: Scheme::Https, path: "/", authorization: None, limit: 100_000 };
        let answer = fetch(get, AMPLE);
        server.join().unwrap();
        answer
    }

    #[test]
    fn a_self_signed_certificate_for_another_name_is_good_enough() {
        // More than TLS decrypts at once, so that poll(2) does not report the rest.
        let body = "x".repeat(90_000);
        let with_length = format!("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n{body}");
        let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        for (reply, says_goodbye) in
            [(with_length.clone(), false), (with_length.clone(), true), (until_closed, true)]
        {
            assert_eq!(answered_in_tls(reply, says_goodbye), Ok((200, body.clone().into_bytes())));
        }
        let ended = Failure::TlsRefused("it closed the connection".to_owned());
        assert_eq!(answered_in_tls(with_length[..1000].to_owned(), true), Err(ended.clone()));
        assert_eq!(answered_in_tls(String::new(), true), Err(ended));
    }
}
