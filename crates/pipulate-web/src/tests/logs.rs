//! The logs' pages: showing output, and safety.

use axum::http::StatusCode;

use super::fake::Home;

/// The contents of the log's element.
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
    assert!(
        shown.contains(">overwritten<") && shown.contains(">shown<") && shown.contains("invalid \u{fffd}")
    );
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
    assert!(log(&home.get("/logs").await.body).contains(r#"<span class="who" data-color="0">web </span>"#));
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

/// The target of the link with this id.
fn link(page: &str, id: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<a id=\"{id}\" href=\""))?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&"))
}

#[tokio::test]
async fn newer_lines_go_forward_to_the_last_one_and_no_line_is_missing_or_twice() {
    let (home, printed) = Home::with_logs();
    for number in 0..400 {
        printed.print("web", format!("<web {number}>\n"));
        printed.print("worker", format!("<worker {number}>\n"));
    }
    let mut address = "/logs?from=".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = home.get(&address).await.body;
        let lines = page.split("class=\"text\">").skip(1);
        seen.extend(lines.map(|line| line.split_once('<').unwrap().0.to_owned()));
        let Some(newer) = link(&page, "newer") else { break };
        let older = link(&page, "older");
        assert_eq!(older.is_none(), address == "/logs?from=", "{older:?}");
        address = newer;
    }
    let of = |name: &str| seen.iter().filter(|line| line.contains(name)).cloned().collect::<Vec<_>>();
    let all = |name: &str| (0..400).map(|number| format!("&lt;{name} {number}&gt;")).collect::<Vec<_>>();
    assert_eq!((of("web"), of("worker")), (all("web"), all("worker")));
    assert_eq!(seen.len(), 800);
    let fragment = home.get("/logs/newer?service=web&from=web:0&depth=7").await.body;
    assert!(link(&fragment, "newer").is_some() && !fragment.contains("hx-get"), "a page of its own");
    assert!(home.get("/logs?from=web:3890,worker:5090").await.body.contains("There are no newer lines"));
}

#[tokio::test]
async fn a_line_has_an_address_that_shows_it_among_its_neighbours() {
    let (home, printed) = Home::with_logs();
    let lines: String = (100..900).map(|number| format!("<{number}>\n")).collect();
    printed.print("web", lines);
    printed.print("worker", "of another\n");
    let page = home.get("/logs?filter=%3C500").await.body;
    let address = page.split_once("class=\"line\"").unwrap().1.split_once("href=\"").unwrap().1;
    let address = address.split_once('"').unwrap().0.replace("&amp;", "&");
    assert_eq!(address, "/logs?service=web&line=2400#line");
    assert!(page.contains("aria-label=\"Link to this line\""));
    let page = home.get(address.trim_end_matches("#line")).await.body;
    let marked = page.split_once("id=\"line\"").unwrap().1.split_once("</div>").unwrap().0;
    assert!(marked.contains("aria-current=\"true\"") && marked.contains("&lt;500&gt;"), "{marked}");
    assert!(page.contains("&lt;499&gt;") && page.contains("&lt;501&gt;") && !page.contains("of another"));
    assert!(link(&page, "older").is_some() && link(&page, "newer").is_some());
    assert!(home.get("/logs?service=web&line=999999").await.body.contains("That line is no longer kept"));
    assert_eq!(home.get("/logs?service=web&line=-1").await.status, StatusCode::BAD_REQUEST);
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
    assert!(home.get("/logs?filter=nothing").await.body.contains("No line matches"));
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

#[tokio::test]
async fn what_a_filter_finds_is_counted_marked_and_leads_to_its_neighbours() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "GET /a 200\nGET /b 404\n\x1b[31mGET\x1b[0m /c 404\nget /d 500\n");
    let page = home.get("/logs?service=web&filter=get+%2F%5Bbc%5D&regex=on").await.body;
    assert!(page.contains("<data value=\"2\">2</data> lines match"), "{page}");
    assert!(
        page.contains("<mark>GET /b</mark> 404")
            && page.contains("href=\"/logs?service=web&amp;line=11#line\"")
    );
    let colored = "<mark><span class=\"sgr-red\">GET</span></mark><mark> /c</mark> 404";
    assert!(page.contains(colored), "across colors: {page}");
    assert!(!log(&page).contains("tabindex=\"-1\" title"), "a match is reached by Tab");
    let page = home.get("/logs?service=web&filter=get&without=404").await.body;
    assert_eq!(page.matches("class=\"line\"").count(), 2);
    for part in ["filter=get", "without=404"] {
        assert!(link(&page, "older").is_none_or(|older| older.contains(part)), "{part}");
        let stream = page.split_once("hx-sse:connect=\"").unwrap().1;
        assert!(stream.split_once('"').unwrap().0.contains(part), "{part}");
    }
    let as_text = home.get("/logs?service=web&filter=%5Bbc%5D").await.body;
    assert!(as_text.contains("No line matches"));
}

#[tokio::test]
async fn what_is_no_expression_and_no_moment_is_said_where_it_was_typed() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "x\n");
    for (query, field, why) in [
        ("filter=(a&regex=on", "filter", "&quot;(a&quot; is not a regular expression: unclosed group"),
        ("without=*&regex=on", "without", "is not a regular expression: repetition operator missing"),
        ("filter=(a%7B1000%7D)%7B1000%7D&regex=on", "filter", "size limit"),
        ("at=soon", "at", "&quot;soon&quot; is not a time: write"),
    ] {
        let page = home.get(&format!("/logs?{query}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains(why), "{query}: {}", page.body);
        let wrong = page.body.split_once("aria-invalid").unwrap().0.rsplit_once("name=\"").unwrap().1;
        assert!(wrong.starts_with(field), "{query}: {wrong}");
        assert!(!page.body.contains("id=\"log\""));
    }
    assert_eq!(home.get("/logs/older?before=web:1&filter=(&regex=on").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn levels_are_chosen_and_those_of_json_are_known() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "DEBUG: d\nplain\nERROR: e\n{\"level\":\"warning\",\"text\":\"<w>\",\"n\":[1]}\n");
    let lines = async |query: &str| {
        let page = home.get(&format!("/logs?service=web&{query}")).await.body;
        page.matches("class=\"line\"").count()
    };
    assert_eq!(lines("").await, 4);
    assert_eq!(lines("level=error&level=warning").await, 2);
    assert_eq!(lines("level=debug").await, 1);
    assert_eq!(lines("level=info").await, 1);
    let page = home.get("/logs?service=web&level=warning").await.body;
    assert!(page.contains("data-level=\"warning\"") && page.contains("value=\"warning\" checked"), "{page}");
    let json = "<pre>{\n  &quot;level&quot;: &quot;warning&quot;,\n  &quot;text&quot;: &quot;&lt;w&gt;&quot;,\n  &quot;n&quot;: [\n    1\n  ]\n}</pre>";
    assert!(page.contains(json), "{page}");
}

#[tokio::test]
async fn a_traceback_is_folded_to_its_exception_unless_a_line_of_it_is_meant() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "before\nTraceback (most recent call last):\n  File \"a.py\"\n    1 / 0\nZeroDivisionError: no\nafter\n");
    let page = home.get("/logs?service=web").await.body;
    let fold = page.split_once("<details class=\"fold\">").unwrap().1.split_once("</details>").unwrap().0;
    assert!(fold.contains("ZeroDivisionError: no <small>traceback, 4 lines</small></summary>"), "{fold}");
    assert!(fold.matches("class=\"line\"").count() == 4 && !fold.contains("after"), "{fold}");
    let page = home.get("/logs?service=web&line=7").await.body;
    assert!(page.contains("<details class=\"fold\" open>"), "{page}");
    assert!(!home.get("/logs?service=web&filter=a").await.body.contains("class=\"fold\""));
}

#[tokio::test]
async fn a_log_of_one_service_restarts_it_and_leads_to_the_start_of_its_run() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "x\n");
    printed.print("gone", "y\n");
    let page = home.get("/logs?service=web").await.body;
    assert!(
        page.contains("action=\"/services/web/restart\"") && page.contains("at=last%2Dstart#here"),
        "{page}"
    );
    assert!(!home.get("/logs?service=gone").await.body.contains("/services/gone/restart"));
    assert!(!home.get("/logs").await.body.contains("/restart"));
    let run = home.get("/logs?service=web&at=last-start").await.body;
    assert!(run.contains("From here on: last-start") && run.contains("To the newest lines"), "{run}");
    let later = home.get("/logs?service=web&at=2999-01-01").await.body;
    assert!(
        later.contains("id=\"here\"") && later.contains("class=\"text\">x"),
        "what came before is there: {later}"
    );
}

#[tokio::test]
async fn a_traceback_leads_to_the_folders_files_and_a_restart_back_to_the_log() {
    let (home, printed) = Home::with_logs();
    printed.print("web", "Traceback (most recent call last):\n  File \"/home/ann/demo/worker.py\", line 3, in x\n  File \"/usr/x.py\", line 4\nKeyError: 1\n");
    let page = home.get("/logs?service=web").await.body;
    let button = r#"<button form="open-file" name="path" value="worker.py" class="file" title="Open in JupyterLab, then Edit → Go to Line: 3">worker.py&quot;, line 3</button>, in x"#;
    assert!(page.contains(button) && page.matches("class=\"file\"").count() == 1, "{page}");
    assert!(page.contains("<input type=\"hidden\" name=\"from\" value=\"logs\">"), "{page}");
    let answer = home.post("/services/web/restart", "from=logs").await;
    assert_eq!(answer.header("location"), Some("/logs?service=web&told"));
    assert!(
        home.get("/logs?service=web&told").await.body.contains(": Web was asked to restart"),
        "what was done is told there"
    );
    assert!(!home.get("/logs?service=web").await.body.contains(": Web was asked to restart"));
}
