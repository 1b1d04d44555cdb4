//! The folder's notebooks on the front page, and a preview.

use axum::http::StatusCode;
use jiff::Timestamp;
use pipulate_core::identity::Pid;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{KernelActivity, KernelInfo};
use serde_json::json;

use super::fake::{Home, service};

const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn home(notebooks: &[(&str, &str)]) -> Home {
    let home = Home::new();
    let known = notebooks.iter().enumerate().map(|(at, (path, title))| {
        let cells = json!([
            { "cell_type": "markdown", "source": format!("# {title}") },
            { "cell_type": "code", "execution_count": 1, "source": "x", "outputs": [
                { "output_type": "display_data", "data": { "image/png": PNG } }] },
        ]);
        let text = json!({ "nbformat": 4, "metadata": {}, "cells": cells }).to_string();
        ((*path).to_owned(), text, Timestamp::from_second(1_000_000 - at as i64).unwrap())
    });
    *home.world.notebooks.lock().unwrap() = known.collect();
    home
}

#[tokio::test]
async fn a_card_leads_to_its_notebook_and_says_what_its_kernel_does() {
    let home = home(&[("deep/a b.ipynb", "Prices & <b>all"), ("other.ipynb", "Other")]);
    let mut jupyter = service("jupyter", ServiceState::Ready);
    let pid = Pid::new(77).unwrap();
    jupyter.live.as_mut().unwrap().kernels =
        vec![KernelInfo { id: "k1".to_owned(), pid, name: "python3".to_owned(), memory_bytes: 64 << 20 }];
    home.world.services.lock().unwrap().push(jupyter);
    home.world.kernels.lock().unwrap().push(KernelActivity {
        id: "k1".to_owned(),
        name: "deep/a b.ipynb".to_owned(),
        is_busy: true,
        last_activity: None,
    });
    let page = home.get("/").await.body;
    let card = page.split("<article id=\"notebook-").nth(1).unwrap();
    for part in [
        r#"<a href="/notebooks/deep/a%20b.ipynb">Prices &amp; all</a>"#,
        r#"<img src="/outputs/1/0/deep/a%20b.ipynb?v="#,
        "ran well",
        r#"data-kernel="busy""#,
        "kernel busy, 64.0 MiB",
        r#"action="/notebooks/open""#,
        r#"value="deep/a b.ipynb""#,
        ">Preview</a>",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert_eq!(page.matches("data-kernel").count(), 1, "the other one has no kernel");

    let mut events = home.stream("/events", &[]).await;
    events.next().await;
    home.world.kernels.lock().unwrap().clear();
    home.world.services.lock().unwrap()[1].live.as_mut().unwrap().kernels.clear();
    home.world.bell.ring();
    let (_, change) = events.next().await;
    assert!(change.contains(r##"hx-target="#notebook-"##) && !change.contains("data-kernel"), "{change}");
    assert!(!change.contains("Other"), "only what changed: {change}");
}

#[tokio::test]
async fn notebooks_are_found_by_title_and_path_without_a_script() {
    let many: Vec<(String, String)> =
        (0..300).map(|at| (format!("folder/n{at}.ipynb"), format!("Title {at}"))).collect();
    let home = home(&many.iter().map(|(path, title)| (path.as_str(), title.as_str())).collect::<Vec<_>>());
    let cards = |body: &str| body.matches("class=\"notebook\"").count();
    let first = home.get("/").await.body;
    assert_eq!(cards(&first), 48);
    assert!(first.contains("All 300 notebooks") && first.len() < 120 << 10, "{}", first.len());
    assert_eq!(cards(&home.get("/?all=1").await.body), 300);
    for (query, count) in [("TITLE+29", 11), ("n299", 1), ("%3Cb%3E", 0), ("++", 48)] {
        let page = home.get(&format!("/?q={query}")).await.body;
        assert_eq!(cards(&page), count, "{query}");
        assert!(!page.contains("<b>"), "{query}");
    }
    assert_eq!(home.get(&format!("/?q={}", "x".repeat(500))).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(home.world.notebook_reads.lock().unwrap().len(), 300, "each is read once");
}

#[tokio::test]
async fn a_notebook_opens_in_jupyterlab_signed_in_and_a_new_one_too() {
    let home = home(&[("a b.ipynb", "A")]);
    home.world.services.lock().unwrap().push(service("jupyter", ServiceState::Ready));
    let open = "path=a+b.ipynb";
    assert_eq!(
        home.post("/notebooks/open", open).await.status,
        StatusCode::CONFLICT,
        "JupyterLab has no page"
    );
    assert_eq!(home.post("/notebooks/new", "").await.status, StatusCode::CONFLICT);
    assert_eq!(home.world.notebooks.lock().unwrap().len(), 1, "nothing is made that can't be opened");
    *home.world.address.lock().unwrap() = Some("http://127.0.0.1:8888/lab?token=s3cret".to_owned());
    let answer = home.post("/notebooks/open", open).await;
    assert_eq!(
        answer.header("refresh"),
        Some("0; url=http://127.0.0.1:8888/lab/tree/a%20b.ipynb?token=s3cret")
    );
    assert!(!answer.body.contains("s3cret"));
    let new = home.post("/notebooks/new", "").await;
    assert_eq!(
        new.header("refresh"),
        Some("0; url=http://127.0.0.1:8888/lab/tree/Untitled.ipynb?token=s3cret")
    );
    let file = home.post("/files/open", "path=lib%2Fprices.py").await;
    let lab = "0; url=http://127.0.0.1:8888/lab/tree";
    assert_eq!(file.header("refresh"), Some(format!("{lab}/lib/prices.py?token=s3cret").as_str()));
    let none = home.post("/files/open", "path=%2Fetc%2Fpasswd").await;
    assert_eq!(none.status, StatusCode::CONFLICT);
    assert!(none.body.contains("here is no file /etc/passwd in this folder"), "{}", none.body);
    let code = home.post("/notebooks/insert", "code=x+%3D+1%0D%0Ay%0A").await;
    assert_eq!(code.header("refresh"), Some(format!("{lab}/From-chat.ipynb?token=s3cret").as_str()));
    assert_eq!(home.world.notebooks.lock().unwrap().last().unwrap().1, "x = 1\ny");
    assert_eq!(home.post("/notebooks/open", "path=../x.ipynb").await.status, StatusCode::NOT_FOUND);
    assert_eq!(home.post("/notebooks/open", "").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_preview_shows_the_notebook_its_images_and_what_is_wrong_with_it() {
    let home = home(&[("a b.ipynb", "Prices")]);
    let page = home.get("/notebooks/a%20b.ipynb").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<h1>Prices</h1>") && page.body.contains("<title>Prices – demo</title>"));
    let address = page.body.split("<img src=\"/outputs").nth(1).unwrap().split('"').next().unwrap();
    let image = home.raw(&format!("/outputs{address}")).await;
    assert_eq!(image.0.get("content-type").unwrap(), "image/png");
    assert_eq!(image.0.get("x-content-type-options").unwrap(), "nosniff");
    assert!(image.1.starts_with(b"\x89PNG"));

    let cells = json!([
        { "cell_type": "markdown", "source": "![plan](attachment:a%20b.png)", "attachments": { "a b.png": { "image/png": PNG } } },
        { "cell_type": "code", "source": "", "outputs": [{ "output_type": "display_data", "data": { "image/svg+xml": "<svg onload='x()'/>" } }] },
        { "cell_type": "markdown", "source": "![x](attachment:a)", "attachments": [7] },
    ]);
    let pictures = json!({ "nbformat": 4, "cells": cells }).to_string();
    home.world.notebooks.lock().unwrap().push(("p.ipynb".to_owned(), pictures, Timestamp::UNIX_EPOCH));
    let page = home.get("/notebooks/p.ipynb").await.body;
    let sources: Vec<_> =
        page.split("<img src=\"/").skip(2).map(|img| img.split('"').next().unwrap()).collect();
    assert_eq!(sources, ["attachments/0/a%20b%2Epng/p.ipynb?v=0", "outputs/1/0/p.ipynb?v=0"], "{page}");
    assert_eq!(home.raw(&format!("/{}", sources[0])).await.0["content-type"], "image/png");
    let svg = home.raw(&format!("/{}", sources[1])).await.0;
    assert_eq!(svg["content-type"], "image/svg+xml");
    assert!(svg["content-security-policy"].to_str().unwrap().ends_with("sandbox"));

    let broken = ("broken.ipynb".to_owned(), "{\"nbformat\": 4, <".to_owned(), Timestamp::UNIX_EPOCH);
    home.world.notebooks.lock().unwrap().push(broken);
    let page = home.get("/notebooks/broken.ipynb").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("This can't be shown: it is not a notebook"), "{}", page.body);
    assert!(page.body.contains("Open broken.ipynb in JupyterLab"), "{}", page.body);
    assert!(home.get("/").await.body.contains("can't be read"));
    for path in [
        "/notebooks/none.ipynb",
        "/notebooks/..%2Fx.ipynb",
        "/notebooks/%ff.ipynb",
        "/notebooks/",
        "/outputs/0/0/a%20b.ipynb",
        "/outputs/9/9/a%20b.ipynb",
        "/outputs/x/0/a%20b.ipynb",
        "/outputs/1/0/broken.ipynb",
        "/outputs/1/-1/a%20b.ipynb",
    ] {
        assert_eq!(home.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
