//! Homes with real damage, examined for real.

mod around;
mod home;
mod inside;
mod strangers;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use pipulate_core::finding::Fix;

use super::*;
use home::{Home, mode};

#[test]
fn a_healthy_home_has_nothing_to_complain_of() {
    let mut home = Home::set_up();
    fs::write(home.path("server.py"), "from fasthtml.common import *\nserve(host='127.0.0.1')\n").unwrap();
    fs::write(home.path(".env"), "").unwrap();
    fs::set_permissions(home.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let jupyter = ServiceName::parse("jupyter").unwrap();
    home.ports = vec![PortFact { service: jupyter, port: 8888, state: PortState::Ours }];
    home.write_program("bash", "echo builtin");
    home.give_pip();
    assert_eq!(home.complaints(), Vec::<String>::new());
    let root = home.root().canonicalize().unwrap().display().to_string();
    let lines: Vec<String> = home
        .examine()
        .iter()
        .map(|finding| {
            format!("{} {}: {}", finding.status.word(), finding.id, finding.title.replace(&root, "HOME"))
        })
        .collect();
    let mut filters = insta::Settings::clone_current();
    filters.add_filter(r"version: \d+\.\d+\.\d+", "version: X.Y.Z");
    filters.add_filter(r"Python \d+\.\d+\.\d+", "Python X.Y.Z");
    filters.add_filter(r"may have .* files open", "may have N files open");
    filters.add_filter(r": /\S+python\S*|runs /\S+", " PYTHON");
    filters.bind(|| insta::assert_snapshot!(lines.join("\n")));
}

#[test]
fn the_ids_are_the_same_whatever_is_found() {
    let ids = |home: &Home| home.examine().into_iter().map(|finding| finding.id).collect::<Vec<_>>();
    let broken = Home::new();
    fs::write(broken.path("pipulate.toml"), "[").unwrap();
    assert_eq!(ids(&Home::new()), ids(&broken));
}

#[test]
fn examining_changes_nothing() {
    let home = Home::new();
    home.examine();
    assert_eq!(fs::read_dir(home.root()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_was_never_set_up_is_no_failure() {
    let home = Home::new();
    assert_eq!(home.complaints(), ["venv.whole warning"]);
    assert_eq!(home.mending("venv.whole"), ("pipulate -C HOME setup".to_owned(), true));
}

#[test]
fn where_nothing_can_be_made_one_thing_is_wrong_and_nothing_is_promised() {
    let home = Home::new();
    fs::write(home.path(".pipulate"), "").unwrap();
    assert_eq!(home.complaints(), ["project.private failure", "venv.whole warning"]);
    assert_eq!(home.mending("venv.whole"), (String::new(), false));
    assert!(home.finding("venv.whole").fix.unwrap().text.contains("project.private"));
}

#[test]
fn a_venv_that_is_gone_is_a_failure() {
    let home = Home::set_up();
    fs::remove_dir_all(home.path(".venv")).unwrap();
    assert_eq!(home.complaints(), ["venv.whole failure"]);
    assert_eq!(home.mending("venv.whole"), ("pipulate -C HOME setup".to_owned(), true));
}

#[test]
fn a_dangling_interpreter_is_made_anew_only_where_it_was_ours_and_nothing_runs() {
    let mut home = Home::set_up();
    fs::remove_file(home.path(".venv/bin/python")).unwrap();
    symlink("/gone/python3.11", home.path(".venv/bin/python")).unwrap();
    assert_eq!(home.complaints(), ["venv.python failure"]);
    assert!(home.finding("venv.python").detail.contains("/gone/python3.11"));
    assert_eq!(home.mending("venv.python"), ("pipulate -C HOME setup".to_owned(), true));
    home.alive = true;
    assert_eq!(home.mending("venv.python"), ("pipulate -C HOME stop".to_owned(), false));
    home.alive = false;
    fs::write(home.path("uv.lock"), "").unwrap();
    assert!(!home.mending("venv.python").1, "another package manager looks after it");
    fs::remove_file(home.path(".pipulate/setup.json")).unwrap();
    assert_eq!(home.mending("venv.python"), ("pipulate -C HOME setup --recreate".to_owned(), false));
}

#[test]
fn a_python_that_is_another_one_is_noticed() {
    let home = Home::set_up();
    let python = home.path(".venv/bin/python");
    let real = python.canonicalize().unwrap();
    fs::remove_file(&python).unwrap();
    fs::write(&python, format!("#!/bin/sh\nexec {} \"$@\"\n", real.display())).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let finding = home.finding("venv.python");
    assert_eq!(finding.status, FindingStatus::Failure);
    assert!(finding.detail.contains("says that it belongs to"), "{}", finding.detail);
}

#[test]
fn a_module_that_does_not_import_says_why() {
    let home = Home::set_up();
    home.write_module(
        "numpy",
        "raise ImportError('libz.so.1: cannot open shared object file: No such file')",
    );
    home.write_module("jupyterlab", "import nothing_of_this_name");
    assert_eq!(home.complaints(), ["python.numpy failure", "python.jupyterlab failure"]);
    assert!(home.finding("python.numpy").title.contains("libz.so.1"));
    assert!(home.finding("python.jupyterlab").title.contains("nothing_of_this_name"));
    assert_eq!(home.mending("python.jupyterlab"), ("pipulate -C HOME setup".to_owned(), true));
}

#[test]
fn what_is_told_about_a_module_that_is_gone_would_bring_it_back() {
    let mut home = Home::set_up();
    home.write_module("numpy", "import nothing_of_this_name");
    let listed = ["jupyterlab-4", "python_fasthtml-1", "python_dotenv-1"];
    let list = |home: &Home, name: &str| home.write_site(&format!("{name}.dist-info/METADATA"), "");
    listed.iter().for_each(|name| list(&home, name));
    assert_eq!(home.mending("python.numpy"), ("pipulate -C HOME setup".to_owned(), true));

    // An installer checks the metadata, not the files.
    list(&home, "numpy-2");
    assert_eq!(home.mending("python.numpy"), ("pipulate -C HOME setup --recreate".to_owned(), false));
    home.alive = true;
    assert_eq!(home.mending("python.numpy"), ("pipulate -C HOME stop".to_owned(), false));
    home.alive = false;

    // No set-up installs unlisted packages.
    let other = Home::set_up();
    other.write("requirements.txt", "six\n");
    other.write("pipulate.toml", "[python]\nprobe = [\"numpy\"]\n");
    ["jupyterlab-4", "six-1"].iter().for_each(|name| list(&other, name));
    other.write_module("numpy", "import numpy_itself");
    let fix = other.finding("python.numpy").fix.unwrap();
    assert_eq!(fix.command[3..], ["add", "numpy_itself"], "{fix:?}");
    assert!(!fix.automatic);
}

#[test]
fn changed_requirements_are_drift() {
    let home = Home::set_up();
    fs::write(home.path("requirements.txt"), "six\n").unwrap();
    assert_eq!(home.complaints(), ["requirements.current warning"]);
    assert_eq!(home.mending("requirements.current"), ("pipulate -C HOME setup".to_owned(), true));
}

#[test]
fn a_broken_configuration_is_shown_with_its_line_and_blamed_once() {
    let home = Home::set_up();
    fs::write(home.path("pipulate.toml"), "[services.jupyter]\nprot = 8888\n").unwrap();
    assert_eq!(home.complaints(), ["config.valid failure"]);
    assert!(home.finding("config.valid").detail.contains("prot = 8888"));
}

#[test]
fn an_interpreter_that_somebody_else_manages_is_only_run() {
    let home = Home::new();
    fs::write(home.path("pipulate.toml"), "[python]\ninterpreter = \"/gone/python\"\nprobe = []\n").unwrap();
    assert_eq!(home.complaints(), ["python.found failure", "venv.python failure"]);
    assert_eq!(home.finding("venv.whole").status, FindingStatus::Skipped);
}

#[test]
fn secrets_that_others_can_read_are_closed_and_a_link_is_not_followed() {
    let home = Home::new();
    let path = home.path(".env");
    fs::write(&path, "KEY=value\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let finding = home.finding("secrets.permissions");
    assert_eq!((finding.status, finding.fix.as_ref().unwrap().automatic), (FindingStatus::Warning, true));
    let said = fix(&finding, &home.examination(), |_| ()).unwrap();
    assert!(said.contains(".env"), "{said}");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(home.finding("secrets.permissions").status, FindingStatus::Ok);

    let other = home.path("other");
    fs::rename(&path, &other).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&other, &path).unwrap();
    assert!(matches!(fix(&finding, &home.examination(), |_| ()), Err(FixError::Permissions { .. })));
    assert_eq!(mode(&other), 0o644);
    assert!(!home.finding("secrets.permissions").fix.unwrap().automatic);
}

#[test]
fn our_own_program_mends_and_its_words_are_handed_on() {
    let home = Home::new();
    let exe = home.examination().exe;
    fs::write(&exe, "#!/bin/sh\necho \"did $*\"\n[ ! -e \"$2/fail\" ] || { echo no room >&2; exit 1; }\n")
        .unwrap();
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o755)).unwrap();
    let finding = home.finding("venv.whole");
    let mut lines = Vec::new();
    let said = fix(&finding, &home.examination(), |line| lines.push(line.to_owned())).unwrap();
    let root = home.root().canonicalize().unwrap().display().to_string();
    assert_eq!(lines, [format!("did -C {root} setup")]);
    assert_eq!(said, format!("Ran: pipulate -C {root} setup"));
    fs::write(home.path("fail"), "").unwrap();
    let error = fix(&finding, &home.examination(), |_| ()).unwrap_err().to_string();
    assert!(error.contains("code 1"), "{error}");
}

#[test]
fn what_needs_a_decision_is_never_mended() {
    let home = Home::new();
    let finding = warning("port.jupyter", "").command("stop it", ["pipulate", "stop"]);
    assert!(matches!(
        fix(&finding, &home.examination(), |_| ()),
        Err(FixError::NotAutomatic { id: "port.jupyter" })
    ));
    let foreign = warning("port.jupyter", "").fix(Fix::command("", ["rm", "-rf", "x"]).automatic());
    assert!(matches!(fix(&foreign, &home.examination(), |_| ()), Err(FixError::NotAutomatic { .. })));
}

#[test]
fn what_several_findings_need_is_done_once() {
    let setup = || failure("python.numpy", "").fix(Fix::command("", ["pipulate", "setup"]).automatic());
    let chmod = failure("secrets.permissions", "").fix(Fix::command("", ["chmod"]).automatic());
    let findings = [setup(), failure("port.server", "").advice(""), chmod.clone(), setup()];
    assert_eq!(repairs(&findings), [&setup(), &chmod]);
}

#[test]
fn an_opener_that_is_not_installed_is_a_warning() {
    let mut home = Home::new();
    home.unset("PIPULATE_NO_BROWSER");
    home.set("BROWSER", "no-such-browser-zz");
    let finding = home.finding("browser.opener");
    assert_eq!(finding.status, FindingStatus::Warning);
    assert!(finding.detail.contains("no-such-browser-zz"));
    home.set("BROWSER", "sh %s");
    assert_eq!(home.finding("browser.opener").status, FindingStatus::Ok);
}
