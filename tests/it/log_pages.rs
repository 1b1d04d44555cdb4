//! Log pages: following, leaving, scrolling back, and links.

use serde_json::Value;

use crate::pages::{address, print, project, signed_in, violations};
use crate::support::{Browser, TestProject, holds, run};

/// The number of lines shown, and of distinct ones.
fn lines(browser: &mut Browser) -> (u64, u64) {
    let texts = "[...document.querySelectorAll('#log .text')].map(text => text.textContent)";
    let count = browser.measure(&format!("{texts}.length")).as_u64().unwrap();
    (count, browser.measure(&format!("new Set({texts}).size")).as_u64().unwrap())
}

#[test]
fn a_log_is_followed_left_and_gone_back_in_without_a_gap() {
    let project = project();
    let old: String = (0..1000).map(|number| format!("old {number}\n")).collect();
    print(&project, &old);
    let mut browser = signed_in(&project);
    browser.open(&address(&project, "/logs?service=printer"));
    browser.wait_for_text("#log", "old 999");
    print(&project, "<b>new</b> \x1b[31mred\x1b[0m\n");
    browser.wait_for_text("#log", "<b>new</b> red");
    assert_eq!(browser.measure("document.querySelectorAll('#log b').length"), 0);
    browser.wait_for_text("#follow", "Following");
    browser.view_through("light", 360, 600);
    assert_eq!(browser.measure("document.documentElement.scrollHeight"), 600, "its buttons are in view");
    holds("the end in view", || {
        browser.measure("(log => log.scrollHeight - log.scrollTop - log.clientHeight < 2)(document.querySelector('#log'))") == true
    });
    browser.wait_for_text("#follow", "Following");

    // Scrolled up, the view stays in place, and older lines load by themselves.
    browser.measure("document.querySelector('#log').scrollTop = 0");
    browser.wait_for_text("#follow", "Follow");
    holds("the first line", || {
        browser.measure("document.querySelector('#older')?.scrollIntoView()");
        browser.text("#log").contains("old 0\n")
    });
    assert_eq!(lines(&mut browser), (1001, 1001));
    print(&project, "meanwhile\n");
    browser.click("#follow");
    browser.wait_for_text("#log", "meanwhile");
    browser.wait_for_text("#follow", "Following");
    print(&project, "and on\n");
    browser.wait_for_text("#log", "and on");
    assert_eq!(lines(&mut browser), (1003, 1003), "no line twice");

    browser.click("#clear");
    assert_eq!(lines(&mut browser), (0, 0));
    print(&project, "after all\n");
    browser.wait_for_text("#log", "after all");
    assert_eq!(lines(&mut browser), (1, 1));
    browser.click("#older");
    browser.wait_for_text("#log", "meanwhile");
    assert!(!browser.text("#log").contains("after all"), "what was cleared away is before it");

    browser.type_into("input[name=filter]", "OLD 77");
    browser.click("search button");
    holds("the filtered page", || lines(&mut browser) == (11, 11));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// The first visible line, and its distance below the log's upper edge.
fn place(browser: &mut Browser) -> (String, i64) {
    let first = "(log => { const top = log.getBoundingClientRect().top; \
        const line = [...log.querySelectorAll('.line')].find(line => line.getBoundingClientRect().top >= top); \
        return [line.querySelector('.text').textContent, Math.round(line.getBoundingClientRect().top - top)]; \
        })(document.querySelector('#log'))";
    serde_json::from_value(browser.measure(first)).unwrap()
}

/// The distance of the line with this text below the log's upper edge; `None` if it is out of view.
fn place_of(browser: &mut Browser, text: &str) -> Option<i64> {
    let find = format!(
        "(log => {{ const edge = log.getBoundingClientRect(); \
         const line = [...log.querySelectorAll('.line')].find(line => line.querySelector('.text').textContent === {text:?}); \
         const at = line?.getBoundingClientRect(); \
         return at && at.top >= edge.top - 1 && at.bottom <= edge.bottom + 1 ? Math.round(at.top - edge.top) : null; \
         }})(document.querySelector('#log'))"
    );
    browser.measure(&find).as_i64()
}

const ABOVE: &str = "document.querySelector('#log').scrollTop = 0";
const BELOW: &str = "(log => { log.scrollTop = log.scrollHeight; })(document.querySelector('#log'))";

#[test]
fn older_and_newer_lines_keep_the_readers_place() {
    let project = project();
    let old: String = (10_000..14_000).map(|number| format!("old {number}\n")).collect();
    print(&project, &old);
    let mut browser = signed_in(&project);
    browser.open(&address(&project, "/logs?service=printer"));
    browser.wait_for_text("#log", "old 13999");
    // Loaded automatically up to the limit, then one page after a click.
    let first = |page: u64| 13_700 - 300 * page;
    for page in 0..8 {
        browser.measure(ABOVE);
        let (text, before) = (format!("old {}", first(page)), place(&mut browser).1);
        browser.wait_for_text("#log", &format!("old {}\n", first(page + 1)));
        let after = place_of(&mut browser, &text);
        assert!(after.is_some_and(|after| (after - before).abs() <= 40), "{text}: {before}, {after:?}");
    }
    browser.measure(ABOVE);
    browser.click("#older");
    browser.wait_for_text("#log", &format!("old {}\n", first(9)));
    let last = format!("old {}", first(8) - 1);
    holds("what comes before the line that was read in view", || place_of(&mut browser, &last).is_some());
    // Older lines load above it, newer ones below.
    browser.measure(ABOVE);
    browser.wait_for_text("#log", &format!("old {}\n", first(10)));
    let text = format!("old {}", first(9));
    assert!(place_of(&mut browser, &text).is_some(), "{:?}", place(&mut browser));
    browser.measure(BELOW);
    let before = place_of(&mut browser, &last);
    browser.click("#newer");
    browser.wait_for_text("#log", &format!("old {}\n", first(8)));
    assert_eq!((place_of(&mut browser, &last), before.is_some()), (before, true));
    let (shown, different) = lines(&mut browser);
    assert_eq!((shown, different), (900, 900));
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()));

    let (text, _) = place(&mut browser);
    browser.click(".line:nth-of-type(5) a[aria-label='Link to this line']");
    browser.wait_for_text(".line[aria-current]", "old ");
    let linked = browser.text(".line[aria-current] .text");
    assert!(place_of(&mut browser, &linked).is_some(), "{text}: {linked} is in view");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn older_and_newer_lines_keep_the_readers_place_without_javascript() {
    let project = project();
    let old: String = (10_000..12_000).map(|number| format!("old {number}\n")).collect();
    print(&project, &old);
    let mut browser = signed_in(&project);
    browser.switch_javascript_off();
    browser.open(&address(&project, "/logs?service=printer"));
    browser.wait_for_text("#log", "old 11999");
    browser.click("#older");
    browser.wait_for_text("#log", "old 11400");
    holds("the line before those that were read", || place_of(&mut browser, "old 11699").is_some());
    browser.click("#older");
    holds("the line before those that were read", || place_of(&mut browser, "old 11399").is_some());
    browser.click("#newer");
    holds("the line after those that were read", || place_of(&mut browser, "old 11400").is_some());
    browser.click(".line:nth-of-type(100) a[aria-label='Link to this line']");
    browser.wait_for_text(".line[aria-current]", "old 11499");
    holds("it in view", || place_of(&mut browser, "old 11499").is_some());
}

#[test]
fn a_hundred_thousand_lines_are_no_large_page() {
    let project = project();
    let mut browser = signed_in(&project);
    browser.open(&address(&project, "/logs"));
    print(&project, "begin\n");
    browser.wait_for_text("#log", "begin");
    for part in 0..100 {
        let lines: String = (0..1000).map(|number| format!("line {}\n", part * 1000 + number)).collect();
        print(&project, &lines);
    }
    browser.wait_for_text("#log", "line 99999");
    let (shown, different) = lines(&mut browser);
    assert!(shown <= 2300, "{shown} lines are in the page");
    assert_eq!(shown, different);
}

#[test]
fn an_open_page_masks_secrets_that_were_set_since() {
    let printer = "[services.printer]\nenv_file = \"printer.env\"\n\
        command = [\"tail\", \"-n\", \"+1\", \"-F\", \"lines\"]\n";
    let project = TestProject::light().config(printer).file("lines", "").file("printer.env", "A=1\n").build();
    project.start(&[]);
    let mut browser = signed_in(&project);
    browser.open(&address(&project, "/logs?service=printer"));
    print(&project, "begin\n");
    browser.wait_for_text("#log", "begin");
    run::output_of(&mut project.command(&["secret", "set", "B_KEY"]), "set-meanwhile").expect(0);
    project.write("printer.env", "C_KEY=also-new\n");
    print(&project, "set-meanwhile and also-new\n");
    browser.wait_for_text("#log", "**** and ****");
    project.write("printer.env", "C_KEY=newer-still\n");
    print(&project, "newer-still, before: also-new\n");
    browser.wait_for_text("#log", "****, before: ****");
}

#[test]
fn a_match_is_counted_marked_and_opens_among_its_neighbours() {
    let project = project();
    let rows: String = (100..400).map(|number| format!("row {number}\n")).collect();
    print(&project, &rows);
    print(
        &project,
        "Traceback (most recent call last):\n  File \"a.py\", line 1\n    1 / 0\nZeroDivisionError: no\n",
    );
    print(&project, "{\"level\":\"debug\",\"row\":[1]}\n");
    let mut browser = signed_in(&project);
    browser.open(&address(&project, "/logs?service=printer"));
    browser.wait_for_text("#log .fold summary", "ZeroDivisionError: no");
    assert!(!browser.text("#log").contains("1 / 0"), "folded");
    browser.click("#log .fold summary");
    browser.wait_for_text("#log .fold", "1 / 0");
    browser.click("#log .line details summary");
    browser.wait_for_text("#log .line pre", "\"row\": [\n    1\n  ]");
    browser.click("#wrap");
    let wrapping = "getComputedStyle(document.querySelector('.line')).whiteSpace";
    holds("long lines as they are", || browser.measure(wrapping) == "pre");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()));

    browser.type_into("input[name=filter]", "row 2[05]0$");
    browser.click("#choice summary");
    browser.click("input[name=regex]");
    browser.press("Enter");
    browser.wait_for_text("#found", "2 lines match");
    assert_eq!(browser.text("#log mark"), "row 200");
    assert_eq!(browser.measure(wrapping), "pre", "remembered");
    print(&project, "row 250\nrow 251\n");
    browser.wait_for_text("#found", "3 lines match");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()));
    browser.click(".line a");
    browser.wait_for_text(".line[aria-current]", "row 200");
    holds("its neighbours in view", || {
        place_of(&mut browser, "row 199").is_some() && place_of(&mut browser, "row 201").is_some()
    });
    browser.open(&address(&project, "/logs?service=printer&at=last-start#here"));
    browser.wait_for_text("#here", "From here on");
    assert!(place_of(&mut browser, "row 100").is_some());
    assert!(browser.text("#log").contains("Started at"), "{}", browser.text("#log"));

    browser.click("input[value=info]");
    holds("the levels that are left", || lines(&mut browser).0 == 5);
    browser.open(&address(&project, "/logs?filter=(a&regex=on"));
    browser.wait_for_text("#wrong", "unclosed group");
    assert_eq!(violations(&mut browser), Value::Array(Vec::new()));
    assert_eq!(browser.complaints(), [""; 0]);
}
