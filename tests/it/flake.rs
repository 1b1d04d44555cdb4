//! flake.nix, without a network and a store: parsed, evaluated for four systems with stand-ins for its inputs
//! (`tests/nix`), and its shell hook run by real shells.

use std::process::Command;

use serde_json::Value;

use crate::support::project::PIPULATE;
use crate::support::{Terminal, TestProject, run};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Nix, for evaluation only.
fn nix(arguments: &[&str]) -> Command {
    let mut command = run::command("nix-instantiate");
    command.current_dir(REPOSITORY).args(["--store", "dummy://"]).args(arguments);
    command.env_remove("PIPULATE_CUDA").env_remove("PIPULATE_TEST_WITHOUT");
    command
}

fn evaluation() -> Command {
    nix(&["--eval", "--strict", "--json", "tests/nix/eval.nix"])
}

#[track_caller]
fn evaluated(command: &mut Command) -> Value {
    serde_json::from_str(&run::output(command).expect(0).stdout).unwrap()
}

/// The packages of the `nix develop` shell.
fn packages<'a>(flake: &'a Value, system: &str) -> Vec<&'a str> {
    let packages = flake["shells"][system]["packages"].as_array().unwrap();
    packages.iter().map(|name| name.as_str().unwrap()).collect()
}

fn hook(flake: &Value) -> String {
    flake["shells"]["x86_64-linux"]["hook"].as_str().unwrap().to_owned()
}

#[test]
fn it_gives_every_system_a_package_and_a_shell_with_all_that_is_listed() {
    run::output(&mut nix(&["--parse", "flake.nix"])).expect(0);
    let mut flake = evaluated(&mut evaluation());
    for system in ["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
        let packages = packages(&flake, system);
        assert_eq!(packages[0], "bashInteractive", "another bash could recall no line");
        for listed in [
            "pipulate",
            "python311",
            "pip",
            "virtualenv",
            "cmake",
            "ninja",
            "gcc",
            "git",
            "figlet",
            "zlib",
            "gcc-lib",
        ] {
            assert!(packages.contains(&listed), "{listed} is missing on {system}: {packages:?}");
        }
        let is_linux = system.ends_with("linux");
        assert_eq!(packages.contains(&"manylinux2014Package"), is_linux, "{system}");
        assert!(
            !packages.iter().any(|name| name.contains("cuda") || name.contains("ollama")),
            "{packages:?}"
        );
        let package = &flake["packages"][system];
        assert_eq!(package["toolchain"], format!("{}/rust-toolchain.toml", canonical()), "the pinned one");
        assert_eq!(package["mainProgram"], "pipulate", "what `nix run` runs");
    }
    let template = std::path::Path::new(flake["template"].as_str().unwrap());
    assert!(template.join("flake.nix").is_file(), "what `nix flake init -t` copies");
    // The rest as a snapshot, to show changes.
    let shells = flake["shells"].as_object_mut().unwrap();
    shells.retain(|system, _| system == "x86_64-linux" || system == "aarch64-darwin");
    flake["packages"].as_object_mut().unwrap().retain(|system, _| system == "x86_64-linux");
    let text = serde_json::to_string_pretty(&flake).unwrap().replace(&canonical(), "[REPOSITORY]");
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let text = text.replace(&version, "\"version\": \"[VERSION]\"");
    insta::assert_snapshot!(text);
}

fn canonical() -> String {
    std::path::Path::new(REPOSITORY).canonicalize().unwrap().display().to_string()
}

#[test]
fn the_package_is_built_from_the_files_it_lists_and_by_their_own_lock() {
    let flake = evaluated(&mut evaluation());
    let package = &flake["packages"]["x86_64-linux"];
    assert_eq!(package["lock"], format!("{}/Cargo.lock", canonical()));
    let lock = std::fs::read_to_string(package["lock"].as_str().unwrap()).unwrap();
    assert!(!lock.contains("\"git+"), "a crate from git needs a hash in flake.nix");
    let sources = tempfile::tempdir().unwrap();
    for listed in package["src"].as_array().unwrap() {
        let listed = std::path::Path::new(listed.as_str().unwrap());
        std::os::unix::fs::symlink(listed, sources.path().join(listed.file_name().unwrap())).unwrap();
    }
    // A workspace that is complete, and whose lock needs no change.
    let mut cargo = run::command(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    run::output(cargo.current_dir(sources.path())).expect(0);
}

#[test]
fn a_package_that_nixpkgs_no_longer_has_fails_the_evaluation_by_its_name() {
    let mut flake = evaluation();
    let flake = evaluated(flake.env("PIPULATE_TEST_WITHOUT", "nothing"));
    let own = ["pipulate", "gcc-lib"];
    for package in packages(&flake, "x86_64-linux").into_iter().filter(|name| !own.contains(name)) {
        let failed = run::output(evaluation().env("PIPULATE_TEST_WITHOUT", package));
        assert_ne!(failed.code, Some(0), "{package} can be missing without anybody noticing");
        assert!(failed.stderr.contains(package), "{package}: {}", failed.stderr);
    }
}

#[test]
fn cuda_is_for_those_who_ask_where_there_is_one() {
    let flake = evaluated(evaluation().env("PIPULATE_CUDA", "1"));
    for cuda in ["cudatoolkit", "cudnn", "ollama-cuda"] {
        assert!(packages(&flake, "x86_64-linux").contains(&cuda), "{cuda}");
        for system in ["aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
            assert!(!packages(&flake, system).contains(&cuda), "{cuda} on {system}");
        }
    }
    let hook = hook(&flake);
    for line in ["export PIPULATE_CUDA=1", "export NIXPKGS_ALLOW_UNFREE=1"] {
        assert!(hook.lines().any(|found| found == line), "{line}: {hook}");
    }
    assert!(hook.contains("cudnn/lib:/run/opengl-driver/lib"), "the driver's own libraries: {hook}");
}

/// A shell of this kind, in a project, with our program on `PATH`.
fn shell(project: &TestProject, program: &str) -> Command {
    let folder = std::path::Path::new(PIPULATE).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
    let mut command = project.foreign(program);
    command.env("PATH", path);
    command
}

#[test]
fn whoever_asks_nothing_of_a_person_gets_the_variables_and_not_a_word() {
    let project = TestProject::light().build();
    let flake = evaluated(&mut evaluation());
    for (before, after) in [(None, ""), (Some("/mine"), ":/mine")] {
        let mut command = shell(&project, "bash");
        let script = format!(
            "{}\necho \"$LD_LIBRARY_PATH\"; read line; echo \"$line\"; declare -F deactivate",
            hook(&flake)
        );
        command.args(["-c", &script]).envs(before.map(|value| ("LD_LIBRARY_PATH", value)));
        let output = run::output_of(&mut command, "typed\n");
        let libraries = "/nix/store/gcc-lib/lib:/nix/store/zlib/lib";
        assert_eq!((output.stdout, output.stderr), (format!("{libraries}{after}\ntyped\n"), String::new()));
    }
    project.write("local.nix", "{ cudaSupport = true; }");
    let mut command = shell(&project, "bash");
    let told = run::output(command.args(["-c", &hook(&flake)])).expect(0);
    assert!(told.stderr.contains("enter with: nix develop path:."), "{}", told.stderr);
}

#[test]
fn whoever_enters_reads_the_words_of_the_seed_and_leaves_with_one_exit() {
    let project = TestProject::new();
    let flake = evaluated(&mut evaluation());
    // Nix gives its bash a file like this one; the libraries in it are not available here.
    let hook: String = hook(&flake)
        .lines()
        .filter(|line| !line.contains("/nix/store"))
        .map(|line| format!("{line}\n"))
        .collect();
    project.write("rc", &hook);
    for (program, line) in [("bash", "bash --noprofile --rcfile rc -i"), ("zsh", "ZDOTDIR=. zsh -i")] {
        project.write(".zshrc", "unsetopt zle; source rc\n");
        let mut terminal = Terminal::open(&shell(&project, program), line);
        terminal.wait_for("Learn more at https://pipulate.com");
        let words = terminal.shown();
        let order = [
            "Welcome to the Pipulate development environment on ",
            "- Checking if pip packages are installed...",
            " pip packages installed.",
            "- Checking if numpy is importable...",
            "- numpy is importable (good to go!)",
            "- Start JupyterLab and FastHTML server with: start",
            "- Stop JupyterLab and FastHTML server with: stop",
            "- To exit the Pipulate environment, type 'exit'.",
            "Checking Ollama connectivity...",
            "Ollama is not running at ",
            "Learn more at https://pipulate.com <--Ctrl+Click",
        ];
        let places: Vec<Option<usize>> = order.iter().map(|line| words.find(line)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{program}: {places:?} {words}");
        terminal.type_text("echo at $VIRTUAL_ENV\n");
        terminal.wait_for(&format!("at {}", project.path(".venv").display()));
        assert!(terminal.shown().contains("(.venv)"), "{program}: {}", terminal.shown());
        terminal.type_text("deactivate; echo now ${VIRTUAL_ENV-none}\n");
        terminal.wait_for("now none");
        terminal.wait_for("[nix-dev]");
        terminal.type_text("exit\n");
        assert_eq!(terminal.end(), Some(0), "one exit");
    }
    assert_eq!(project.processes(), [], "nothing is started that nobody asked for");
}
