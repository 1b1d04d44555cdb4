use serde_json::{Value, json};

use super::*;
use crate::tests::fake;

fn shown(cells: &Value) -> String {
    let file = json!({ "nbformat": 4, "metadata": {}, "cells": cells }).to_string();
    let notebook = Notebook::parse(file.as_bytes()).unwrap();
    let path = "deep/an alysis.ipynb".to_owned();
    let html = page(&fake::folder(), &NotebookPage { path, title: None, version: 7, notebook }).into_string();
    let (_, content) = html.split_once("<div id=\"notebook\">").unwrap();
    content.split_once("</main>").unwrap().0.to_owned()
}

fn code(source: &str, outputs: &Value) -> Value {
    json!({ "cell_type": "code", "execution_count": 3, "source": source, "outputs": outputs })
}

#[test]
fn text_code_and_outputs_are_shown_as_they_are_meant() {
    let html = shown(&json!([
        { "cell_type": "markdown", "source": ["# One\n", "*two*"] },
        code("for x in y:\n    pass", &json!([
            { "output_type": "stream", "name": "stderr", "text": "10%\r50%\r100%\n\u{1b}[31mred\u{1b}[0m <b>\n" },
            { "output_type": "execute_result", "data": { "text/html": "<table class=\"dataframe\" style=\"x\"><tr><td onclick=\"x\">7</td></tr></table>", "text/plain": "7" } },
            { "output_type": "display_data", "data": { "image/png": "iVBORw0KGgo", "text/plain": "<Figure>" } },
            { "output_type": "error", "ename": "KeyError", "evalue": "'price'", "traceback": ["\u{1b}[31mKeyError\u{1b}[39m: 'price'"] },
            { "output_type": "display_data", "data": { "application/vnd.jupyter.widget-view+json": {} } },
        ])),
    ]));
    for part in [
        "<h3>One</h3><p><em>two</em></p>",
        "<span class=\"hl-keyword\">for</span> x <span class=\"hl-keyword\">in</span>",
        "<div data-stream=\"stderr\"><pre tabindex=\"0\">100%\n<span class=\"sgr-red\">red</span> &lt;b&gt;</pre>",
        "<table><tbody><tr><td>7</td></tr></tbody></table>",
        "<img src=\"/outputs/1/2/deep/an%20alysis.ipynb?v=7\" alt=\"&lt;Figure&gt;\" loading=\"lazy\" decoding=\"async\">",
        "<div class=\"error\"><pre tabindex=\"0\"><span class=\"sgr-red\">KeyError</span>: 'price'</pre>",
        "Only JupyterLab shows this output: application/vnd.jupyter.widget-view+json",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}

#[test]
fn attack_23_nothing_of_a_notebook_acts_or_loads() {
    // Each well nested, so that it reaches the sanitizer.
    let parts = [
        "<script>alert(1)</script><img src=x onerror=alert(1)><iframe src=//evil.example></iframe>",
        "<a href=\"javascript:alert(1)\">a</a><a href=\"/services/stop\">b</a><svg onload=alert(1)><b>c</b></svg>",
        "<form action=/services/stop method=post><button hx-post=/services/stop>d</button></form>",
        "<style>@import '//evil.example'</style><link rel=stylesheet href=//evil.example><base href=//evil.example />",
        "<meta http-equiv=refresh content='0;url=//evil.example'><hx-partial hx-target=body>e</hx-partial>",
        "<div id=answer class=alert style='position:fixed'>f</div><object data=x></object><video src=x></video>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
        "<template hx type=partial hx-target=body>g</template><input autofocus onfocus=alert(1)><embed src=x>",
        "<a href=\"https://e.example/\" onclick=alert(1) ping=//evil.example>h</a>",
    ];
    let hostile = parts.concat();
    let data = |part: &&str| json!({ "output_type": "display_data", "data": { "text/html": part } });
    let outputs: Vec<Value> = parts.iter().map(data).collect();
    let html = shown(&json!([
        { "cell_type": "markdown", "source": hostile },
        { "cell_type": "raw", "source": hostile },
        code(&hostile, &json!([
            { "output_type": "stream", "name": "stdout", "text": hostile },
            { "output_type": "display_data", "data": { "text/markdown": hostile } },
            { "output_type": "display_data", "data": { "image/svg+xml": hostile } },
            { "output_type": "display_data", "data": { "image/png": hostile, "text/plain": hostile } },
            { "output_type": "error", "ename": hostile, "evalue": hostile, "traceback": [hostile] },
        ])),
        code("x", &json!(outputs)),
    ]));
    for sanitized in ["<div>f</div>", ">h</a>"] {
        assert!(html.contains(sanitized), "{sanitized}: {html}");
    }
    let tags = html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap());
    for tag in tags {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        let harmless =
            ["div", "p", "pre", "code", "span", "a", "b", "em", "h2", "table", "tbody", "tr", "td", "img"];
        assert!(harmless.contains(&name), "{tag}: {html}");
        let names: String = tag.split('"').step_by(2).collect();
        for bad in [" on", " style", " id=", "hx-", "srcdoc", "href=/"] {
            assert!(!names.contains(bad), "{tag}");
        }
        assert!(!tag.contains("href=\"") || tag.contains("href=\"http"), "{tag}");
        assert!(name != "img" || tag.starts_with("img src=\"/outputs/"), "{tag}");
        assert!(!tag.contains("class=\"alert\""), "{tag}");
    }
}

#[test]
fn what_is_large_is_shown_in_part_and_says_so() {
    let text = "0123456789abcde\n".repeat(10_000);
    let html = shown(&json!([code("x", &json!([{ "output_type": "stream", "text": text }]))]));
    assert!(html.len() < 80 << 10 && html.contains("92.2 KiB more: open the notebook"), "{}", html.len());
    let rows = "<p>x</p>".repeat(100_000);
    let html = shown(&json!([code(
        "x",
        &json!([{ "output_type": "display_data", "data": { "text/html": rows } }])
    )]));
    assert!(html.contains("This output is too large or too complex"), "{}", html.len());
    let many = vec![code("x", &json!([])); 100_000];
    let html = shown(&json!(many));
    assert!(html.len() < 8 << 20 && html.contains("more cells: open it in JupyterLab"), "{}", html.len());
}

#[test]
fn html_that_nests_without_end_is_not_parsed() {
    for tag in ["<div>", "<b>", "<table>", "<a href=http://x>", "<p><b>", "<b></x>"] {
        let data = json!({ "text/html": tag.repeat(HTML / tag.len()), "text/plain": "plain" });
        let html = shown(&json!([code("x", &json!([{ "output_type": "display_data", "data": data }]))]));
        assert!(html.contains("<pre tabindex=\"0\">plain</pre>"), "{tag}");
    }
}
