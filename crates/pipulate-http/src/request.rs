//! Reads the head of one request, as a server.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Status};

use crate::{HEADERS, LONGEST_HEAD};

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
}

/// Reads a head, for `patience` at most; `None` if none came.
///
/// # Errors
/// The connection broke.
pub fn read_head(stream: &mut TcpStream, patience: Duration) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + patience;
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut part)?;
        if count == 0 || head.len() + count > LONGEST_HEAD {
            return Ok(None);
        }
        head.extend_from_slice(&part[..count]);
    }
    Ok(Some(head))
}

impl Request {
    /// Reads a complete head; `None` if it is no request in HTTP/1.x.
    pub fn parse(head: &[u8]) -> Option<Self> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(Status::Complete(_)) = request.parse(head) else { return None };
        let text = |header: &httparse::Header<'_>| {
            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
        };
        Some(Self {
            method: request.method?.to_owned(),
            target: request.path?.to_owned(),
            headers: request.headers.iter().map(text).collect(),
        })
    }

    /// Returns the value of a header that must occur once; `None` if it is missing or repeated.
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_request_has_one_line_and_headers() {
        let request = Request::parse(b"GET /a?b HTTP/1.1\r\nHOST: x\r\nA: 1\r\na: 2\r\n\r\n").unwrap();
        assert_eq!((&*request.method, &*request.target), ("GET", "/a?b"));
        assert_eq!(
            (request.single("host"), request.single("A"), request.single("b")),
            (Some("x"), None, None)
        );
        for head in [
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nA: 1\r\n",
            "\x16\x03\x01\r\n\r\n",
        ] {
            assert_eq!(Request::parse(head.as_bytes()), None, "{head:?}");
        }
        assert_eq!(
            Request::parse(format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65)).as_bytes()),
            None
        );
    }

    /// Returns the bytes read from a client that sends these parts, and then closes or waits for us to.
    fn received(parts: Vec<Vec<u8>>, closes: bool, patience: Duration) -> Option<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            for part in parts {
                let _heard = stream.write_all(&part);
            }
            if !closes {
                let _end = stream.read(&mut [0]);
            }
        });
        let (mut stream, _) = listener.accept().unwrap();
        let head = read_head(&mut stream, patience).ok().flatten();
        drop(stream);
        client.join().unwrap();
        head
    }

    #[test]
    fn a_head_is_read_however_it_comes_and_never_without_end() {
        let ample = Duration::from_secs(20);
        let head = b"GET / HTTP/1.1\r\n\r\n";
        let split = head.iter().map(|byte| vec![*byte]).collect();
        assert_eq!(received(split, false, ample).as_deref(), Some(&head[..]));
        assert_eq!(received(vec![head[..9].to_vec()], true, ample), None, "it closed the connection");
        assert_eq!(received(vec![vec![b'a'; LONGEST_HEAD + 1]], false, ample), None, "endless");
        assert_eq!(received(vec![head[..9].to_vec()], false, Duration::from_millis(50)), None, "silent");
    }
}
