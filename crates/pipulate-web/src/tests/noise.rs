//! A hundred thousand malformed requests.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};

use super::fake::{HOST, Home, ORIGIN};

/// The number of answered requests, which alternate among [`HEADERS`] and [`PATHS`].
const REQUESTS: u32 = 100_000;

const PATHS: [&str; 17] = [
    "/",
    "/events",
    "/logs",
    "/logs/older",
    "/logs/stream",
    "/logs/download",
    "/secrets",
    "/secrets/%00/forget",
    "/services/web/stop",
    "/services/%ff/start",
    "/services//",
    "/examples/secret",
    "/chat/%2e%2e",
    "/chat/x/events",
    "/chat/1/stop",
    "/login",
    "/static/",
];
const HEADERS: [&str; 12] = [
    "host",
    "origin",
    "cookie",
    "authorization",
    "sec-fetch-site",
    "sec-fetch-mode",
    "content-type",
    "content-length",
    "last-event-id",
    "hx-request",
    "hx-request-type",
    "if-none-match",
];
const PARTS: [&[u8]; 20] = [
    b"",
    b"\xff",
    b"http://[",
    b"null",
    b"[::1",
    b"a b",
    b"pipulate_5001=",
    b"=;=;=",
    b"Bearer ",
    b"%",
    b"%0",
    b"%zz",
    b"web:1",
    b":",
    b",",
    b"18446744073709551616",
    b"-1",
    b"true",
    b"../../etc/passwd",
    b"\xe2\x80\xae",
];

/// Names of query parameters.
const FIELDS: [&str; 7] = ["before", "from", "depth", "service", "filter", "page", "shown"];
const WORDS: [&str; 8] =
    ["", "web", "web:1", "web:18446744073709551615", "4294967295", "one", "%00", "../web"];

/// A random number generator: xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(4) {
            bytes.extend_from_slice(PARTS[self.below(PARTS.len())]);
            bytes.push(u8::try_from(self.below(256)).unwrap());
        }
        bytes
    }
}

fn request(home: &Home, numbers: &mut Numbers) -> Option<Request<Body>> {
    let method = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS][numbers.below(4)].clone();
    let query: String = match numbers.below(2) {
        0 => numbers.bytes().iter().map(|byte| format!("%{byte:02x}&from=")).collect(),
        _ => (0..numbers.below(5))
            .map(|_| {
                format!("{}={}&", FIELDS[numbers.below(FIELDS.len())], WORDS[numbers.below(WORDS.len())])
            })
            .collect(),
    };
    let path = format!("{}?{query}", PATHS[numbers.below(PATHS.len())]);
    let mut request = Request::builder().method(method).uri(path);
    let headers = request.headers_mut()?;
    headers.insert("host", HeaderValue::from_static(HOST));
    // Most requests must pass the guard to reach the routes.
    if numbers.below(8) > 0 {
        headers.insert("cookie", HeaderValue::from_str(&home.cookie).unwrap());
        headers.insert("origin", HeaderValue::from_static(ORIGIN));
    }
    for _ in 0..numbers.below(4) {
        let name = HeaderName::from_static(HEADERS[numbers.below(HEADERS.len())]);
        // Bytes that no header can contain are skipped.
        let Ok(value) = HeaderValue::from_bytes(&numbers.bytes()) else { continue };
        if numbers.below(2) == 0 {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    request.body(Body::from(numbers.bytes())).ok()
}

#[tokio::test]
async fn attack_05_noise_is_answered_without_a_failure_and_changes_nothing() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "one\n");
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    while answers.values().sum::<u32>() < REQUESTS {
        let Some(request) = request(&home, &mut numbers) else { continue };
        // A genuine press of the stop button would stop the service.
        if request.method() == Method::POST && request.uri().path() == "/services/web/stop" {
            continue;
        }
        let told = format!("{request:?}");
        let answer = tower::ServiceExt::oneshot(home.app.clone(), request).await.unwrap();
        assert!(!answer.status().is_server_error(), "{} {told}", answer.status());
        *answers.entry(answer.status().as_u16()).or_default() += 1;
    }
    assert_eq!((home.acts(), home.state.count()), (0, 0));
    assert_eq!(*home.world.secret.lock().unwrap(), "");
    // Requests were accepted, and refused for every possible reason.
    for status in [200, 400, 401, 403, 404, 405, 415, 421] {
        assert!(answers.get(&status).is_some_and(|count| *count > 100), "{status}: {answers:?}");
    }
}
