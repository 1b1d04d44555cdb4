//! The embedded files: their origin, and caching.

use std::path::Path;

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::fake::{Home, ask, empty};
use crate::assets;

#[derive(Deserialize)]
struct Vendor {
    file: Vec<VendoredFile>,
}

#[derive(Deserialize)]
struct VendoredFile {
    path: String,
    name: String,
    version: String,
    license: String,
    sha256: String,
}

#[test]
fn vendored_files_are_what_vendor_toml_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let vendor: Vendor = toml::from_str(include_str!("../../assets/VENDOR.toml")).unwrap();
    for file in &vendor.file {
        let content = std::fs::read(folder.join(&file.path)).unwrap();
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, file.sha256, "{}", file.path);
        assert!([&file.name, &file.version, &file.license].iter().all(|word| !word.is_empty()));
    }
    for directory in ["htmx", "pico"] {
        for entry in std::fs::read_dir(folder.join(directory)).unwrap() {
            let path = format!("{directory}/{}", entry.unwrap().file_name().display());
            assert!(vendor.file.iter().any(|file| file.path == path), "{path} is not listed");
        }
    }
}

#[test]
fn htmx_and_its_stream_part_are_one_file_in_this_order() {
    let script = assets::HTMX.content;
    let (htmx, sse) = (script.find("4.0.1").unwrap(), script.find("hx-sse").unwrap());
    assert!(htmx < sse);
}

#[tokio::test]
async fn a_page_names_only_assets_that_exist_and_can_be_kept_for_ever() {
    let home = Home::new();
    let page = home.get("/").await.body;
    let addresses: Vec<&str> = page.split('"').filter(|word| word.starts_with("/static/")).collect();
    assert_eq!(addresses.len(), 8);
    for address in addresses {
        let answer = home.send(empty(ask(Method::GET, address))).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn an_asset_without_its_version_is_asked_for_again_and_not_sent_again() {
    let home = Home::new();
    let first = home.get("/static/app.css").await;
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(first.header("content-type"), Some("text/css; charset=utf-8"));
    let request = ask(Method::GET, "/static/app.css").header("if-none-match", first.header("etag").unwrap());
    let second = home.send(empty(request)).await;
    assert_eq!((second.status, second.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
}

#[tokio::test]
async fn pages_hold_no_inline_script_or_style() {
    let home = Home::new();
    let paths =
        ["/", "/logs", "/secrets", "/examples/hello", "/examples/counter", "/examples/secret", "/nowhere"];
    for path in paths {
        let page = home.get(path).await.body;
        assert!(!page.contains("<style") && !page.contains(" style="), "{path}");
        let own = usize::from(path == "/logs");
        let scripts = [page.matches("<script").count(), page.matches("></script>").count()];
        assert_eq!(scripts, [3 + own; 2], "{path}");
        assert!(!page.replace("<noscript><meta http-equiv", "").contains("http-equiv"), "{path}");
        assert!(!page.contains("hx-on") && !page.contains("//cdn"), "{path}");
    }
}
