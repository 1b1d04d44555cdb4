//! The page of secrets: it shows names, and values are only written.

use axum::http::StatusCode;
use pipulate_store::dotenv::EnvFile;

use super::fake::{Home, path};

/// A home with a real `.env`.
fn home(text: &str) -> (Home, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| path(folder.path().join(name).to_str().unwrap());
    std::fs::write(at(".env"), text).unwrap();
    (Home::with_env_file(EnvFile::new(at(".env"), at("lock"))), folder)
}

fn file(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join(".env")).unwrap()
}

#[tokio::test]
async fn a_secret_is_set_replaced_and_forgotten() {
    let (home, folder) = home("# mine\nOLD=1\n");
    let saved = home.post("/secrets", "name=API_KEY&value=first-value").await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, Some("/secrets")));
    assert!(home.get("/secrets").await.body.contains("Saved API_KEY"));
    home.post("/secrets", "name=API_KEY&value=second-value").await;
    assert!(file(&folder).starts_with("# mine\nOLD=1\n") && file(&folder).contains("second-value"));

    let question = home.get("/secrets/API_KEY/forget").await;
    assert!(
        question.body.contains("Forget API_KEY?") && file(&folder).contains("API_KEY"),
        "looking changes nothing"
    );
    home.post("/secrets/API_KEY/forget", "").await;
    assert_eq!(file(&folder), "# mine\nOLD=1\n");
    assert!(home.get("/secrets").await.body.contains("Forgot API_KEY"));
}

#[tokio::test]
async fn attack_29_no_page_ever_shows_a_value() {
    let (home, _folder) = home("API_KEY=tell-nobody\nMODE=not-even-this\n");
    let mut seen = vec![home.get("/secrets").await.body, home.get("/secrets/API_KEY/forget").await.body];
    for body in [
        "name=API_KEY&value=tell-nobody",
        "name=tell-nobody%20&value=API_KEY",
        "name=API_KEY&value=tell-nobody%00",
        "name=API_KEY&value=tell-nobody%0d",
    ] {
        seen.push(home.post("/secrets", body).await.body);
    }
    seen.push(home.get("/secrets").await.body);
    seen.push(home.get("/logs").await.body);
    assert!(seen[0].contains("API_KEY") && seen[0].contains("MODE"));
    for page in &seen {
        assert!(!page.contains("tell-nobody") && !page.contains("not-even-this"), "{page}");
    }
}

#[tokio::test]
async fn attack_28_what_can_not_be_kept_is_refused_beside_its_field() {
    let (home, folder) = home("API_KEY=old\n");
    for (body, words) in [
        ("name=API_KEY&value=", "The value is empty"),
        ("name=1+2&value=x", "That is not a name for a secret"),
        ("name=API_KEY&value=a%00b", "Can't keep that value"),
        ("name=NEW_KEY&value=a%0db", "Can't keep that value"),
    ] {
        let answer = home.post("/secrets", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(
            answer.body.contains(words) && answer.body.contains("aria-invalid"),
            "{body}: {}",
            answer.body
        );
    }
    assert_eq!(file(&folder), "API_KEY=old\n");
    let slip = home.post("/secrets", "name=MY-KEY&value=not-even-this").await.body;
    assert!(slip.contains(r#"value="MY-KEY" aria-invalid="true""#), "the name stays: {slip}");
    assert!(!slip.contains("not-even-this"));
    for body in ["", "name=X", "value=x"] {
        assert_eq!(home.post("/secrets", body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn what_the_project_needs_comes_first_and_is_missed() {
    let home = Home::new();
    *home.world.required.lock().unwrap() = vec!["HF_TOKEN".to_owned(), "SECRET".to_owned()];
    home.post("/examples/secret", "secret=x").await;
    let page = home.get("/secrets").await.body;
    let (needed, set) = (page.find("name-HF_TOKEN").unwrap(), page.find("name-SECRET").unwrap());
    assert!(needed < set);
    assert_eq!(
        (page.matches("</span> missing").count(), page.matches("</span> set").count()),
        (1, 1),
        "{page}"
    );
    assert_eq!(page.matches("The project needs it").count(), 2);
}

#[tokio::test]
async fn without_secrets_the_page_says_how_to_name_them() {
    assert!(Home::new().get("/secrets").await.body.contains("[secrets]\nrequired"));
}

#[tokio::test]
async fn only_names_that_are_there_can_be_forgotten() {
    let (home, folder) = home("API_KEY=x\n");
    for name in ["OTHER", "..%2f.env", "%3Cb%3E", "API_KEY%0a", "%ff"] {
        let address = format!("/secrets/{name}/forget");
        for answer in [home.get(&address).await, home.post(&address, "").await] {
            let refused = [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&answer.status);
            assert!(refused, "{name}: {}", answer.status);
        }
    }
    assert_eq!(file(&folder), "API_KEY=x\n");
}
