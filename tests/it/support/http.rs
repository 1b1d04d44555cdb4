//! A minimal HTTP client: one request per connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Requests `http://127.0.0.1:PORT/PATH`; `None` without an answer. `headers` are whole lines.
pub(crate) fn get(url: &str, headers: &[&str]) -> Option<Answer> {
    request("GET", url, headers, "")
}

/// Sends the form's fields, already URL-encoded.
pub(crate) fn post(url: &str, fields: &str) -> Option<Answer> {
    request("POST", url, &["Content-Type: application/x-www-form-urlencoded"], fields)
}

/// Sends a body, which may be empty, with these headers.
pub(crate) fn post_with(url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    request("POST", url, headers, body)
}

/// Sends a chunked body until the server closes the connection.
pub(crate) fn post_chunked(url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("POST /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let _cut_off = stream.write_all(body.as_bytes());
    answer(&mut stream)
}

/// Sends a request with another `Host`.
pub(crate) fn get_as(host: &str, url: &str) -> Option<Answer> {
    request_as(host, "GET", url, &[], "")
}

fn request(method: &str, url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let (address, _) = url.strip_prefix("http://")?.split_once('/')?;
    request_as(address, method, url, headers, body)
}

fn request_as(host: &str, method: &str, url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request =
        format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n{headers}{length}\r\n{body}");
    // The server may refuse it before all is sent.
    let _cut_off = stream.write_all(request.as_bytes());
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut reply = Vec::new();
    // Data from before a connection reset counts.
    let _reset = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
