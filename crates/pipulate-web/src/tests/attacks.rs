//! Attacks by another page, another origin or a forged address: none may change or reveal anything.

use axum::http::{HeaderValue, Method, Request, StatusCode};

use super::fake::{Home, KEY, ask, empty};

const STOP: &str = "/services/web/stop";

/// Requests a page with each of these hosts, signed in, and expects refusals without data.
async fn refused_hosts(hosts: &[&[u8]]) {
    let home = Home::new();
    for host in hosts {
        let request = home
            .signed_in(Request::builder().uri("/"))
            .header("host", HeaderValue::from_bytes(host).unwrap());
        let answer = home.send(empty(request)).await;
        let refused = [StatusCode::BAD_REQUEST, StatusCode::MISDIRECTED_REQUEST].contains(&answer.status);
        assert!(refused, "{} {:?}", answer.status, String::from_utf8_lossy(host));
        assert!(!answer.body.contains("demo"), "no data");
    }
    assert_eq!(home.get("/").await.status, StatusCode::OK);
}

/// Sends a signed-in POST with these headers instead of a browser's own, and expects a refusal.
async fn refused_post(headers: &[(&str, &[u8])]) {
    let home = Home::new();
    let mut request = home.signed_in(ask(Method::POST, STOP));
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let answer = home.send(empty(request)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    assert_eq!(home.acts(), 0, "{headers:?}");
}

#[tokio::test]
async fn attack_01_a_foreign_host_is_refused() {
    refused_hosts(&[b"evil.example", b"evil.example:5001"]).await;
}

#[tokio::test]
async fn attack_02_a_host_that_only_begins_like_ours_is_refused() {
    refused_hosts(&[b"127.0.0.1.evil.example:5001", b"localhost.evil:5001", b"localhost:5001.evil"]).await;
}

#[tokio::test]
async fn attack_03_the_any_address_is_refused() {
    refused_hosts(&[b"0.0.0.0:5001", b"0:5001", b"127.1:5001", b"2130706433:5001", b"[::]:5001"]).await;
}

#[tokio::test]
async fn attack_04_a_host_without_our_port_is_refused() {
    refused_hosts(&[b"127.0.0.1", b"localhost", b"localhost:80", b"localhost:05001", b"localhost.:5001"])
        .await;
    refused_hosts(&[b"localhost:5001@evil", b"evil@localhost:5001", b"localhost:5001/", b" localhost:5001x"])
        .await;
}

#[tokio::test]
async fn who_comes_through_a_tunnel_with_another_port_reads_how_to_come() {
    let home = Home::new();
    let request = home.signed_in(Request::builder().uri("/")).header("host", "127.0.0.1:9001");
    let answer = home.send(empty(request)).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(answer.body.contains("ssh -L 5001:127.0.0.1:5001"), "{}", answer.body);
    assert!(answer.body.contains("href=\"http://127.0.0.1:5001/\""), "{}", answer.body);
    // The page has the usual style.
    let styles = Request::builder().uri("/static/app.css").header("host", "127.0.0.1:9001");
    assert_eq!(home.send(empty(styles)).await.status, StatusCode::OK);
    assert!(answer.body.contains("hosts = ["), "{}", answer.body);
    assert!(!answer.body.contains("demo"), "nothing of the project: {}", answer.body);
}

#[tokio::test]
async fn attack_04_our_names_are_answered_in_any_case() {
    let home = Home::new();
    for host in ["127.0.0.1:5001", "localhost:5001", "LOCALHOST:5001", "[::1]:5001"] {
        let request = home.signed_in(Request::builder().uri("/")).header("host", host);
        assert_eq!(home.send(empty(request)).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn attack_05_a_malformed_host_is_refused() {
    refused_hosts(&[b"[::1", b"a b", b"", b"\xff", b"127.0.0.1:5001\xff", &[b'x'; 8192]]).await;
}

#[tokio::test]
async fn attack_05_no_host_and_two_hosts_are_refused() {
    let home = Home::new();
    let none = home.signed_in(Request::builder().uri("/"));
    let two = home.signed_in(ask(Method::GET, "/")).header("host", "127.0.0.1:5001");
    for request in [none, two] {
        assert_eq!(home.send(empty(request)).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn attack_05_an_absolute_address_must_be_ours_too() {
    let home = Home::new();
    for (uri, status) in [
        ("http://127.0.0.1:5001/", StatusCode::OK),
        ("http://evil.example/", StatusCode::MISDIRECTED_REQUEST),
        ("http://localhost:5001/", StatusCode::MISDIRECTED_REQUEST),
        ("http://evil@127.0.0.1:5001/", StatusCode::MISDIRECTED_REQUEST),
        ("https://127.0.0.1:5001/", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let answer = home.send(empty(home.signed_in(ask(Method::GET, uri)))).await;
        assert_eq!(answer.status, status, "{uri}");
    }
}

#[tokio::test]
async fn attack_06_a_malformed_origin_is_refused() {
    for origin in [b"http://[".as_slice(), b"null", b"\xff", b"", b"127.0.0.1:5001"] {
        refused_post(&[("origin", origin)]).await;
        refused_post(&[("origin", origin), ("sec-fetch-site", b"same-origin")]).await;
    }
    refused_post(&[("origin", b"http://127.0.0.1:5001"), ("origin", b"http://evil.example")]).await;
}

#[tokio::test]
async fn attack_06_a_stream_is_not_opened_for_a_malformed_origin() {
    let home = Home::new();
    for path in ["/events", "/logs/stream?from=", "/chat/1/events"] {
        for origin in [b"http://[".as_slice(), b"null", b"\xff", b""] {
            let request = home.signed_in(ask(Method::GET, path));
            let request = request.header("origin", HeaderValue::from_bytes(origin).unwrap());
            let answer = home.send(empty(request)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {origin:?}");
        }
    }
}

#[tokio::test]
async fn attack_07_a_post_from_a_foreign_origin_is_refused() {
    refused_post(&[("origin", b"http://evil.example")]).await;
}

#[tokio::test]
async fn attack_08_a_cross_site_post_without_an_origin_is_refused() {
    refused_post(&[("sec-fetch-site", b"cross-site")]).await;
    refused_post(&[
        ("sec-fetch-site", b"cross-site"),
        ("sec-fetch-mode", b"navigate"),
        ("sec-fetch-dest", b"document"),
    ])
    .await;
    refused_post(&[("sec-fetch-site", b"something-new")]).await;
    refused_post(&[("sec-fetch-site", b"same-origin"), ("sec-fetch-site", b"cross-site")]).await;
}

#[tokio::test]
async fn attack_09_same_site_post_from_jupyters_port_is_refused() {
    refused_post(&[("sec-fetch-site", b"same-site"), ("origin", b"http://127.0.0.1:8888")]).await;
    refused_post(&[("sec-fetch-site", b"same-site")]).await;
    refused_post(&[("origin", b"http://127.0.0.1:8888")]).await;
}

#[tokio::test]
async fn attack_10_no_cors_does_not_pass_for_same_origin() {
    refused_post(&[("sec-fetch-mode", b"no-cors"), ("sec-fetch-site", b"cross-site")]).await;
    refused_post(&[("sec-fetch-mode", b"no-cors")]).await;
}

#[tokio::test]
async fn attack_11_an_origin_that_only_looks_like_ours_is_refused() {
    for origin in [
        b"http://127.0.0.1:5001.evil.example".as_slice(),
        b"http://127.0.0.1:5001evil",
        b"https://127.0.0.1:5001",
        b"http://127.0.0.1:5001/",
        b"http://localhost:5001", // another listener may have that name
        b"http://[::1]:5001",
    ] {
        refused_post(&[("origin", origin)]).await;
    }
}

#[tokio::test]
async fn attack_11_each_of_our_names_is_its_own_origin() {
    let home = Home::new();
    for host in ["127.0.0.1:5001", "localhost:5001", "[::1]:5001"] {
        let request = home.signed_in(Request::builder().method(Method::POST).uri(STOP)).header("host", host);
        let answer = home.send(empty(request.header("origin", format!("http://{host}")))).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{host}");
    }
}

#[tokio::test]
async fn attack_12_a_text_plain_post_is_refused() {
    let home = Home::new();
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x", "\"", ";"] {
        let request = home.signed_in(ask(Method::POST, STOP)).header("sec-fetch-site", "same-origin");
        let answer = home.send(empty(request.header("content-type", kind))).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(home.acts(), 0);
}

#[tokio::test]
async fn attack_13_a_bare_post_is_refused_with_and_without_a_cookie() {
    refused_post(&[]).await;
    let home = Home::new();
    let answer = home.send(empty(ask(Method::POST, STOP))).await;
    assert_eq!((answer.status, home.acts()), (StatusCode::FORBIDDEN, 0));
}

#[tokio::test]
async fn attack_13_a_program_that_shows_the_key_may_post() {
    let home = Home::new();
    for (key, status) in [(KEY, StatusCode::SEE_OTHER), ("wrong", StatusCode::FORBIDDEN)] {
        let request = ask(Method::POST, STOP).header("authorization", format!("Bearer {key}"));
        assert_eq!(home.send(empty(request)).await.status, status);
    }
    assert_eq!(home.acts(), 1);
}

#[tokio::test]
async fn attack_14_looking_never_acts() {
    let home = Home::new();
    for method in [Method::GET, Method::HEAD] {
        for path in [STOP, "/services/web/stop?_method=POST", "/examples/counter/increment"] {
            let request = home.signed_in(ask(method.clone(), path)).header("x-http-method-override", "POST");
            assert_eq!(
                home.send(empty(request)).await.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
    assert_eq!((home.acts(), home.state.count()), (0, 0));
}

#[tokio::test]
async fn attack_14_unusual_methods_do_nothing() {
    let home = Home::new();
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"] {
        let request =
            home.signed_in(ask(method.parse().unwrap(), STOP)).header("sec-fetch-site", "same-origin");
        let answer = home.send(empty(request)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    assert_eq!(home.acts(), 0);
}

#[tokio::test]
async fn attack_15_a_preflight_is_told_nothing() {
    let home = Home::new();
    for (origin, status) in [
        ("http://evil.example", StatusCode::FORBIDDEN),
        ("http://127.0.0.1:5001", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let request = home.signed_in(ask(Method::OPTIONS, STOP)).header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-private-network", "true");
        let answer = home.send(empty(request)).await;
        assert_eq!(answer.status, status);
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn attack_16_no_answer_opens_itself_to_another_origin() {
    let home = Home::new();
    for origin in ["null", "http://evil.example", "http://127.0.0.1:8888"] {
        for path in ["/", "/login", "/static/htmx.js", "/examples/secret", "/nowhere"] {
            let answer =
                home.send(empty(home.signed_in(ask(Method::GET, path)).header("origin", origin))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin} {path}");
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        }
    }
}

#[tokio::test]
async fn attack_17_pages_of_others_can_link_here_and_cannot_fetch() {
    let home = Home::new();
    for (site, mode, dest, status) in [
        ("cross-site", "navigate", "document", StatusCode::OK),
        ("same-site", "navigate", "document", StatusCode::OK),
        ("cross-site", "navigate", "iframe", StatusCode::FORBIDDEN),
        ("cross-site", "no-cors", "image", StatusCode::FORBIDDEN),
        ("same-site", "no-cors", "script", StatusCode::FORBIDDEN),
        ("same-site", "cors", "empty", StatusCode::FORBIDDEN),
        ("none", "navigate", "document", StatusCode::OK),
    ] {
        let request = home.signed_in(ask(Method::GET, "/")).header("sec-fetch-site", site);
        let answer =
            home.send(empty(request.header("sec-fetch-mode", mode).header("sec-fetch-dest", dest))).await;
        assert_eq!(answer.status, status, "{site} {mode} {dest}");
    }
}

#[tokio::test]
async fn attack_20_a_websocket_is_never_opened() {
    let home = Home::new();
    for (origin, status) in
        [("http://evil.example", StatusCode::FORBIDDEN), ("http://127.0.0.1:5001", StatusCode::OK)]
    {
        let request = home.signed_in(ask(Method::GET, "/")).header("origin", origin);
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        assert_eq!(home.send(empty(request)).await.status, status);
    }
}

#[tokio::test]
async fn attack_21_a_stream_without_a_session_sends_nothing() {
    let home = Home::new();
    for path in ["/logs/stream", "/chat/stream", "/events"] {
        let request = ask(Method::GET, path).header("accept", "text/event-stream");
        let answer = home.send(empty(request)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.body.contains("demo"));
    }
}

#[tokio::test]
async fn attack_25_hostile_names_are_no_services() {
    let home = Home::new();
    for name in ["%3Cb%3E", "..%2f..%2fweb", "web%0a", "web%00", "%ff", "web%20", "-web", "supervisor"] {
        let answer = home.post(&format!("/services/{name}/stop"), "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(home.acts(), 0);
}

#[tokio::test]
async fn attack_26_no_path_leads_out_of_the_assets() {
    let home = Home::new();
    for path in [
        "/static/..%2f..%2f.env",
        "/static/../.env",
        "/static/%2e%2e/.env?raw??",
        "/static//etc/passwd",
        "/static/app.css/",
        "/static/app.css%00",
        "/static/",
        "/static",
    ] {
        let answer = home.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn attack_27_only_known_services_and_known_verbs_exist() {
    let home = Home::new();
    for path in [
        "/services/__proto__/stop",
        "/services/supervisor.options/stop",
        "/services/unknown/stop",
        "/services/web/kill",
        "/services/web/Stop",
        "/services/web/stop/",
        "/services//stop",
    ] {
        assert_eq!(home.post(path, "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(home.acts(), 0);
}

/// As in the port forwarding of GitHub Codespaces.
#[tokio::test]
async fn a_forwarder_that_asks_for_localhost_is_answered_and_one_that_keeps_its_name_is_not() {
    let home = Home::new();
    let public = "name-5001.app.github.dev";
    for (host, origin, status) in [
        ("localhost:5001", "http://localhost:5001", StatusCode::SEE_OTHER),
        ("localhost:5001", "https://name-5001.app.github.dev", StatusCode::FORBIDDEN),
        (public, "https://name-5001.app.github.dev", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = home.signed_in(Request::builder().method(Method::POST).uri(STOP)).header("host", host);
        let request = request.header("origin", origin).header("sec-fetch-site", "same-origin");
        let answer = home.send(empty(request.header("x-forwarded-host", public))).await;
        assert_eq!(answer.status, status, "{host} {origin}");
    }
}
