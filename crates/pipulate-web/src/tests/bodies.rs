//! Forms: their size, their pace, their bytes, and the handling of a secret.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::Frame;
use pipulate_core::env_error::{EnvError, Unwritable};
use pipulate_core::project::AbsPath;
use pipulate_store::dotenv::EnvFile;

use super::fake::{Home, path};

const SECRET: &str = "/examples/secret";

/// A body whose sender has stopped sending.
struct Silence;

impl HttpBody for Silence {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

fn env_file() -> AbsPath {
    AbsPath::new("/home/ann/demo/.env").unwrap()
}

#[tokio::test]
async fn attack_28_a_secret_arrives_as_it_was_typed() {
    for (sent, typed) in [
        ("plain", "plain"),
        ("a%26b%3Dc%23d", "a&b=c#d"),
        ("it%27s+%22%24%28id%29%22+%60x%60", "it's \"$(id)\" `x`"),
        ("%0aline%0d%0a", "\nline\r\n"),
        ("a%00b", "a\0b"),
        ("a=b", "a=b"),
        ("%E2%82%AC%", "€%"),
        ("+", " "),
    ] {
        let home = Home::new();
        let answer = home.post(SECRET, &format!("other=1&secret={sent}&secret=second")).await;
        assert_eq!(answer.status, StatusCode::OK, "{sent}");
        assert_eq!(*home.world.secret.lock().unwrap(), typed);
    }
}

#[tokio::test]
async fn attack_28_bytes_that_are_no_text_are_refused_and_not_replaced() {
    let home = Home::new();
    assert_eq!(home.post(SECRET, "secret=%ff%fe").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(*home.world.secret.lock().unwrap(), "");
}

#[tokio::test]
async fn attack_28_a_value_that_the_file_cannot_hold_is_refused_with_the_reason() {
    let home = Home::new();
    *home.world.secret_refusal.lock().unwrap() =
        Some(EnvError::Unwritable { path: env_file(), reason: Unwritable::Nul });
    let answer = home.post(SECRET, "secret=hush%00hush").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.example().contains("Can't keep that value in /home/ann/demo/.env: it has a NUL character")
            && answer.example().contains("Enter the secret:")
    );
    assert!(!answer.example().contains("hush"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_a_failure_with_the_reason() {
    let home = Home::new();
    *home.world.secret_refusal.lock().unwrap() =
        Some(EnvError::io("write", &env_file(), &io::ErrorKind::StorageFull.into()));
    let answer = home.post(SECRET, "secret=hush").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        answer.example().contains("ould not write /home/ann/demo/.env: no storage space")
            && !answer.example().contains("hush")
    );
}

#[tokio::test]
async fn a_file_that_is_not_written_to_is_no_failure_of_the_app() {
    let home = Home::new();
    *home.world.secret_refusal.lock().unwrap() = Some(EnvError::Symlink { path: env_file() });
    for path in [SECRET, "/secrets"] {
        let answer = home.post(path, "name=SECRET&value=hush&secret=hush").await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}: {}", answer.body);
        assert!(answer.body.contains("is a symbolic link") && !answer.body.contains("hush"), "{path}");
    }
}

#[tokio::test]
async fn attack_29_a_secret_is_saved_once_and_never_shown() {
    let home = Home::new();
    let mut seen = Vec::new();
    for (value, words) in [("tell-nobody", "Your secret has been saved."), ("other", "No changes were made.")]
    {
        let answer = home.post(SECRET, &format!("secret={value}")).await;
        assert!(answer.example().contains(words));
        seen.push(answer.body);
    }
    assert_eq!(*home.world.secret.lock().unwrap(), "tell-nobody");
    assert_eq!(home.world.saves.load(Ordering::Relaxed), 1);
    for path in ["/", SECRET, "/nowhere", "/login"] {
        seen.push(home.get(path).await.body);
    }
    assert!(seen.iter().all(|page| !page.contains("tell-nobody")));
}

#[tokio::test]
async fn attack_28_a_real_env_file_keeps_its_lines_and_takes_one_of_two_posts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join(".env");
    std::fs::write(&env, "# mine\nOTHER=1\n").unwrap();
    std::fs::set_permissions(&env, Permissions::from_mode(0o644)).unwrap();
    let at = |name: &str| path(folder.path().join(name).to_str().unwrap());
    let home = Home::with_env_file(EnvFile::new(at(".env"), at("lock")));

    let (one, two) = tokio::join!(home.post(SECRET, "secret=one"), home.post(SECRET, "secret=two"));
    let saved = [&one, &two].map(|answer| answer.example().contains("Your secret has been saved."));
    assert_ne!(saved[0], saved[1]);
    let value = if saved[0] { "one" } else { "two" };
    let text = std::fs::read_to_string(&env).unwrap();
    assert!(text.starts_with("# mine\nOTHER=1\n") && text.contains(value), "{text}");
    assert_eq!(std::fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home.get(SECRET).await.example().contains("I already know your secret"));
}

#[tokio::test]
async fn attack_28_what_a_real_env_file_cannot_hold_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| path(folder.path().join(name).to_str().unwrap());
    let home = Home::with_env_file(EnvFile::new(at(".env"), at("lock")));
    for value in ["a%00b", "a%0db", "%24%7BHOME%7D"] {
        assert_eq!(
            home.post(SECRET, &format!("secret={value}")).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    assert!(!folder.path().join(".env").exists());

    std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join(".env")).unwrap();
    let answer = home.post(SECRET, "secret=hush").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.example().contains("symbolic link") && !folder.path().join("elsewhere").exists());
}

#[tokio::test]
async fn an_empty_secret_is_asked_for_again() {
    let home = Home::new();
    let answer = home.post(SECRET, "secret=").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.example().contains("Enter the secret:"));
    assert_eq!(home.world.saves.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_empty_secret_does_not_touch_one_that_is_set() {
    let home = Home::new();
    home.post(SECRET, "secret=first").await;
    assert!(
        home.post(SECRET, "secret=")
            .await
            .example()
            .contains("A secret is already set. No changes were made.")
    );
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let home = Home::new();
    for body in ["", "other=1", "Secret=x"] {
        let answer = home.post(SECRET, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.body, "Missing required field: secret");
    }
}

#[tokio::test]
async fn attack_32_a_body_that_is_too_large_is_refused_before_and_while_it_is_read() {
    let home = Home::new();
    let large = format!("secret={}", "x".repeat(64 << 10));
    let told =
        home.form(SECRET).header("content-length", large.len()).body(Body::from(large.clone())).unwrap();
    let untold = home.form(SECRET).body(Body::from(large)).unwrap();
    for request in [told, untold] {
        let answer = home.send(request).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.example().contains("More than 64 KiB were sent"));
    }
    assert_eq!(home.world.saves.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn attack_32_a_body_that_never_comes_is_not_waited_for() {
    let home = Home::new();
    let answer = home.send(home.form(SECRET).body(Body::new(Silence)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}
