use std::time::Duration;

use super::*;

#[track_caller]
fn becomes(markdown: &str, html: &str) {
    assert_eq!(render(markdown).into_string(), html, "{markdown}");
}

#[test]
fn code_of_an_answer_is_marked_and_can_be_used_once_its_block_is_closed() {
    let [open, closed] =
        ["```python\nx = \"1\"", "```python\nx = \"1\"\n```"].map(|text| answer(text).into_string());
    assert!(open.contains("Copy") && !open.contains("Insert into") && !open.contains("hl-string"), "{open}");
    assert!(closed.contains("value=\"x = &quot;1&quot;\n\"") && closed.contains("hl-string"), "{closed}");
    assert!(!answer("```bash\nls\n```\n").into_string().contains("Insert into"));
    let preview = render("```\nx\n```").into_string();
    assert!(!preview.contains("<button"), "{preview}");
}

#[test]
fn an_answer_leads_to_files_and_shows_only_attached_images() {
    let shown = answer("see `a.py:3` and `a b`").into_string();
    assert!(
        shown.contains("name=\"path\" value=\"a.py\"") && shown.matches("<button").count() == 1,
        "{shown}"
    );
    let known = |name: &str| (name == "a.png").then(|| "/a?\"".to_owned());
    let shown = with_attachments("![one *two* ![x](y)](attachment:a.png) ![b](attachment:b.png)", &known);
    assert_eq!(
        shown.into_string(),
        "<p><img src=\"/a?&quot;\" alt=\"one two x\" loading=\"lazy\" decoding=\"async\"> <em>[b]</em></p>"
    );
}

#[test]
fn what_people_write_is_shown_as_it_is_meant() {
    becomes("Hello *you* **all**", "<p>Hello <em>you</em> <strong>all</strong></p>");
    becomes("# One\n- a\n- `b`", "<h3>One</h3><ul><li>a</li><li><code>b</code></li></ul>");
    becomes("3. x", "<ol start=\"3\"><li>x</li></ol>");
    becomes(
        "a | b\n--|--\n1 | 2",
        "<div class=\"wide\"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>",
    );
    let code = render("```\nif a < b:\n    pass\n```").into_string();
    assert!(code.ends_with("<code>if a &lt; b:\n    pass\n</code></pre></div>"), "{code}");
    assert!(render("<https://a.example/?a&b>").into_string().contains("href=\"https://a.example/?a&amp;b\""));
}

#[test]
fn attack_23_nothing_of_a_strangers_becomes_an_element() {
    becomes("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
    becomes("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>");
    becomes("![seen](https://evil.example/x.png)", "<p><em>[seen]</em></p>");
    becomes("[x](javascript:alert(1)) [y](JavaScript:1) [z](/services/stop)", "<p>x y z</p>");
    becomes("[x](data:text/html,1) [y](//evil.example) [z](vbscript:1)", "<p>x y z</p>");
    let link = render("[x](https://e.example/\"onclick=\"alert(1)) [y](<http://e.example/\" onclick=\"a>)");
    assert!(!link.into_string().contains("\" onclick"));
    becomes(
        "</div><hx-partial hx-target=\"body\">x</hx-partial>",
        "<p>&lt;/div&gt;&lt;hx-partial hx-target=&quot;body&quot;&gt;x&lt;/hx-partial&gt;</p>",
    );
    let fenced = render("```\"><img src=x>\nx\n```").into_string();
    assert!(!fenced.contains("<img"), "{fenced}");
}

#[test]
fn what_is_added_to_a_text_changes_only_its_last_block() {
    let text = "# A\n\none *two*\nthree\n\n- a\n- b\n\n  more\n\n```py\nx = 1\n\ny\n```\n\n---\n\n|a|b|\n|-|-|\n|1|2|\n\n> q\n\nend";
    let mut before: Vec<String> = Vec::new();
    for (end, _) in text.char_indices() {
        let now: Vec<String> = blocks(&text[..end]).into_iter().map(|block| block.0).collect();
        // With fewer blocks, a page gets all of them.
        if now.len() >= before.len() {
            let kept = before.len().saturating_sub(1);
            assert_eq!(now[..kept], before[..kept], "{:?}", &text[..end]);
        }
        before = now;
    }
    assert_eq!(blocks(text).len(), 8);
}

#[test]
fn what_nests_without_end_costs_no_stack() {
    for text in [">", "- ", "*a _b ", "[", "![", "<b>"] {
        render(&text.repeat(20_000));
    }
}

#[test]
fn nothing_stands_deeper_than_a_hundred_levels_and_all_of_it_is_shown() {
    let deep: String = (0..400).map(|level| format!("{}- a\n", "  ".repeat(level))).collect();
    for (text, open, close) in [
        (format!("{} x", ">".repeat(60_000)), "<blockquote>", "</blockquote>"),
        (format!("{}x", "- ".repeat(60_000)), "<ul>", "</ul>"),
        (format!("{}x", "1. ".repeat(40_000)), "<ol", "</ol>"),
        (format!("{}x{}", "*a **b ".repeat(5_000), "** *".repeat(5_000)), "<em>", "</em>"),
        (deep, "<ul>", "</ul>"),
    ] {
        let html = render(&text).into_string();
        let (mut depth, mut deepest) = (0_usize, 0);
        for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with("br")) {
            depth = if tag.starts_with('/') { depth - 1 } else { depth + 1 };
            deepest = deepest.max(depth);
        }
        assert!(depth == 0 && deepest <= DEEPEST, "{open}: {deepest} levels, {depth} left open");
        assert_eq!(html.matches(open).count(), html.matches(close).count());
        assert_eq!(html.matches('x').count(), text.matches('x').count(), "{open}");
    }
}

#[test]
fn an_answer_takes_time_in_proportion_to_its_length() {
    // The best of a few, as CPU time of this thread, which excludes other load. The thread's own clock is
    // exact where /proc may be a tick behind.
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap()
    };
    let cost = |text: &str| {
        let measure = || {
            let begin = cpu();
            render(text);
            cpu() - begin
        };
        (0..5).map(|_| measure()).min().unwrap().as_secs_f64()
    };
    // Each line is inside everything that the first one opened.
    for marker in ["> ", "- ", "1. "] {
        let text = |length: usize| format!("{}a\n{}", marker.repeat(length), "b\n".repeat(2 * length));
        let ratio = cost(&text(8_000)) / cost(&text(500));
        // Linear growth would be 16, quadratic 256.
        assert!(ratio < 64.0, "{marker}: sixteen times the length takes {ratio:.1} times as long");
    }
}
