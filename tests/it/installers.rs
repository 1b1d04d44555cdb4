//! The user's rules for pip or uv (indexes, constraints, hashes, ages): a set-up keeps them and never uses
//! the other installer to avoid them. The index is a folder; nothing is downloaded.

use std::fs;
use std::process::Command;

use crate::support::index::{self, PACKAGE};
use crate::support::run::Output;
use crate::support::{TestProject, run};

/// A project that needs the package, an index with two versions of it, and an empty index.
struct Home {
    project: TestProject,
}

impl Home {
    fn new() -> Self {
        let project = TestProject::light().file("requirements.txt", PACKAGE).build();
        fs::remove_file(project.path(".venv")).unwrap();
        index::make(&project.path("index"), PACKAGE, &["1.0", "2.0"]);
        fs::create_dir_all(project.path("empty/simple")).unwrap();
        Self { project }
    }

    fn index(&self) -> String {
        format!("file://{}/simple", self.project.path("index").display())
    }

    /// An index without the package.
    fn empty(&self) -> String {
        format!("file://{}/simple", self.project.path("empty").display())
    }

    fn set_up(&self, variables: &[(&str, &str)], code: i32) -> Output {
        let mut command: Command = self.project.command(&["setup"]);
        command.env("XDG_CACHE_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache"));
        // A refused installation fails quickly.
        command.env("UV_HTTP_RETRIES", "0").env("UV_NO_CACHE", "1").env("PIP_RETRIES", "0");
        command.envs(variables.iter().copied());
        run::output(&mut command).expect(code)
    }

    /// The installed version.
    fn version(&self) -> String {
        let code = "import pipulate_probe; print(pipulate_probe.version)";
        let said = self.project.run(&["run", "--", "python", "-c", code]);
        if said.code == Some(0) { said.stdout.trim().to_owned() } else { "none".to_owned() }
    }

    /// Asserts that the set-up fails without trying pip.
    #[track_caller]
    fn is_refused(&self, variables: &[(&str, &str)], why: &str) {
        let said = self.set_up(variables, 1).stderr;
        assert!(
            said.contains("pip was not tried, because it would ignore that ") && said.contains(why),
            "{said}"
        );
        assert!(!said.contains("trying with pip"), "{said}");
        assert_eq!(self.version(), "none");
    }
}

#[test]
fn a_refusal_that_uvs_configuration_asked_for_is_final() {
    let home = Home::new();
    let (index, empty) = (home.index(), home.empty());
    home.is_refused(&[("UV_DEFAULT_INDEX", &empty)], "UV_DEFAULT_INDEX is set");
    // pip would find it.
    let pips = [("PIP_INDEX_URL", index.as_str()), ("UV_DEFAULT_INDEX", &empty)];
    home.is_refused(&pips, "it ignores that PIP_INDEX_URL is set");
    home.is_refused(&[("UV_DEFAULT_INDEX", &index), ("UV_REQUIRE_HASHES", "1")], "not pinned with its hash");
    home.project.write("c.txt", "pipulate-probe==3\n");
    home.is_refused(
        &[("UV_DEFAULT_INDEX", &index), ("UV_CONSTRAINT", "c.txt")],
        "no package pipulate-probe==3",
    );
    home.is_refused(&[("UV_OFFLINE", "1")], "UV_OFFLINE is set");

    home.project.write("uv.toml", "[pip]\nrequire-hashes = true\n");
    home.is_refused(&[], "uv.toml sets require-hashes");
    fs::remove_file(home.project.path("uv.toml")).unwrap();
    home.project.write("../.config/uv/uv.toml", &format!("[[index]]\nurl = \"{empty}\"\ndefault = true\n"));
    home.is_refused(&[], "uv/uv.toml sets index");
    // Nor is an unavailable uv a reason to use pip.
    let said = home.set_up(&[("XDG_CACHE_HOME", "/dev/null"), ("PATH", "/usr/bin:/bin")], 1).stderr;
    assert!(said.contains("uv is not available, and pip would ignore that "), "{said}");
    assert_eq!(home.version(), "none");
    home.project.write("../.config/uv/uv.toml", &format!("[[index]]\nurl = \"{index}\"\ndefault = true\n"));
    home.set_up(&[], 0);
    assert_eq!(home.version(), "2.0");
}

#[test]
fn what_only_pip_is_told_is_left_to_pip() {
    let home = Home::new();
    let index = home.index();
    home.project.write("c.txt", "pipulate-probe<2\n");
    let file = format!("[global]\nindex-url = {index}\nconstraint = c.txt\n");
    home.project.write("../.config/pip/pip.conf", &file);
    let said = home.set_up(&[], 0).stderr;
    assert!(
        said.contains("pip installs the packages, because uv would ignore that ")
            && said.contains("pip.conf sets index-url"),
        "{said}"
    );
    assert_eq!(home.version(), "1.0");

    // uv has this rule as well, so it isn't specific to pip; the other rule is.
    let said = home.set_up(&[("UV_DEFAULT_INDEX", &index), ("PIP_REQUIRE_HASHES", "1")], 0).stderr;
    assert!(said.contains("The environment was ready already"), "{said}");
    home.project.write("requirements.txt", "pipulate-probe==2.0\n");
    home.project.write("../.config/pip/pip.conf", "");
    let variables =
        [("UV_DEFAULT_INDEX", index.as_str()), ("PIP_INDEX_URL", &index), ("PIP_REQUIRE_HASHES", "1")];
    let said = home.set_up(&variables, 1).stderr;
    assert!(
        said.contains("uv would ignore that PIP_REQUIRE_HASHES is set")
            && said.contains("not pinned with its hash"),
        "{said}"
    );
    assert_eq!(home.version(), "1.0");
    home.set_up(&[("UV_DEFAULT_INDEX", &index), ("PIP_INDEX_URL", &index)], 0);
    assert_eq!(home.version(), "2.0");
}

#[test]
fn rules_that_no_installer_knows_all_of_install_nothing() {
    let home = Home::new();
    let index = home.index();
    let variables = [("PIP_INDEX_URL", index.as_str()), ("UV_EXCLUDE_NEWER", "2020-01-01")];
    let said = home.set_up(&variables, 1).stderr;
    let told =
        "PIP_INDEX_URL is set, and UV_EXCLUDE_NEWER is set; each installer would ignore the other's setting";
    assert!(said.contains(told) && said.contains("hint: use the same setting for both"), "{said}");
    assert_eq!(home.version(), "none");
}

#[test]
fn uv_looks_where_pip_is_told_to_look_besides_the_index() {
    let home = Home::new();
    let wheels = home.project.path("index/wheels").display().to_string();
    let said = home.set_up(&[("UV_OFFLINE", "1"), ("PIP_FIND_LINKS", &wheels)], 0).stderr;
    assert!(said.contains(" with uv"), "{said}");
    assert_eq!(home.version(), "2.0");
}
