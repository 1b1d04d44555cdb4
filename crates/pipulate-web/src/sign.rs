//! Signing in: one-time codes, and sessions that are valid as long as the key.
//!
//! Any program that can read the key can create a code, without contacting the app: base64url(nonce, 16 bytes
//! ‖ expiry, u64 milliseconds since 1970 ‖ HMAC-SHA256(key, "code" ‖ port ‖ nonce ‖ expiry)). A session is
//! base64url(random, 16 bytes ‖ HMAC-SHA256(key, "session" ‖ port ‖ random)): nothing is stored, so it
//! outlives restarts of the app and ends with the key, which may be replaced while the app runs.
//!
//! Invariants: a code is valid once, on one port, for [`CODE_LIFETIME`]. The app remembers used nonces in
//! memory only; after a restart it therefore refuses every older code. A clock that is set back locks no user
//! out. All comparisons of secrets take constant time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{COOKIE, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The lifetime of a code.
pub const CODE_LIFETIME: Duration = Duration::from_secs(600);

const NONCE_BYTES: usize = 16;
const EXPIRY_BYTES: usize = 8;
/// HMAC pads a shorter key with zeros to SHA-256's block, which is the size of [`Token`].
const KEY_BYTES: usize = 64;

type Nonce = [u8; NONCE_BYTES];

/// Creates a sign-in code for the app on `port`.
///
/// # Errors
/// The system has no random bytes.
pub fn code(token: &Token, port: u16, now: Timestamp) -> Result<String, NoRandomness> {
    let expiry = milliseconds(now).saturating_add(lifetime_milliseconds()).to_be_bytes();
    let mut bytes = random::<NONCE_BYTES>()?.to_vec();
    bytes.extend_from_slice(&expiry);
    let proof = token.mac(Purpose::Code, port, &bytes).finalize().into_bytes();
    bytes.extend_from_slice(&proof);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The app's key, from `run/token`.
#[derive(Clone)]
pub struct Token {
    key: [u8; KEY_BYTES],
    length: usize,
}

/// Returns the app's current key.
pub type KeySource = Arc<dyn Fn() -> Token + Send + Sync>;

/// The reason why a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the web app's key is damaged: {length} bytes where 32 to 64 letters and digits belong; \
     run \"pipulate stop\" and \"pipulate start\" to get a new one"
)]
pub struct DamagedToken {
    pub length: usize,
}

/// The system's source of random bytes failed.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes: {0}")]
pub struct NoRandomness(String);

impl Token {
    /// Parses the bytes of the file; one trailing line end is accepted.
    ///
    /// # Errors
    /// They are not 32 to 64 visible ASCII characters.
    pub fn parse(file: &[u8]) -> Result<Self, DamagedToken> {
        let text = file.strip_suffix(b"\n").unwrap_or(file);
        let whole = (32..=KEY_BYTES).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        if !whole {
            return Err(DamagedToken { length: file.len() });
        }
        let mut key = [0; KEY_BYTES];
        key[..text.len()].copy_from_slice(text);
        Ok(Self { key, length: text.len() })
    }

    /// Returns true if this text is the key.
    pub fn is(&self, text: &[u8]) -> bool {
        self.key[..self.length].ct_eq(text).into()
    }

    fn mac(&self, purpose: Purpose, port: u16, message: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new((&self.key).into())
            .chain_update(purpose.word())
            .chain_update(port.to_be_bytes())
            .chain_update(message)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Prevents a proof for one use from being valid for another.
#[derive(Clone, Copy)]
enum Purpose {
    Code,
    Session,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Session => "session",
        }
    }
}

/// The reason why a code is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeRefusal {
    #[error("this sign-in link was not made for this app, or only a part of it was copied")]
    NotOurs,
    #[error("this sign-in link is older than ten minutes")]
    Expired,
    #[error("this sign-in link was made before the web app was restarted")]
    BeforeOpening,
    #[error("this sign-in link was made before the clock was set back")]
    NotYetMade,
    #[error("this sign-in link was used already; each works once")]
    Used,
}

/// The wall clock and the monotonic clock, read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading {
    wall: Timestamp,
    steady: Instant,
}

impl ClockReading {
    pub(crate) fn now() -> Self {
        Self { wall: Timestamp::now(), steady: Instant::now() }
    }

    /// The reading's time by the wall clock of `now`. Only a clock that was set back makes a difference: the
    /// monotonic one stops while the machine sleeps.
    fn by_the_clock_of(self, now: Self) -> u64 {
        let passed = now.steady.saturating_duration_since(self.steady);
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        milliseconds(self.wall).min(milliseconds(now.wall).saturating_sub(passed))
    }
}

/// Verifies keys, codes and sessions: for one app, on one port, with one key.
pub(crate) struct Authenticator {
    key: KeySource,
    port: u16,
    opened: ClockReading,
    /// Used nonces and when their codes expire (milliseconds since 1970). Only genuine codes are added, and
    /// expired ones are dropped, so it stays small.
    used: Mutex<HashMap<Nonce, u64>>,
}

impl Authenticator {
    pub(crate) fn new(key: KeySource, port: u16, opened: ClockReading) -> Self {
        Self { key, port, opened, used: Mutex::default() }
    }

    /// Accepts a code, which is refused from then on.
    pub(crate) fn admit(&self, code: &str, now: ClockReading) -> Result<(), CodeRefusal> {
        let (nonce, expiry) = self.read_code(code).ok_or(CodeRefusal::NotOurs)?;
        let (opened, now) = (self.opened.by_the_clock_of(now), milliseconds(now.wall));
        let made = expiry.saturating_sub(lifetime_milliseconds());
        if expiry <= now {
            return Err(CodeRefusal::Expired);
        }
        if made < opened {
            return Err(CodeRefusal::BeforeOpening);
        }
        if made > now {
            return Err(CodeRefusal::NotYetMade);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expiry| *expiry > now);
        match used.insert(nonce, expiry) {
            None => Ok(()),
            Some(_) => Err(CodeRefusal::Used),
        }
    }

    /// The value of a new session's cookie.
    pub(crate) fn new_session(&self) -> Result<String, NoRandomness> {
        let mut bytes = random::<NONCE_BYTES>()?.to_vec();
        let proof = (self.key)().mac(Purpose::Session, self.port, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&proof);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns true if the request has a valid session.
    pub(crate) fn has_session(&self, headers: &HeaderMap) -> bool {
        // As bytes: every port of this host can set cookies that are sent with ours, with any contents.
        let prefix = format!("{}=", self.cookie_name());
        headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b';'))
            .filter_map(|pair| pair.trim_ascii().strip_prefix(prefix.as_bytes()))
            .any(|value| self.knows_session(value))
    }

    /// Returns true if a cookie's value is a session that this key signed.
    fn knows_session(&self, value: impl AsRef<[u8]>) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(value) else { return false };
        let Some((random, proof)) = bytes.split_at_checked(NONCE_BYTES) else { return false };
        (self.key)().mac(Purpose::Session, self.port, random).verify_slice(proof).is_ok()
    }

    /// Returns true if a program sent the key itself.
    pub(crate) fn knows_key(&self, shown: &[u8]) -> bool {
        (self.key)().is(shown)
    }

    /// The cookie's name. Cookies are shared by all ports of a host; the name distinguishes two homes.
    pub(crate) fn cookie_name(&self) -> String {
        format!("pipulate_{}", self.port)
    }

    fn read_code(&self, code: &str) -> Option<(Nonce, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(code).ok()?;
        let (message, proof) = bytes.split_at_checked(NONCE_BYTES + EXPIRY_BYTES)?;
        (self.key)().mac(Purpose::Code, self.port, message).verify_slice(proof).ok()?;
        let (nonce, expiry) = message.split_first_chunk::<NONCE_BYTES>()?;
        Some((*nonce, u64::from_be_bytes(expiry.try_into().ok()?)))
    }
}

fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

/// A clock before 1970 counts as 1970.
fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

fn lifetime_milliseconds() -> u64 {
    CODE_LIFETIME.as_secs() * 1000
}

/// A key that is never replaced.
#[cfg(test)]
pub(crate) fn always(token: Token) -> KeySource {
    Arc::new(move || token.clone())
}

#[cfg(test)]
mod tests;
