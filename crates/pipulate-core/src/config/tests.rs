use std::time::Duration;

use super::*;

#[test]
fn an_empty_file_means_every_default() {
    let config = Config::parse("").unwrap();
    assert_eq!(
        config.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["jupyter", "server", "dashboard"]
    );
    assert_eq!(config.python.venv, PathBuf::from(".venv"));
    assert_eq!(config.python.probe, None);
    assert_eq!(config.browser.len(), 2);
    assert_eq!(config.logs, LogLimits { max_size: 10 << 20, keep: 5 });
}

#[test]
fn the_names_behind_a_proxy_are_read() {
    let config = Config::parse("[web]\nusers = [\"caddy\"]\nhosts = [\"App.example.org\"]\n").unwrap();
    assert_eq!(config.web_hosts.iter().map(WebHost::as_str).collect::<Vec<_>>(), ["app.example.org"]);
}

#[test]
fn the_whole_documented_file_is_read() {
    let config = Config::parse(
        r#"
        [project]
        name = "demo"
        [python]
        venv = ".venv"
        interpreter = "/path/to/python"
        requirements = "requirements.txt"
        probe = ["numpy"]
        [browser]
        open = false
        [ollama]
        host = "http://127.0.0.1:11434"
        model = "llama3.1"
        greet = "loaded"
        [secrets]
        required = ["OPENAI_API_KEY"]
        [logs]
        max_size = "10MiB"
        keep = 5
        [services.jupyter]
        port = 8888
        [services.worker]
        command = ["python", "worker.py"]
        ready = { http = "/health", timeout = "60s" }
        restart = "on-failure"
        stop = { signal = "TERM", timeout = "10s" }
        watch = ["*.py"]
        depends_on = ["jupyter"]
        env = { KEY = "value" }
        env_file = ".env"
        enabled = true
        "#,
    )
    .unwrap();
    let worker = config.service("worker").unwrap();
    assert_eq!(
        worker.ready,
        Some(Readiness::Http {
            path: "/health".to_owned(),
            any_status: false,
            timeout: Duration::from_secs(60)
        })
    );
    assert!(config.browser.is_empty());
}

/// A need of a disabled service.
const DISABLED: &str =
    "[services.jupyter]\nenabled = false\n[services.w]\ncommand = [\"a\"]\ndepends_on = [\"jupyter\"]\n";

#[test]
fn what_is_disabled_itself_may_need_what_is() {
    let config = Config::parse(&format!("{DISABLED}enabled = false\n")).unwrap();
    assert_eq!(config.service("w").unwrap().depends_on.len(), 1);
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    for (text, wanted) in [
        ("[services.jupyter]\nprot = 8888\n", "line 2, column 1"),
        ("[web]\nhosts = [\"https://a.example/\"]\n", "write \"a.example\""),
        ("[services.jupyter]\nport = 0\n", "line 2, column 8"),
        ("[services.jupyter]\nport = 99999\n", "line 2, column 8"),
        ("[service.jupyter]\n", "line 1, column 2"),
        ("[services.\"../x\"]\ncommand = [\"a\"]\n", "is not a service name"),
        ("[services.w]\nport = 1\n", "[services.w] needs a command"),
        ("[services.w]\ncommand = []\n", "command is empty"),
        ("[services.w]\ncommand = [\"a\"]\nready = \"soon\"\n", "write ready ="),
        ("[services.w]\ncommand = [\"a\"]\ndepends_on = [\"x\"]\n", "line 3, column 15"),
        ("[services.w]\ncommand = [\"a\"]\ndepends_on = [\"x\"]\n", "which is no service"),
        ("[services.w]\ncommand = [\"a\"]\ndepends_on = [\"w\"]\n", "leads back to itself"),
        (DISABLED, "line 5, column 15"),
        (DISABLED, "[services.w] depends_on names jupyter, which is disabled"),
        ("[services.w]\ncommand = [\"a\"]\nready = { log = \"* Running on\" }\n", "line 3, column 9"),
        (
            "[services.w]\ncommand = [\"a\"]\nready = { log = \"* Running on\" }\n",
            r"text: log = '\* Running on'",
        ),
        (
            "[services.w]\ncommand = [\"a\"]\nready = { log = \"(it's\" }\n",
            "is not a regular expression: unclosed group",
        ),
        ("[services.jupyter]\nwatch = [\"*.py\"]\n", "would end its kernels"),
        ("[services.jupyter]\nwatch = [\"*.py\"]\n", "line 2, column 10"),
        ("[services.server]\nwatch = [\"*.{py,html}\"]\n", "line 2, column 9"),
        ("[logs]\nmax_size = \"big\"\n", "line 2, column 12"),
        ("= 3\n", "line 1, column 1"),
    ] {
        let message = Config::parse(text).unwrap_err().message;
        assert!(message.contains(wanted), "{text:?} gave {message:?}");
    }
}

#[test]
fn a_circle_is_shown_where_it_begins() {
    let text = "[services.a]\ncommand = [\"a\"]\ndepends_on = [\"jupyter\", \"b\"]\n\
                [services.b]\ncommand = [\"b\"]\ndepends_on = [\"c\"]\n\
                [services.c]\ncommand = [\"c\"]\ndepends_on = [\"b\"]\n";
    let message = Config::parse(text).unwrap_err().message;
    let shown = "error at line 6, column 15\n  |\n6 | depends_on = [\"c\"]\n  |               ^^^\n\
                 [services.b] depends_on leads back to itself";
    assert_eq!(message, shown);
}

/// Services that each need all earlier ones, or only the one before.
fn needy(count: usize, needs: impl Fn(usize) -> std::ops::Range<usize>) -> String {
    let service = |number: usize| {
        let names: Vec<String> = needs(number).map(|needed| format!("\"s{needed}\"")).collect();
        format!("[services.s{number}]\ncommand = [\"x\"]\ndepends_on = [{}]\n", names.join(", "))
    };
    (0..count).map(service).collect()
}

#[test]
fn needs_cost_no_more_than_their_number() {
    // If every path was followed, the first of these would take 2^60 steps and the second one 4,000².
    assert!(Config::parse(&needy(60, |number| 0..number)).is_ok());
    assert!(Config::parse(&needy(4_000, |number| number.saturating_sub(1)..number)).is_ok());
    let circle = needy(4_000, |number| (number + 1) % 4_000..(number + 1) % 4_000 + 1);
    let message = Config::parse(&circle).unwrap_err().message;
    assert!(message.contains("[services.s0] depends_on leads back to itself"), "{message}");
}

#[test]
fn a_line_of_unusual_length_is_not_repeated() {
    let message = Config::parse(&format!("a = \"{}\"\n[x\n", "x".repeat(9_000))).unwrap_err().message;
    assert!(message.contains("line 2"), "{message}");
    let message = Config::parse(&format!("nmae = [{}]\n", "\"long\", ".repeat(9_000))).unwrap_err().message;
    assert!(message.contains("line 1") && message.len() < 1_000, "{message}");
}
