//! `pipulate.toml`: the schema accepts what the program accepts, and an error names the right form.

use std::process::Stdio;

use serde_json::Value;

use crate::support::project::python;
use crate::support::{Session, TestProject, run};

/// Accepted by both.
const RIGHT: &[&str] = &[
    "",
    include_str!("../../crates/pipulate/starter/pipulate.toml"),
    "[project]\nname = 'x'\n[python]\nvenv = 'v'\ninterpreter = '/p'\nrequirements = 'r'\nprobe = []\n",
    "[browser]\nopen = false\n",
    "[browser]\nopen = ['server', 'mine']\n",
    "[ollama]\nhost = 'http://h'\nmodel = 'm'\ngreet = 'always'\n[secrets]\nrequired = ['A_1', '_b']\n",
    "[logs]\nmax_size = '512 KiB'\nkeep = 0\n",
    "[services.jupyter]\nport = 65535\nwatch = []\n[services.server]\nwatch = ['*.py', 'a/**']\nenabled = false\n",
    "[services.w]\ncommand = ['python', '']\nready = 'none'\nrestart = 'never'\nenv = { A = 'b' }\nenv_file = '.env'\n",
    "[services.w]\ncommand = ['a']\nready = { http = '/h', timeout = '1.5m' }\nstop = { signal = 'USR1', timeout = '7' }\n",
    "[services.w]\ncommand = ['a']\nready = { tcp = true }\ndepends_on = ['jupyter']\n",
    "[services.w]\ncommand = ['a']\nready = { log = 'up' }\nstop = {}\n",
];

/// Refused by both.
const WRONG: &[&str] = &[
    "nmae = 'x'\n",
    "project = 'x'\n",
    "[project]\nname = 5\n",
    "[python]\nprobe = 'numpy'\n",
    "[browser]\nopen = 'server'\n",
    "[browser]\nopen = ['a b']\n",
    "[ollama]\ngreet = 'sometimes'\n",
    "[secrets]\nrequired = 'KEY'\n",
    "[secrets]\nrequired = ['sk-1']\n",
    "[logs]\nmax_size = 10\n",
    "[logs]\nmax_size = '10MB'\n",
    "[logs]\nkeep = -1\n",
    "[services.jupyter]\nport = 0\n",
    "[services.jupyter]\nport = 65536\n",
    "[services.jupyter]\nport = '8888'\n",
    "[services.jupyter]\nwatch = ['*.py']\n",
    "[services.jupyter]\nenabled = 'yes'\n",
    "[services.w]\n",
    "[services.w]\ncommand = []\n",
    "[services.w]\ncommand = ['']\n",
    "[services.w]\ncommand = 'python worker.py'\n",
    "[services.w]\ncommand = ['sleep', 5]\n",
    "[services.w]\ncommand = ['a']\nwatch = '*.py'\n",
    "[services.w]\ncommand = ['a']\ndepends_on = 'jupyter'\n",
    "[services.w]\ncommand = ['a']\nready = 'soon'\n",
    "[services.w]\ncommand = ['a']\nready = {}\n",
    "[services.w]\ncommand = ['a']\nready = { tcp = false }\n",
    "[services.w]\ncommand = ['a']\nready = { tcp = true, http = '/' }\n",
    "[services.w]\ncommand = ['a']\nready = { http = 'h' }\n",
    "[services.w]\ncommand = ['a']\nready = { tcp = true, timeout = 60 }\n",
    "[services.w]\ncommand = ['a']\nready = { tcp = true, timeout = 'soon' }\n",
    "[services.w]\ncommand = ['a']\nrestart = 'maybe'\n",
    "[services.w]\ncommand = ['a']\nstop = { signal = 'term' }\n",
    "[services.w]\ncommand = ['a']\nstop = '10s'\n",
    "[services.w]\ncommand = ['a']\nenv = { A = 5 }\n",
    "[services.w]\ncommand = ['a']\nenv = { 'A=B' = 'x' }\n",
    "[services.w]\ncommand = ['a']\nenv = { '' = 'x' }\n",
    "[services.w]\ncommand = ['a']\nenv = { A = \"a\\u0000b\" }\n",
    "[services.w]\ncommand = ['a', \"a\\u0000b\"]\n",
    "[services.w]\ncommand = ['a']\nenv = ['A=B']\n",
    "[services.w]\ncommand = ['a']\nstop = { signal = 15 }\n",
    "[services.w]\ncommand = ['a']\nrestart = true\n",
    "[services.w]\ncommand = ['a']\ncomand = ['a']\n",
    "[services.'a/b']\ncommand = ['a']\n",
    "[services.supervisor]\ncommand = ['a']\n",
];

/// Validates each text; prints one `true` or `false` for each.
const ASK_PYTHON: &str = "
import json, sys
try: import tomllib
except ImportError: from pip._vendor import tomli as tomllib
from jsonschema import Draft7Validator
question = json.load(sys.stdin)
Draft7Validator.check_schema(question['schema'])
validator = Draft7Validator(question['schema'])
json.dump([validator.is_valid(tomllib.loads(text)) for text in question['texts']], sys.stdout)
";

#[test]
fn the_schema_allows_what_the_program_takes_and_nothing_else() {
    let project = TestProject::light().build();
    let schema: Value = serde_json::from_str(&project.run(&["config", "--schema"]).expect(0).stdout).unwrap();
    let texts: Vec<&str> = RIGHT.iter().chain(WRONG).copied().collect();
    let mut check = project.foreign(python());
    check.args(["-c", ASK_PYTHON]).stdin(Stdio::piped());
    let question = serde_json::json!({ "schema": schema, "texts": texts }).to_string();
    let answer = run::output_of(&mut check, &question).expect(0).stdout;
    let answer: Vec<bool> = serde_json::from_str(&answer).unwrap();
    for (at, (text, allowed)) in texts.iter().zip(answer).enumerate() {
        assert_eq!(allowed, at < RIGHT.len(), "by the schema: {text}");
        project.write("pipulate.toml", text);
        let shown = project.run(&["config", "--show"]);
        assert_eq!(shown.code == Some(0), allowed, "by the program: {text}\n{}", shown.stderr);
    }
}

/// The README's example.
fn example() -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_readmes_example_works_in_an_empty_folder() {
    let project = TestProject::light().build();
    let port = project.port("server").to_string();
    let example = example().replace("8888", &project.port("jupyter").to_string()).replace("9000", &port);
    assert!(example.contains(&port), "{example}");
    project.write("pipulate.toml", &format!("{example}\n[services.server]\nenabled = false\n"));
    // Its packages are the default ones of a folder without a list.
    let findings = project.run(&["doctor", "--json"]).stdout;
    assert!(!findings.contains("requirements.txt is not there"), "{findings}");
    project.start(&[]);
    for service in ["jupyter", "files"] {
        assert_eq!(project.service(service)["state"], "ready");
    }
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_config_shows_can_take_the_files_place() {
    let project = TestProject::light().build();
    for text in ["", example()] {
        project.write("pipulate.toml", text);
        let shown = project.run(&["config", "--show"]).expect(0).stdout;
        let doctor = || doctor_without_ports(&project);
        let before = doctor();
        project.write("pipulate.toml", &shown);
        assert_eq!(project.run(&["config", "--show"]).expect(0).stdout, shown);
        assert_eq!(doctor(), before);
    }
}

/// The findings of `doctor` but two kinds: whether there is a pipulate.toml, and which ports are in use,
/// since other tests may use the default ones at any moment.
fn doctor_without_ports(project: &TestProject) -> Vec<Value> {
    let said: Value =
        serde_json::from_str(&project.redact(&project.run(&["doctor", "--json"]).stdout)).unwrap();
    let is_meant = |finding: &&Value| {
        let id = finding["id"].as_str().unwrap();
        id != "config.valid" && !id.starts_with("port.")
    };
    said["findings"].as_array().unwrap().iter().filter(is_meant).cloned().collect()
}

#[test]
fn what_is_written_in_another_form_is_answered_with_the_right_one() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    for text in [
        "[services.w]\ncommand = \"python worker.py\"\n",
        "[services.w]\ncommand = \"python worker.py > out.txt\"\n",
        "[services.w]\ncommand = [\"sleep\", 5]\n",
        "[services.w]\ncommand = 5\n",
        "[services.server]\nport = \"5001\"\n",
        "[services.server]\nport = 70000\n",
        "[services.server]\nenabled = \"yes\"\n",
        "[services.server]\nwatch = \"*.py\"\n",
        "[services.server]\nenv = { DEBUG = 1 }\n",
        "[services.server]\nready = { tcp = true, timeout = 60 }\n",
        "[services.server]\nstop = { timeout = \"ten seconds\" }\n",
        "[services.server]\nstop = \"5s\"\n",
        "[services.server]\nstop = { signal = 15 }\n",
        "[services.server]\nrestart = true\n",
        "[services.server]\nenv = { \"A=B\" = \"x\" }\n",
        "[services.server]\nenv = { \"\" = \"x\" }\n",
        "[services.server]\nenv = { A = \"a\\u0000b\" }\n",
        "[services.server]\nenv = [\"A=B\"]\n",
        "[services.server]\nenv = { API_KEY = \"****\" }\n",
        "[services.server]\ncommand = [\"a\\u0000b\"]\n",
        "[services]\nw = \"python w.py\"\n",
        "[logs]\nkeep = \"5\"\n",
        "logs = 5\n",
        "[logs]\nmax_size = 1048576\n",
        "[secrets]\nrequired = [\"sk-hush-hush\"]\n",
        "[secrets]\nrequired = \"OPENAI_API_KEY\"\n",
    ] {
        project.write("pipulate.toml", text);
        session.run(&["config", "--show"], 1);
    }
    insta::assert_snapshot!(session.text());
}
