//! The claims of [`super`], with a clock that the test controls.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};

use super::*;

const PORT: u16 = 5001;

fn token() -> Token {
    Token::parse(b"0123456789abcdef0123456789abcdef\n").unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Both clocks with the same time, never set.
fn clock(seconds: i64) -> ClockReading {
    moment_when_set(seconds, 0)
}

/// Both clocks after the wall clock was set back by `back` seconds.
fn moment_when_set(seconds: i64, back: i64) -> ClockReading {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let steady = *BEGIN + Duration::from_secs(seconds.unsigned_abs());
    ClockReading { wall: at(seconds - back), steady }
}

fn authenticator() -> Authenticator {
    Authenticator::new(always(token()), PORT, clock(0))
}

#[test]
fn a_code_is_good_once() {
    let (authenticator, code) = (authenticator(), code(&token(), PORT, at(0)).unwrap());
    assert_eq!(authenticator.admit(&code, clock(1)), Ok(()));
    assert_eq!(authenticator.admit(&code, clock(2)), Err(CodeRefusal::Used));
}

#[test]
fn a_code_is_good_for_ten_minutes_and_not_longer() {
    let authenticator = authenticator();
    let late = code(&token(), PORT, at(0) + SignedDuration::from_millis(1)).unwrap();
    let early = code(&token(), PORT, at(0)).unwrap();
    assert_eq!(authenticator.admit(&late, clock(600)), Ok(()));
    assert_eq!(authenticator.admit(&early, clock(600)), Err(CodeRefusal::Expired));
}

#[test]
fn a_used_code_stays_used_over_a_restart_of_the_app() {
    let code = code(&token(), PORT, at(1)).unwrap();
    assert_eq!(authenticator().admit(&code, clock(2)), Ok(()));
    let restarted = Authenticator::new(always(token()), PORT, clock(3));
    assert_eq!(restarted.admit(&code, clock(4)), Err(CodeRefusal::BeforeOpening));
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out_and_makes_no_old_code_good() {
    let (authenticator, two_hours) = (authenticator(), 7_200);
    let before = code(&token(), PORT, at(-1)).unwrap();
    let not_used = code(&token(), PORT, at(30)).unwrap();
    let after = code(&token(), PORT, at(60 - two_hours)).unwrap();
    let now = |seconds| moment_when_set(seconds, two_hours);
    assert_eq!(authenticator.admit(&after, now(61)), Ok(()));
    assert_eq!(authenticator.admit(&after, now(62)), Err(CodeRefusal::Used));
    for old in [before, not_used] {
        assert_eq!(authenticator.admit(&old, now(61)), Err(CodeRefusal::NotYetMade));
    }
    let restarted = Authenticator::new(always(token()), PORT, now(90));
    assert_eq!(restarted.admit(&after, now(91)), Err(CodeRefusal::BeforeOpening));
}

#[test]
fn a_code_made_before_the_machine_slept_or_the_clock_was_set_forward_is_no_older_than_the_app() {
    let code = code(&token(), PORT, at(60)).unwrap();
    // Five minutes that the monotonic clock did not count.
    assert_eq!(authenticator().admit(&code, moment_when_set(120, -300)), Ok(()));
}

#[test]
fn a_used_code_is_forgotten_only_after_it_expired() {
    let authenticator = authenticator();
    let first = code(&token(), PORT, at(0)).unwrap();
    authenticator.admit(&first, clock(1)).unwrap();
    for second in [300, 599, 601] {
        authenticator.admit(&code(&token(), PORT, at(second)).unwrap(), clock(second)).unwrap();
        assert!(authenticator.admit(&first, clock(second)).is_err(), "{second}");
    }
    assert_eq!(authenticator.used.lock().unwrap().len(), 3);
}

#[test]
fn a_code_of_another_key_or_port_and_a_changed_code_are_refused() {
    let other = Token::parse(b"another-key-another-key-another-key").unwrap();
    let good = code(&token(), PORT, at(0)).unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    bytes[NONCE_BYTES] ^= 1;
    let changed = URL_SAFE_NO_PAD.encode(&bytes);
    let foreign = [
        code(&other, PORT, at(0)).unwrap(),
        code(&token(), PORT + 1, at(0)).unwrap(),
        changed,
        good[..good.len() - 2].to_owned(),
        format!("{good}AA"),
        authenticator().new_session().unwrap(),
        String::new(),
        "é?%\n".to_owned(),
    ];
    for code in foreign {
        assert_eq!(authenticator().admit(&code, clock(1)), Err(CodeRefusal::NotOurs), "{code}");
    }
}

#[test]
fn a_session_is_good_over_a_restart_and_ends_with_the_key() {
    let session = authenticator().new_session().unwrap();
    assert!(Authenticator::new(always(token()), PORT, clock(9_999)).knows_session(&session));
    assert!(!Authenticator::new(always(token()), PORT + 1, clock(0)).knows_session(&session));
    let next = Token::parse(&[b'n'; 43]).unwrap();
    assert!(!Authenticator::new(always(next), PORT, clock(0)).knows_session(&session));
}

#[test]
fn a_code_is_no_session() {
    let authenticator = authenticator();
    assert!(!authenticator.knows_session(code(&token(), PORT, at(0)).unwrap()));
    assert!(!authenticator.knows_session(""));
    assert!(!authenticator.knows_session("AAAA"));
}

#[test]
fn only_the_whole_key_is_the_key() {
    let authenticator = authenticator();
    assert!(authenticator.knows_key(b"0123456789abcdef0123456789abcdef"));
    for wrong in
        ["", "0123456789abcdef", "0123456789abcdef0123456789abcdef\0", "x123456789abcdef0123456789abcdef"]
    {
        assert!(!authenticator.knows_key(wrong.as_bytes()), "{wrong}");
    }
}

#[test]
fn damaged_keys_are_refused_and_no_key_is_shown() {
    for damaged in
        ["", "short", &"x".repeat(65), &format!("{} ", "x".repeat(40)), &format!("{}é", "x".repeat(40))]
    {
        assert!(Token::parse(damaged.as_bytes()).is_err(), "{damaged}");
    }
    assert_eq!(format!("{:?}", token()), "Token(…)");
}
