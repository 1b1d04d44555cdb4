//! Signing in, staying signed in, and the answers without a session.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::fake::{Answer, Home, KEY, PORT, ask, empty, fresh_code, state_over, token};
use crate::sign::{self, Token};

async fn open_code(home: &Home, code: &str) -> Answer {
    home.send(empty(ask(Method::GET, &format!("/login?code={code}")))).await
}

#[tokio::test]
async fn a_code_signs_in_once_and_the_cookie_opens_the_page() {
    let home = Home::new();
    let code = fresh_code();
    let answer = open_code(&home, &code).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/")));
    let (session, attributes) = answer.header("set-cookie").unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    assert!(session.starts_with("pipulate_5001="));

    let page = home.send(empty(ask(Method::GET, "/").header("cookie", session))).await;
    assert_eq!(page.status, StatusCode::OK);
    let again = open_code(&home, &code).await;
    assert_eq!((again.status, again.header("set-cookie")), (StatusCode::UNAUTHORIZED, None));
    assert!(again.body.contains("used already"));
}

#[tokio::test]
async fn cookies_that_other_ports_set_sign_nobody_out() {
    let home = Home::new();
    let answer = open_code(&home, &fresh_code()).await;
    let session = answer.header("set-cookie").unwrap().split_once(';').unwrap().0;
    for (before, after) in
        [("name=M\u{fc}ller; ", ""), ("", "; \u{2603}"), ("pipulate_5001=forged; ", "; =; ;x")]
    {
        let cookies = format!("{before}{session}{after}");
        let page = home.send(empty(ask(Method::GET, "/").header("cookie", cookies.as_bytes()))).await;
        assert_eq!(page.status, StatusCode::OK, "{cookies}");
    }
}

#[tokio::test]
async fn a_browser_that_is_signed_in_gets_the_page_whatever_the_code() {
    let home = Home::new();
    let used = fresh_code();
    open_code(&home, &used).await;
    for path in ["/login".to_owned(), format!("/login?code={used}"), "/login?code=rubbish".to_owned()] {
        let answer = home.get(&path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/")), "{path}");
    }
}

#[tokio::test]
async fn a_signed_in_browser_does_not_use_a_code_up() {
    let home = Home::new();
    let code = fresh_code();
    home.get(&format!("/login?code={code}")).await;
    assert_eq!(open_code(&home, &code).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn looking_at_a_link_with_head_does_not_use_it_up() {
    let home = Home::new();
    let code = fresh_code();
    let head = home.send(empty(ask(Method::HEAD, &format!("/login?code={code}")))).await;
    assert_eq!((head.status, head.header("set-cookie")), (StatusCode::OK, None));
    assert_eq!(open_code(&home, &code).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_old_code_is_refused_with_the_reason() {
    let home = Home::new();
    let old = sign::code(&token(), PORT, Timestamp::now() - SignedDuration::from_mins(10)).unwrap();
    let answer = open_code(&home, &old).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains("older than ten minutes"));
    assert!(answer.body.contains("pipulate url server"));
}

#[tokio::test]
async fn a_code_from_before_a_restart_of_the_app_is_refused_with_the_reason() {
    let home = Home::new();
    let early = sign::code(&token(), PORT, Timestamp::now() - SignedDuration::from_secs(5)).unwrap();
    let answer = open_code(&home, &early).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains("before the web app was restarted"));
}

#[tokio::test]
async fn a_stranger_gets_no_data_and_learns_how_to_sign_in() {
    let home = Home::new();
    for path in ["/", "/examples/hello", "/examples/secret", "/logs", "/nowhere"] {
        let answer = home.send(empty(ask(Method::GET, path))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.body.contains("pipulate open server"));
        assert!(!answer.body.contains("demo") && !answer.body.contains("web"), "{path}");
    }
    let login = home.send(empty(ask(Method::GET, "/login"))).await;
    assert_eq!(login.status, StatusCode::OK);
    assert!(login.body.contains("pipulate url server"));
}

#[tokio::test]
async fn a_stranger_gets_the_assets() {
    let home = Home::new();
    assert_eq!(home.send(empty(ask(Method::GET, "/static/app.css"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_good_over_a_restart_of_the_app() {
    let home = Home::new();
    let restarted = Home { app: crate::app(state_over(&home.world, home.world.clone())), ..Home::new() };
    let answer = restarted.send(empty(home.signed_in(ask(Method::GET, "/")))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn attack_31_a_cookie_that_we_did_not_sign_is_refused() {
    let home = Home::new();
    let after_stop = Token::parse(&[b'n'; 43]).unwrap();
    let old = sign::Authenticator::new(sign::always(after_stop), PORT, sign::ClockReading::now())
        .new_session()
        .unwrap();
    let session = home.cookie.strip_prefix("pipulate_5001=").unwrap();
    for cookie in [
        "pipulate_5001=fixed".to_owned(),
        "pipulate_5001=".to_owned(),
        format!("pipulate_5001={old}"),
        format!("pipulate_5002={session}"),
        format!("x_pipulate_5001={session}"),
        format!("pipulate_5001={session}A"),
    ] {
        let answer = home.send(empty(ask(Method::GET, "/").header("cookie", &cookie))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{cookie}");
    }
}

#[tokio::test]
async fn a_cookie_is_found_among_others() {
    let home = Home::new();
    let among = format!("_xsrf=2|x; pipulate_5001=stale; {}; theme=dark", home.cookie);
    let request = ask(Method::GET, "/").header("cookie", "a=b").header("cookie", among);
    assert_eq!(home.send(empty(request)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn attack_31_no_parameter_chooses_where_a_redirect_leads() {
    let home = Home::new();
    for query in ["next=//evil.example", "code=x&next=//evil.example", "next=%0d%0aset-cookie:x=y"] {
        let answer = home.get(&format!("/login?{query}")).await;
        assert_eq!(answer.header("location"), Some("/"), "{query}");
    }
}

#[tokio::test]
async fn a_program_that_shows_the_key_may_look() {
    let home = Home::new();
    let request = ask(Method::GET, "/").header("authorization", format!("Bearer {KEY}"));
    assert_eq!(home.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_answer_shows_the_key() {
    let home = Home::new();
    for path in ["/", "/login", "/nowhere", "/examples/secret"] {
        assert!(!home.get(path).await.body.contains(KEY), "{path}");
    }
}
