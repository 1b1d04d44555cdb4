//! Parses a response from the bytes received so far.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::{HEADERS, LONGEST_HEAD};

/// The longest line with a chunk's size, extensions included.
const LONGEST_CHUNK_LINE: usize = 256;

/// The bytes are no HTTP/1.x response, or exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A response, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// Bytes that were not parsed yet: the head, then the next chunk.
    unread: Vec<u8>,
    status: Option<u16>,
    framing: Option<Framing>,
    body: Vec<u8>,
    is_complete: bool,
}

/// How the end of the body is found (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Response {
    /// Returns the final status, which is known before the rest of the head.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the body, once it is complete.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.is_complete.then_some(&self.body)
    }

    /// Parses received bytes.
    ///
    /// # Errors
    /// They are no HTTP, or the body would be longer than `limit`.
    pub(crate) fn feed(&mut self, bytes: &[u8], limit: usize) -> Result<(), Malformed> {
        self.unread.extend_from_slice(bytes);
        while self.framing.is_none() {
            if !self.read_head()? {
                return Ok(());
            }
        }
        self.read_body(limit)
    }

    /// Handles the end of the connection.
    pub(crate) fn end(&mut self) {
        self.is_complete |= matches!(self.framing, Some(Framing::UntilClosed));
    }

    /// Reads one head; false if it is incomplete. Interim responses (1xx) are skipped.
    fn read_head(&mut self) -> Result<bool, Malformed> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(&self.unread);
        let is_interim = head.code.is_some_and(|code| (100..200).contains(&code));
        self.status = head.code.filter(|_| !is_interim);
        match parsed.map_err(|_| Malformed)? {
            Status::Complete(length) if length <= LONGEST_HEAD => {
                self.framing = if is_interim { None } else { Some(framing(self.status, head.headers)?) };
                self.unread.drain(..length);
                Ok(true)
            }
            Status::Partial if self.unread.len() <= LONGEST_HEAD => Ok(false),
            Status::Complete(_) | Status::Partial => Err(Malformed),
        }
    }

    fn read_body(&mut self, limit: usize) -> Result<(), Malformed> {
        match self.framing {
            Some(Framing::Chunked) => while !self.is_complete && self.read_chunk(limit)? {},
            Some(Framing::Length(length)) => {
                self.body.append(&mut self.unread);
                self.body.truncate(length);
                self.is_complete = self.body.len() == length;
                if length > limit {
                    return Err(Malformed);
                }
            }
            Some(Framing::UntilClosed) => self.body.append(&mut self.unread),
            None => {}
        }
        if self.body.len() > limit { Err(Malformed) } else { Ok(()) }
    }

    /// Reads one chunk; false if it is incomplete. Trailers are not read.
    fn read_chunk(&mut self, limit: usize) -> Result<bool, Malformed> {
        let (start, size) = match httparse::parse_chunk_size(&self.unread).map_err(|_| Malformed)? {
            Status::Complete((start, size)) => (start, usize::try_from(size).map_err(|_| Malformed)?),
            Status::Partial if self.unread.len() <= LONGEST_CHUNK_LINE => return Ok(false),
            Status::Partial => return Err(Malformed),
        };
        if size > limit {
            return Err(Malformed);
        }
        if size == 0 {
            self.is_complete = true;
            return Ok(true);
        }
        let Some(chunk) = self.unread.get(start..start + size + 2) else { return Ok(false) };
        let data = chunk.strip_suffix(b"\r\n").ok_or(Malformed)?;
        self.body.extend_from_slice(data);
        self.unread.drain(..start + size + 2);
        if self.body.len() > limit { Err(Malformed) } else { Ok(true) }
    }
}

fn framing(status: Option<u16>, headers: &[Header<'_>]) -> Result<Framing, Malformed> {
    let values = |name: &'static str| {
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    if matches!(status, Some(204 | 304)) {
        return Ok(Framing::Length(0));
    }
    if let Some(coding) = values("transfer-encoding").next_back() {
        let is_chunked = coding.trim_ascii_end().to_ascii_lowercase().ends_with(b"chunked");
        return Ok(if is_chunked { Framing::Chunked } else { Framing::UntilClosed });
    }
    let lengths: Option<Vec<usize>> = values("content-length").map(length).collect();
    match lengths.ok_or(Malformed)?.as_slice() {
        [] => Ok(Framing::UntilClosed),
        [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(Framing::Length(*first)),
        _ => Err(Malformed),
    }
}

/// Digits only: `parse` would accept a sign, too.
fn length(value: &[u8]) -> Option<usize> {
    let digits = str::from_utf8(value.trim_ascii()).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The status and the whole body; for a malformed response, the status.
    type Read = Result<(Option<u16>, Option<Vec<u8>>), Option<u16>>;

    /// Reads these bytes and then the end of the connection.
    fn read(parts: &[&[u8]]) -> Read {
        let mut response = Response::default();
        for part in parts {
            response.feed(part, 100).map_err(|Malformed| response.status())?;
        }
        response.end();
        Ok((response.status(), response.body().map(<[u8]>::to_vec)))
    }

    fn whole(status: u16, body: &str) -> Read {
        Ok((Some(status), Some(body.as_bytes().to_vec())))
    }

    #[test]
    fn each_framing_ends_where_it_says() {
        for (text, body) in [
            ("Content-Length: 2\r\n\r\nhi", "hi"),
            ("content-length: 2\r\nContent-Length: 2\r\n\r\nhi and what nobody asked for", "hi"),
            ("Content-Length: 0\r\n\r\n", ""),
            ("\r\nhi until the end", "hi until the end"),
            (
                "Transfer-Encoding: gzip, Chunked\r\n\r\n2;a=b\r\nhi\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n",
                "hi!",
            ),
        ] {
            assert_eq!(read(&[b"HTTP/1.1 200 OK\r\n", text.as_bytes()]), whole(200, body), "{text}");
        }
        assert_eq!(read(&[b"HTTP/1.1 204 No Content\r\n\r\n"]), whole(204, ""));
    }

    #[test]
    fn interim_responses_are_skipped() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        assert_eq!(read(&[interim]), Ok((None, None)));
        assert_eq!(read(&[interim, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]), whole(404, ""));
        assert_eq!(read(&[&interim[..25].repeat(2_000)]), Ok((None, None)), "each one alone is short");
    }

    #[test]
    fn the_status_is_known_before_the_head_is_complete() {
        assert_eq!(read(&[b"HTTP/1.0 302 "]), Ok((Some(302), None)));
        assert_eq!(read(&[b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n"]), Err(Some(200)));
    }

    #[test]
    fn half_a_body_is_no_body() {
        assert_eq!(read(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]), Ok((Some(200), None)));
        assert_eq!(
            read(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"]),
            Ok((Some(200), None))
        );
    }

    #[test]
    fn hostile_answers_are_refused_and_not_kept() {
        let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
        for bytes in [
            head("Content-Length: -1\r\n\r\n"),
            head("Content-Length: +2\r\n\r\nhi"),
            head("Content-Length: \r\n\r\n"),
            head("Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
            head("Content-Length: 99999999999999999999999\r\n\r\n"),
            head("Content-Length: 101\r\n\r\n"),
            head(&format!("\r\n{}", "x".repeat(101))),
            head(&"A: b\r\n".repeat(HEADERS + 1)),
            head(&format!("A: {}", "b".repeat(LONGEST_HEAD))),
            head("Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            head("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            head("Transfer-Encoding: chunked\r\n\r\n2\r\nhi!!"),
            head(&format!("Transfer-Encoding: chunked\r\n\r\n2;{}", "x".repeat(LONGEST_CHUNK_LINE))),
            head(&format!(
                "Transfer-Encoding: chunked\r\n\r\n{}",
                ("32\r\n".to_owned() + &"x".repeat(50) + "\r\n").repeat(3)
            )),
        ] {
            let seen = read(&[&bytes]);
            assert_eq!(seen, Err(Some(200)), "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(90)]));
        }
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"\x15\x03\x01\x00\x02\x02\x46",
            b"HTTP/2.0 200 OK\r\n",
            b"HTTP/1.1 2",
        ] {
            let seen = read(&[bytes, b"x\r\n"]);
            assert_eq!(seen, Err(None), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_split(cuts in prop::collection::vec(0usize..140, 0..12)) {
            let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
                         Server: x\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&parts), whole(200, "hello, world"));
        }

        #[test]
        fn garbage_is_refused_or_waited_for_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _seen = read(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes]);
            let _seen = read(&[&bytes]);
        }
    }
}
