//! One request, as small as it can be.

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

/// Asks `http://127.0.0.1:PORT/PATH`; `None` when nobody answers. `headers` are whole lines.
pub(crate) fn get(url: &str, headers: &[&str]) -> Option<Answer> {
    request("GET", url, headers, "")
}

/// Sends a form's fields, encoded as they are to be.
pub(crate) fn post(url: &str, fields: &str) -> Option<Answer> {
    request("POST", url, &["Content-Type: application/x-www-form-urlencoded"], fields)
}

/// Sends nothing, with these headers.
pub(crate) fn post_with(url: &str, headers: &[&str]) -> Option<Answer> {
    request("POST", url, headers, "")
}

/// Asks under another name of the host.
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
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
