use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

/// The smallest picture: one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn file(cells: &Value) -> Vec<u8> {
    json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells }).to_string().into_bytes()
}

fn code(outputs: &Value) -> Value {
    json!({ "cell_type": "code", "execution_count": 1, "source": "x", "outputs": outputs })
}

fn png(data: &str) -> Value {
    json!({ "output_type": "display_data", "data": { "image/png": data, "text/plain": ["<Figure>"] } })
}

#[test]
fn a_card_says_title_last_image_and_how_the_run_went() {
    let markdown = |text: &Value| json!({ "cell_type": "markdown", "source": text });
    let error = json!({ "output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": [] });
    let cells = json!([
        markdown(&json!("no heading here\n```\n# no heading either\n```")),
        markdown(&json!(["# Prices of *all*\n", "\n## `stations`"])),
        code(&json!([png(PNG), { "output_type": "stream", "name": "stdout", "text": ["a\n", "b"] }])),
        code(&json!([png(PNG), png(PNG)])),
        markdown(&json!("# Another one")),
    ]);
    let summary = Summary::of(&file(&cells));
    assert_eq!(summary.title.as_deref(), Some("Prices of all"));
    assert_eq!((summary.image, summary.run), (Some((3, 1)), Run::Well));

    let failed = Summary::of(&file(&json!([code(&json!([error])), code(&json!([]))])));
    assert_eq!((failed.title, failed.run), (None, Run::Failed("KeyError".to_owned())));
    let fresh = json!([{ "cell_type": "code", "execution_count": null, "source": [], "outputs": [] }]);
    assert_eq!(Summary::of(&file(&fresh)).run, Run::Never);
}

#[test]
fn what_is_missing_or_of_another_kind_is_no_fault() {
    let odd = json!([
        {},
        { "cell_type": "heading", "source": 7 },
        { "cell_type": "code", "execution_count": "*", "outputs": [
            {}, { "output_type": "new" }, { "output_type": "display_data" },
            { "output_type": "execute_result", "data": { "application/json": { "deep": [1, 2] }, "text/plain": { "no": 1 } } },
        ] },
    ]);
    let with_fault = Notebook::parse(&file(&odd));
    // An output needs a type in every format.
    assert!(matches!(with_fault, Err(NotANotebook::Broken(_))), "{with_fault:?}");
    let mut cells = odd;
    cells[2]["outputs"].as_array_mut().unwrap().remove(0);
    let notebook = Notebook::parse(&file(&cells)).unwrap();
    assert_eq!((notebook.cells.len(), notebook.language().as_str()), (3, "python"));
    let Output::DisplayData { data } = &notebook.cells[2].outputs[2] else { panic!("{notebook:?}") };
    assert_eq!((data.plain.as_ref(), data.others.as_slice()), (None, &["application/json".to_owned()][..]));
}

#[test]
fn what_is_no_notebook_is_said_to_be_none() {
    for file in ["", "{", "[]", "{}", "null", "\"x\"", "{\"nbformat\": 4, \"cells\": {}}", "\u{0}"] {
        let parsed = Notebook::parse(file.as_bytes());
        assert!(matches!(parsed, Err(NotANotebook::Broken(_))), "{file}: {parsed:?}");
    }
    let old = r#"{"nbformat": 3, "worksheets": []}"#;
    assert_eq!(Notebook::parse(old.as_bytes()).unwrap_err(), NotANotebook::OtherFormat(3));
    let deep = format!("{{\"nbformat\": 4, \"metadata\": {}", "[".repeat(500_000));
    assert!(matches!(Notebook::parse(deep.as_bytes()), Err(NotANotebook::Broken(_))));
}

#[test]
fn attack_23_an_image_is_what_it_says_it_is_or_none() {
    let image = |kind: &str, data: &str| {
        let cells = json!([code(&json!([{ "output_type": "display_data", "data": { kind: data } }]))]);
        Notebook::parse(&file(&cells)).unwrap().image(0, 0)
    };
    let packed = |bytes: &[u8]| STANDARD.encode(bytes);
    let genuine = image("image/png", &format!("{}\n{}\n", &PNG[..40], &PNG[40..])).unwrap();
    assert_eq!(genuine.content_type, "image/png");
    assert_eq!(image("image/jpeg", &packed(b"\xff\xd8\xff\xe0JFIF")).unwrap().content_type, "image/jpeg");
    let mut bomb = STANDARD.decode(PNG).unwrap();
    bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    for (kind, data) in [
        ("image/png", packed(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")),
        ("image/png", packed(b"<html><script>alert(1)</script>")),
        ("image/jpeg", PNG.to_owned()),
        ("image/png", "no base64".to_owned()),
        ("image/png", String::new()),
        ("image/png", packed(b"\x89PNG\r\n\x1a\n")),
        ("image/png", packed(&bomb)),
        ("image/svg+xml", packed(b"<svg/>")),
        ("image/svg+xml", "<html></html>".to_owned()),
        ("text/html", PNG.to_owned()),
    ] {
        assert_eq!(image(kind, &data), None, "{kind} {data}");
    }
    let one = Notebook::parse(&file(&json!([code(&json!([png(PNG)]))]))).unwrap();
    assert!(one.image(0, 0).is_some() && one.image(0, 1).is_none() && one.image(1, 0).is_none());
}
