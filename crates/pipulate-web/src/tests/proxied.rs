//! Behind a reverse proxy that keeps its own name.

use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode};

use super::fake::{HOST, Home, ORIGIN, PUBLIC, empty, fresh_code};

const STOP: &str = "/services/web/stop";

fn ask(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", PUBLIC)
}

#[tokio::test]
async fn an_action_needs_the_proxys_origin_by_https() {
    let home = Home::new();
    for (origin, site, status) in [
        ("https://app.example.org", "same-origin", StatusCode::SEE_OTHER),
        ("http://app.example.org", "same-origin", StatusCode::FORBIDDEN),
        ("https://app.example.org:443", "same-origin", StatusCode::FORBIDDEN),
        ("https://app.example.org.", "same-origin", StatusCode::FORBIDDEN),
        ("https://www.app.example.org", "same-site", StatusCode::FORBIDDEN),
        (ORIGIN, "same-origin", StatusCode::FORBIDDEN),
        ("null", "cross-site", StatusCode::FORBIDDEN),
    ] {
        let request = home.signed_in(ask(Method::POST, STOP)).header("origin", origin);
        let answer = home.send(empty(request.header("sec-fetch-site", site))).await;
        assert_eq!(answer.status, status, "{origin} {site}");
    }
    assert_eq!(home.acts(), 1);
}

#[tokio::test]
async fn its_origin_is_no_origin_of_the_address_on_this_machine() {
    let home = Home::new();
    let request = home.signed_in(Request::builder().method(Method::POST).uri(STOP)).header("host", HOST);
    let answer = home.send(empty(request.header("origin", "https://app.example.org"))).await;
    assert_eq!((answer.status, home.acts()), (StatusCode::FORBIDDEN, 0));
}

#[tokio::test]
async fn two_hosts_are_refused_although_each_is_ours() {
    let home = Home::new();
    for second in [HOST, PUBLIC] {
        let request = home.signed_in(ask(Method::GET, "/")).header("host", second);
        assert_eq!(home.send(empty(request)).await.status, StatusCode::BAD_REQUEST, "{second}");
    }
}

#[tokio::test]
async fn a_name_lets_nobody_in_without_a_session_and_a_session_by_https_never_travels_without() {
    let home = Home::new();
    let answer = home.send(empty(ask(Method::GET, "/"))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = home.send(empty(ask(Method::GET, &format!("/login?code={}", fresh_code())))).await;
    let (session, attributes) = answer.header("set-cookie").unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/; Secure");
    let page = home.send(empty(ask(Method::GET, "/").header("cookie", session))).await;
    assert_eq!(page.status, StatusCode::OK);
}
