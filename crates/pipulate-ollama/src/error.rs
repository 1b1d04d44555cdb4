//! Errors of Ollama, and what to do about them.

use std::fmt::Write as _;
use std::time::Duration;

use pipulate_core::text::shell_word;
use rustls::CertificateError;

use crate::fit::is_too_long;
use crate::host::Host;

/// How much of a foreign text a message quotes, in characters.
const EXCERPT: usize = 200;

/// Why a question to Ollama has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing listens there, or the connection is blocked. The caller, who knows the machine, adds how to
    /// start or install it.
    #[error(
        "could not reach Ollama at {host}: {reason}; check that it is running, or set OLLAMA_HOST to its address"
    )]
    Unreachable { host: String, reason: String },
    /// The server's certificate is not trusted.
    #[error(
        "could not trust the certificate of {host}: {reason}; install its authority on this machine, or name a file that holds it in SSL_CERT_FILE"
    )]
    Untrusted { host: String, reason: String },
    /// The server speaks http on an https address.
    #[error(
        "what answers at {host} does not speak https; say where Ollama is in OLLAMA_HOST, with http:// instead"
    )]
    Plain { host: String },
    /// It exceeded its timeout.
    #[error("Ollama at {host} did not {activity} within {}; it may be busy: try again, or look at \"ollama ps\"", seconds(*.limit))]
    Slow { host: String, activity: &'static str, limit: Duration },
    /// A server other than Ollama answers there.
    #[error("what answers at {host} is not Ollama (it sent: {excerpt}); say where Ollama is in OLLAMA_HOST")]
    NotOllama { host: String, excerpt: String },
    /// A proxy answered instead.
    #[error(
        "the proxy that {variable} names answered ({status}) instead of Ollama at {host}; to reach that without the proxy, add it to NO_PROXY: NO_PROXY={name}"
    )]
    Proxy { host: String, variable: &'static str, status: u16, name: String },
    /// Ollama refuses this host name.
    #[error(
        "Ollama at {host} refused the name that it was called by; call it by its address, such as http://127.0.0.1:11434"
    )]
    NameRefused { host: String },
    /// The model is not there.
    #[error("model {model} is not installed; get it with: ollama pull {}", shell_word(.model))]
    NoSuchModel { model: String },
    /// A model in the cloud, without a signed-in user.
    #[error("model {model} runs in Ollama's cloud and needs you to sign in: {signin}")]
    SignIn { model: String, signin: String },
    /// Too many requests are queued.
    #[error("Ollama is busy with other requests ({message}); try again in a moment")]
    Busy { message: String },
    /// The question exceeds the model's context, and nothing can be left out.
    #[error(
        "the question is longer than {model} can handle ({reason}); ask about less, or give it more room with OLLAMA_CONTEXT_LENGTH where Ollama is started"
    )]
    TooLong { model: String, reason: String },
    /// Ollama refused, with its own message.
    #[error("Ollama answered with an error ({status}): {message}; its own log may say more")]
    Refused { status: u16, message: String },
    /// An error after the answer had begun.
    #[error("Ollama stopped in the middle of its answer: {message}; try again, or look at its own log")]
    BrokeOff { message: String },
    /// The connection ended before the end of the answer.
    #[error(
        "the answer of Ollama at {host} ended early: {reason}; look at Ollama's own log, it may have run out of memory"
    )]
    CutOff { host: String, reason: String },
    /// A line longer than the limit.
    #[error("Ollama at {host} sent a line of more than {} MB, which no answer has; is it Ollama that answers there?", crate::lines::MAX_LINE >> 20)]
    LineTooLong { host: String },
}

impl Error {
    /// Classifies a failed request by what can be done about it.
    pub(crate) fn from_request(
        host: &Host,
        activity: &'static str,
        limit: Duration,
        error: &reqwest::Error,
    ) -> Self {
        let host = host.to_string();
        if error.is_timeout() && !error.is_connect() {
            return Self::Slow { host, activity, limit };
        }
        match tls_problem(error) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                return Self::Untrusted { host, reason: in_plain_words(reason) };
            }
            // It was not TLS at all.
            Some(rustls::Error::InvalidMessage(_)) => return Self::Plain { host },
            Some(_) | None => {}
        }
        let reason = deepest_cause(error);
        if error.is_connect() || error.is_builder() {
            return Self::Unreachable { host, reason };
        }
        // reqwest hides the kind of hyper's error, but not its message.
        let spoke_first = "received unexpected message from connection";
        if reason.starts_with("invalid HTTP") || reason == spoke_first {
            return Self::NotOllama { host, excerpt: "no HTTP".to_owned() };
        }
        Self::CutOff { host, reason }
    }

    /// Classifies an unsuccessful answer.
    pub(crate) fn from_answer(host: &Host, model: &str, status: u16, body: &[u8]) -> Self {
        let host = host.to_string();
        let Some(said) = ErrorBody::read(body) else {
            let text = excerpt(body);
            return match status {
                403 if text.is_empty() => Self::NameRefused { host },
                _ if text.starts_with('<') || (300..400).contains(&status) => {
                    Self::NotOllama { host, excerpt: text }
                }
                // Ollama has our endpoints, unless the path is wrong.
                404 => Self::NotOllama { host, excerpt: missing(&text) },
                _ if text.is_empty() => Self::Refused { status, message: "no reason given".to_owned() },
                _ => Self::Refused { status, message: text },
            };
        };
        match status {
            401 => Self::SignIn { model: model.to_owned(), signin: said.signin.unwrap_or(said.message) },
            404 if said.message.starts_with("model") => Self::NoSuchModel { model: model.to_owned() },
            429 | 503 => Self::Busy { message: said.message },
            _ if is_too_long(&said.message) => {
                Self::TooLong { model: model.to_owned(), reason: said.message }
            }
            _ => Self::Refused { status, message: said.message },
        }
    }
}

/// Many servers repeat the status in the body.
fn missing(text: &str) -> String {
    format!("404 {}", text.trim_start_matches("404")).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Ollama's `{"error": …}`, cleaned.
pub(crate) struct ErrorBody {
    pub(crate) message: String,
    signin: Option<String>,
}

impl ErrorBody {
    /// `None` if `body` has another form.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(body).ok()?)
    }

    /// Extracts the error from parsed JSON. Some compatible servers nest the message one level deeper.
    pub(crate) fn of(value: &serde_json::Value) -> Option<Self> {
        let error = value.get("error")?;
        let message = error.as_str().or_else(|| error.get("message")?.as_str())?;
        let signin = value.get("signin_url").and_then(serde_json::Value::as_str);
        Some(Self { message: excerpt(message.as_bytes()), signin: signin.map(|url| excerpt(url.as_bytes())) })
    }
}

/// Returns the beginning of a foreign text on one line, without characters that could control a terminal.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut short = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let separator = if short.is_empty() { "" } else { " " };
        let _infallible = write!(short, "{separator}{word}");
        if short.chars().count() > EXCERPT {
            return short.chars().take(EXCERPT).chain(['…']).collect();
        }
    }
    short
}

fn deepest_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Returns rustls's error in a failed connection.
fn tls_problem<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    std::iter::successors(error.source(), |cause| cause.source()).find_map(rustls_error)
}

fn in_plain_words(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => "its issuer is not trusted by this machine".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => other.to_string(),
    }
}

/// An I/O error shows its source only through `get_ref`, which may be another I/O error.
fn rustls_error<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    while let Some(io) = error.downcast_ref::<std::io::Error>() {
        error = io.get_ref()?;
    }
    error.downcast_ref()
}

/// `2 s`, `1.5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_millis() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_sorted_by_what_can_be_done() {
        let host = Host::parse("").unwrap();
        let error = |status, body: &str| Error::from_answer(&host, "m", status, body.as_bytes());
        assert_eq!(error(403, ""), Error::NameRefused { host: host.to_string() });
        assert_eq!(
            error(404, r#"{"error":"model 'm' not found"}"#),
            Error::NoSuchModel { model: "m".to_owned() }
        );
        assert!(
            error(404, r#"{"error":"model \"m\" not found, try pulling it first"}"#)
                .to_string()
                .contains("ollama pull m")
        );
        assert!(
            error(401, r#"{"error":"unauthorized","signin_url":"https://x/y"}"#)
                .to_string()
                .contains("https://x/y")
        );
        assert!(matches!(error(503, r#"{"error":"server busy"}"#), Error::Busy { .. }));
        assert!(
            matches!(error(500, r#"{"error":{"message":"deep"}}"#), Error::Refused { status: 500, message } if message == "deep")
        );
        assert!(
            matches!(error(404, "404 page not found"), Error::NotOllama { excerpt, .. } if excerpt == "404 page not found")
        );
        assert!(matches!(error(404, ""), Error::NotOllama { excerpt, .. } if excerpt == "404"));
        assert!(matches!(error(502, "<html><h1>Bad"), Error::NotOllama { .. }));
        assert!(matches!(error(302, ""), Error::NotOllama { .. }));
        assert!(matches!(error(500, ""), Error::Refused { .. }));
    }

    #[test]
    fn every_error_says_what_where_why_and_what_to_do() {
        let host = || Host::parse("").unwrap().to_string();
        let own = str::to_owned;
        let errors = [
            Error::Unreachable { host: host(), reason: own("Connection refused (os error 111)") },
            Error::Untrusted {
                host: own("https://llm.example:443"),
                reason: in_plain_words(&CertificateError::UnknownIssuer),
            },
            Error::Plain { host: own("https://127.0.0.1:11434") },
            Error::Slow { host: host(), activity: "list its models", limit: Duration::from_millis(2_500) },
            Error::NotOllama { host: host(), excerpt: own("<html>") },
            Error::NameRefused { host: own("http://my-llm:11434") },
            Error::NoSuchModel { model: own("llama3.1") },
            Error::SignIn { model: own("gpt-oss:120b-cloud"), signin: own("https://ollama.com/connect") },
            Error::Busy { message: own("server busy, please try again") },
            Error::TooLong {
                model: own("llama3.1"),
                reason: own("the input length exceeds the context length"),
            },
            Error::Refused { status: 500, message: own("llama runner process has terminated") },
            Error::BrokeOff { message: own("unexpected EOF") },
            Error::CutOff { host: host(), reason: own("the connection was cut") },
            Error::LineTooLong { host: host() },
        ];
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn foreign_text_is_short_and_can_not_steer_a_terminal() {
        assert_eq!(excerpt(b"a\x1b[31mb\r\n\x07 c\xff"), "a [31mb c\u{fffd}");
        assert_eq!(excerpt("ü".repeat(5000).as_bytes()).chars().count(), EXCERPT + 1);
    }
}
