//! The logs' pages: what they show of what services print, and what they never do.

use axum::http::StatusCode;

use super::fake::Home;

/// What stands in the log's element.
fn log(page: &str) -> &str {
    page.split_once(r#"id="log""#).unwrap().1.split_once(r#"<div class="controls">"#).unwrap().0
}

#[tokio::test]
async fn attack_22_what_services_print_stays_text() {
    let (home, printed) = Home::with_logs();
    let hostile = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div hx-get=/x hx-trigger=load>",
        "</pre></div></main><form action=//evil>",
        "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
        "\x1b]0;title\x07 \x1b[2J\x1b[31\"onclick=x m",
        "overwritten\rshown",
        "<hx-partial hx-target=\"body\">x</hx-partial>",
        "\u{202e}reversed \u{2066}isolated",
    ];
    printed.print("web", hostile.join("\n"));
    printed.print("web", b"\ninvalid \xff\xfe\0 bytes\n");
    let page = home.get("/logs").await.body;
    let shown = log(&page);
    for tag in [
        "<script",
        "<img",
        "<form",
        "<hx-partial",
        "<div hx-get",
        "</pre",
        "\u{1b}",
        "\u{202e}",
        "\u{2066}",
        "\r",
        "\0",
    ] {
        assert!(!shown.contains(tag), "{tag:?} in {shown}");
    }
    assert!(!shown.contains("overwritten") && shown.contains("shown") && shown.contains("invalid \u{fffd}"));
    let mut events = home.stream("/logs/stream?from=", &[]).await;
    let (_, event) = events.next().await;
    assert_eq!(event.matches("<hx-partial").count(), 1, "only ours");
    assert!(!event.contains("<script") && !event.contains("<img"));
}

#[tokio::test]
async fn attack_30_secrets_are_masked_in_pages_streams_and_downloads() {
    let (home, printed) = Home::with_logs();
    home.world.hidden.lock().unwrap().push("s3cret-token".to_owned());
    printed.print("jupyter", "http://127.0.0.1:8888/lab?token=s3cret-token\n\x1b[31ms3cret\x1b[0m-token\n");
    let mut seen = vec![home.get("/logs").await.body, home.get("/logs?filter=s3cret").await.body];
    seen.push(home.get("/logs/older?before=jupyter:1000").await.body);
    seen.push(home.get("/logs/download").await.body);
    seen.push(home.stream("/logs/stream?from=", &[]).await.next().await.1);
    for text in &seen {
        assert!(!text.contains("s3cret-token") && !text.contains("-token<"), "{text}");
    }
    assert!(seen[0].contains("token=****"));
}

#[tokio::test]
async fn lines_have_their_colors_and_levels() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "\x1b[32mINFO\x1b[0m: fine\nERROR: \x1b[1;31mnot fine\x1b[0m\n");
    let page = home.get("/logs?service=web").await.body;
    assert!(page.contains(r#"<span class="sgr-green">INFO</span>: fine"#), "{page}");
    assert!(
        page.contains(r#"data-level="error""#) && page.contains(r#"<span class="sgr-red sgr-bold">not fine"#)
    );
    assert!(!log(&page).contains(r#"class="who""#), "one service needs no name on each line");
    assert!(log(&home.get("/logs").await.body).contains(r#"<span class="who">web</span>"#));
}

#[tokio::test]
async fn history_goes_back_to_the_first_line() {
    let (home, printed) = Home::with_logs();
    let lines: String = (0..1000).map(|number| format!("<{number}>\n")).collect();
    printed.print("web", lines);
    let mut address = "/logs".to_owned();
    let mut seen = 0;
    loop {
        let page = home.get(&address).await.body;
        seen += page.matches("class=\"line\"").count();
        let Some((_, older)) = page.split_once(r#"<a id="older" href=""#) else { break };
        let fragment = older.split_once("hx-get=\"").unwrap().1.split_once('"').unwrap().0;
        address = fragment.replace("&amp;", "&");
    }
    assert_eq!(seen, 1000);
    assert!(home.get("/logs?before=web:0").await.body.contains("To the newest lines"));
}

#[tokio::test]
async fn history_that_grew_long_goes_on_on_a_page_of_its_own() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "line\n".repeat(1000));
    let answer = home.get("/logs/older?before=web:5000&depth=7").await;
    assert!(answer.body.contains(r#"<a id="older" href="/logs?before="#) && !answer.body.contains("hx-get"));
}

#[tokio::test]
async fn empty_logs_tell_the_next_command() {
    let home = Home::new();
    assert!(home.get("/logs").await.body.contains("pipulate start"));
    let (home, printed) = Home::with_logs();
    printed.print("web", "x\n");
    assert!(home.get("/logs?filter=nothing").await.body.contains("No line has these words"));
    assert_eq!(home.get("/logs?service=unknown").await.status, StatusCode::OK);
    assert_eq!(home.get("/logs?service=..%2f").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        home.get(&format!("/logs?filter={}", "x".repeat(300))).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn a_download_is_a_file_of_plain_text() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "\x1b[31mred\x1b[0m <b>\n");
    printed.print("worker", "other\n");
    let answer = home.get("/logs/download").await;
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"all.log\""));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let mut lines: Vec<&str> = answer.body.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web | red <b>", "worker | other"]);
    let one = home.get("/logs/download?service=web").await;
    assert_eq!(one.header("content-disposition"), Some("attachment; filename=\"web.log\""));
    assert_eq!(one.body, "red <b>\n");
}
