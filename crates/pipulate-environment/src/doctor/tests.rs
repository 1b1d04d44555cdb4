//! Homes that are really broken, examined for real.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use pipulate_core::project::AbsPath;
use pipulate_process::command::Command;

use super::*;
use crate::stamp::{Made, Origin, Stamp};
use crate::surroundings::Surroundings;
use crate::venv::{VenvState, inspect};

const AMPLE: Duration = Duration::from_secs(120);

struct Home {
    folder: tempfile::TempDir,
    alive: bool,
    ports: Vec<PortFact>,
    surroundings: Surroundings,
}

impl Home {
    fn new() -> Self {
        let surroundings = Surroundings::default()
            .with("PATH", Surroundings::of_this_process().variable("PATH").unwrap_or_default())
            .with("PIPULATE_PYTHON", python())
            // Port 9 discards: nobody runs Ollama there.
            .with("OLLAMA_HOST", "127.0.0.1:9")
            .with("PIPULATE_NO_BROWSER", "1");
        Self { folder: tempfile::tempdir().unwrap(), alive: false, ports: Vec::new(), surroundings }
    }

    /// With a venv that we made, and modules that are only names.
    fn set_up() -> Self {
        let home = Self::new();
        let made = Command::new(python()).args(["-m", "venv", "--without-pip"]).arg(home.path(".venv"));
        assert!(made.output(AMPLE).unwrap().end.success());
        for module in ["numpy", "jupyterlab", "fasthtml"] {
            home.write_module(module, "");
        }
        home.stamp();
        home
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn layout(&self) -> Layout {
        Layout::new(AbsPath::new(self.root().canonicalize().unwrap()).unwrap())
    }

    fn write_module(&self, name: &str, text: &str) {
        let lib = fs::read_dir(self.path(".venv/lib")).unwrap().next().unwrap().unwrap();
        fs::write(lib.path().join("site-packages").join(format!("{name}.py")), text).unwrap();
    }

    fn stamp(&self) {
        let root = self.layout().inside(".venv").to_path_buf();
        let VenvState::Whole(venv) = inspect(&root) else { panic!("{:?}", inspect(&root)) };
        let python = &pipulate_core::config::Config::parse("").unwrap().python;
        let wanted = crate::requirements::Requirements::read(&self.layout(), python, true).unwrap();
        let installed = crate::stamp::Installed {
            installer: crate::installer::InstallerKind::Pip,
            requirements: wanted.fingerprint,
        };
        fs::create_dir_all(self.path(".pipulate")).unwrap();
        Stamp::Made(Made {
            origin: Origin::Made,
            venv: root,
            identity: venv.identity,
            real_python: venv.real_python,
            version: venv.version.unwrap(),
            installed: Some(installed),
        })
        .write(&self.layout().setup_stamp())
        .unwrap();
    }

    fn examination(&self) -> Examination {
        let text = fs::read_to_string(self.path("pipulate.toml")).unwrap_or_default();
        Examination {
            layout: self.layout(),
            config: Config::parse(&text),
            session: Session { surroundings: self.surroundings.clone(), ..Session::default() },
            exe: self.path("our-program"),
            ports: self.ports.clone(),
            alive: self.alive,
        }
    }

    fn examine(&self) -> Vec<Finding> {
        examine(&self.examination())
    }

    /// What is neither well nor skipped, as `id status`.
    fn complaints(&self) -> Vec<String> {
        let bad = |finding: &Finding| match finding.status {
            FindingStatus::Ok | FindingStatus::Skipped => false,
            FindingStatus::Warning | FindingStatus::Failure => true,
        };
        let findings = self.examine().into_iter().filter(bad);
        findings.map(|finding| format!("{} {}", finding.id, finding.status.word())).collect()
    }

    fn finding(&self, id: &str) -> Finding {
        self.examine().into_iter().find(|finding| finding.id == id).unwrap()
    }

    /// The command that mends it, without our folder, and whether it is done without asking.
    fn mending(&self, id: &str) -> (String, bool) {
        let fix = self.finding(id).fix.unwrap();
        let root = self.root().canonicalize().unwrap().display().to_string();
        (fix.command.join(" ").replace(&root, "HOME"), fix.automatic)
    }
}

/// Found once: version managers take their time.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let around = Surroundings::of_this_process();
    PYTHON.get_or_init(|| crate::python::discover(&around, Path::new("/"), false).unwrap().program)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_healthy_home_has_nothing_to_complain_of() {
    let mut home = Home::set_up();
    fs::write(home.path("server.py"), "from fasthtml.common import *\n").unwrap();
    fs::write(home.path(".env"), "").unwrap();
    fs::set_permissions(home.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let jupyter = ServiceName::parse("jupyter").unwrap();
    home.ports = vec![PortFact { service: jupyter, port: 8888, owner: PortOwner::Ours }];
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
    filters.add_filter(r"Python \d+\.\d+\.\d+", "Python X.Y.Z");
    filters.add_filter(r": /\S+python\S*|runs /\S+", " PYTHON");
    filters.add_filter(r"\d+ [GM]iB", "N GiB");
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
    assert!(finding.detail.contains("it says that it belongs to"), "{}", finding.detail);
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
    let finding = warning("port.jupyter", "").command("stop it", &["pipulate", "stop"], false);
    assert!(matches!(
        fix(&finding, &home.examination(), |_| ()),
        Err(FixError::NotAutomatic { id: "port.jupyter" })
    ));
    let foreign = warning("port.jupyter", "").command("", &["rm", "-rf", "x"], true);
    assert!(matches!(fix(&foreign, &home.examination(), |_| ()), Err(FixError::NotAutomatic { .. })));
}

#[test]
fn what_several_findings_need_is_done_once() {
    let setup = || failure("python.numpy", "").command("", &["pipulate", "setup"], true);
    let chmod = failure("secrets.permissions", "").command("", &["chmod"], true);
    let findings = [setup(), failure("port.server", "").advice(""), chmod.clone(), setup()];
    assert_eq!(repairs(&findings), [&setup(), &chmod]);
}

#[test]
fn an_opener_that_is_not_installed_is_a_warning() {
    let mut home = Home::new();
    home.surroundings =
        home.surroundings.clone().without("PIPULATE_NO_BROWSER").with("BROWSER", "no-such-browser-zz");
    let finding = home.finding("browser.opener");
    assert_eq!(finding.status, FindingStatus::Warning);
    assert!(finding.detail.contains("no-such-browser-zz"));
    home.surroundings = home.surroundings.clone().with("BROWSER", "sh %s");
    assert_eq!(home.finding("browser.opener").status, FindingStatus::Ok);
}
