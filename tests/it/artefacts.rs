//! The installed artifacts: the wheel by pip and by uv, the tarball by tar, the sdist by cargo. Each sets up
//! a folder as a home, with no cargo on `PATH`.
//!
//! `cargo xtask dist --test` builds the artifacts, passes their folder and runs these tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::online;
use crate::support::project::{PIPULATE, python};
use crate::support::{Jupyter, Process, TestProject, http, run};

/// A wheel of the same program with a higher version: another file, as in a release.
const NEWER: &str = r#"
import base64, hashlib, os, re, sys, zipfile
wheel, folder = sys.argv[1:]
old = os.path.basename(wheel).split("-")[1]
name = os.path.join(folder, os.path.basename(wheel).replace(old, "99.0", 1))
with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(name, "w") as newer:
    record = ""
    for entry in source.infolist():
        content = source.read(entry)
        entry.filename = entry.filename.replace(f"-{old}.", "-99.0.", 1)
        if entry.filename.endswith("/RECORD"):
            continue
        if entry.filename.endswith("/METADATA"):
            content = re.sub(rb"\nVersion: .*", b"\nVersion: 99.0", content)
        if entry.filename.endswith("/pipulate"):
            content += b"\n"
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{entry.filename},sha256={digest},{len(content)}\n"
        newer.writestr(entry, content)
    own = f"pipulate_home-99.0.dist-info/RECORD"
    newer.writestr(own, record + f"{own},,\n")
print(name)
"#;

/// Returns the artifact whose name has this prefix and suffix.
#[track_caller]
fn artefact(begin: &str, end: &str) -> PathBuf {
    let folder = std::env::var_os("PIPULATE_TEST_DIST").expect("`cargo xtask dist --test` sets it");
    let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(begin) && name.ends_with(end)
    };
    files.into_iter().find(is_it).unwrap()
}

/// The uv that `cargo xtask prepare` downloads.
fn uv() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/uv");
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("uv")).chain([fetched]);
    found.find(|uv| uv.is_file()).unwrap().canonicalize().unwrap()
}

/// A command in the project's folder, with `folder` first on a `PATH` without cargo.
fn plain(project: &TestProject, folder: &Path, program: impl AsRef<Path>) -> Command {
    let mut command = online(project.foreign(program));
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env_remove("PIPULATE_NO_COPY");
    command
}

/// uv without this machine's settings; its tools are below the project's home directory.
fn uv_tool(project: &TestProject, words: &[&str]) -> Command {
    let mut command = plain(project, Path::new("/nowhere"), uv());
    command.env("UV_CACHE_DIR", project.home().join("uv-cache")).env("UV_PYTHON", python());
    command.arg("tool").args(words);
    command
}

fn supervisors(project: &TestProject, services: &[&str]) -> Vec<PathBuf> {
    services.iter().map(|name| Process::of(&project.service(name)["supervisor_pid"]).program()).collect()
}

/// Runs `start` with the program in `bin`, which takes over from the supervisors of JupyterLab and the app.
#[track_caller]
fn takes_over(project: &TestProject, bin: &Path) {
    let started = run::output(plain(project, bin, "pipulate").arg("start")).expect(0);
    assert!(started.stderr.contains("The supervisor of jupyter is replaced"), "{}", started.stderr);
    let program = bin.join("pipulate").canonicalize().unwrap();
    assert_eq!(supervisors(project, &["jupyter", "server"]), [program.clone(), program.clone()]);
    assert_eq!(Process::of(&project.service("server")["pid"]).program(), program);
    let word = project.read(".venv/bin/start");
    assert!(word.contains(program.to_str().unwrap()), "{word}");
}

#[test]
#[ignore = "cargo xtask dist --test runs it"]
fn a_wheel_gives_an_empty_folder_a_home_and_a_newer_one_elsewhere_takes_it_over() {
    let wheel = artefact("pipulate_home-", ".whl");
    let project = TestProject::new();
    fs::remove_file(project.path(".venv")).unwrap();
    let installed = project.home().join("pip");
    let bin = installed.join("bin");
    run::output(run::command(python()).args(["-m", "venv"]).arg(&installed)).expect(0);
    let pip = |wheel: &Path| {
        let install = ["-m", "pip", "install", "--upgrade", "--quiet", "--no-index", "--no-deps"];
        run::output(plain(&project, &bin, bin.join("python")).args(install).arg(wheel)).expect(0)
    };
    pip(&wheel);

    run::output(plain(&project, &bin, "pipulate").arg("start")).expect(0);
    for (service, path) in [("jupyter", "/api"), ("server", "/login")] {
        let address = format!("http://127.0.0.1:{}{path}", project.port(service));
        assert!(http::get(&address, &[]).is_some(), "{service} answers");
    }
    run::output(plain(&project, &bin, "pipulate").arg("status")).expect(0);
    let program = bin.join("pipulate");
    assert_eq!(supervisors(&project, &["jupyter", "server"]), [program.clone(), program]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("x = 41");

    let newer = run::command(python()).args(["-c", NEWER]).arg(&wheel).arg(project.home()).output().unwrap();
    let newer = String::from_utf8(newer.stdout).unwrap();
    pip(Path::new(newer.trim()));
    takes_over(&project, &bin);
    run::output(&mut uv_tool(&project, &["install", newer.trim()])).expect(0);
    fs::remove_dir_all(&installed).unwrap();
    takes_over(&project, &project.home().join(".local/bin"));
    assert_eq!(kernel.run("print(x + 1)").trim(), "42", "the kernel kept what it had");

    run::output(&mut uv_tool(&project, &["uninstall", "pipulate-home"])).expect(0);
    let word = |folder: &Path| run::output(plain(&project, folder, project.path(".venv/bin/stop")).arg("-y"));
    let refused = word(Path::new("/nowhere"));
    assert!(refused.code != Some(0) && refused.stderr.contains("pipulate is gone from"), "{refused:?}");
    word(Path::new(PIPULATE).parent().unwrap()).expect(0);
}

#[test]
#[ignore = "cargo xtask dist --test runs it"]
fn what_uv_runs_from_its_cache_outlives_the_cache() {
    let wheel = artefact("pipulate_home-", ".whl");
    let project = TestProject::light().build();
    let from = ["run", "--from", wheel.to_str().unwrap()];
    let mut start = uv_tool(&project, &from);
    run::output(start.args(["pipulate", "start", "--no-setup"])).expect(0);
    let copies = project.home().join(".local/share/pipulate/programs");
    let [program] = supervisors(&project, &["server"]).try_into().unwrap();
    assert!(program.starts_with(&copies), "{}", program.display());

    let cache = project.home().join("uv-cache");
    let mut prune = plain(&project, Path::new("/nowhere"), uv());
    run::output(prune.env("UV_CACHE_DIR", &cache).args(["cache", "prune"])).expect(0);
    fs::remove_dir_all(&cache).unwrap();
    let app = project.service("server")["pid"].clone();
    Process::of(&app).kill();
    project.wait_for_service("server", "to be back", |now| now["pid"] != app && now["state"] == "ready");
    run::output(plain(&project, Path::new("/nowhere"), &program).arg("restart")).expect(0);
    run::output(plain(&project, Path::new("/nowhere"), &program).arg("status")).expect(0);
    run::output(plain(&project, Path::new("/nowhere"), &program).arg("stop")).expect(0);
}

#[test]
#[ignore = "cargo xtask dist --test runs it"]
fn the_program_of_the_tarball_needs_nothing_beside_it() {
    let tarball = artefact("pipulate-", ".tar.gz");
    let project = TestProject::light().build();
    run::output(run::command("tar").arg("-xzf").arg(&tarball).arg("-C").arg(project.home())).expect(0);
    let name = tarball.file_name().unwrap().to_str().unwrap().replace(".tar.gz", "");
    let folder = project.home().join(name);
    for file in ["README.md", "LICENSE", "THIRD-PARTY-LICENSES.txt"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    for verb in [&["start", "--no-setup"][..], &["status"], &["stop"]] {
        run::output(plain(&project, &folder, "pipulate").args(verb)).expect(0);
    }
    let mut check = run::command("sha256sum");
    run::output(check.args(["--check", "SHA256SUMS"]).current_dir(tarball.parent().unwrap())).expect(0);
}

#[test]
#[ignore = "cargo xtask dist --test runs it"]
fn what_cargo_installed_from_the_sdist_goes_on_when_it_is_uninstalled() {
    let installed = artefact("cargo", "").join("bin/pipulate");
    let project = TestProject::light().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    let bin = project.home().join(".cargo/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy(installed, bin.join("pipulate")).unwrap();
    let call = |args: &[&str]| run::output(plain(&project, &bin, "pipulate").args(args));
    call(&["start", "--no-setup"]).expect(0);
    call(&["status"]).expect(0);
    fs::remove_file(bin.join("pipulate")).unwrap();

    for name in ["worker", "server"] {
        let killed = project.service(name)["supervisor_pid"].clone();
        Process::of(&killed).kill();
        project.wait_for_service(name, "to be supervised again", |now| {
            now["supervisor_pid"].is_i64() && now["supervisor_pid"] != killed
        });
        let killed = project.service(name)["pid"].clone();
        Process::of(&killed).kill();
        project.wait_for_service(name, "to be back", |now| {
            now["pid"] != killed && ["running", "ready"].iter().any(|state| now["state"] == *state)
        });
    }
    let restarts = ["worker", "server"].map(|name| project.service(name)["restarts"].clone());
    assert_eq!(restarts, [1, 1], "each crash is one, and none comes of the missing file");
    let own = supervisors(&project, &["worker", "server"]);
    assert!(own.iter().all(|program| program.to_string_lossy().ends_with("(deleted)")), "{own:?}");
    // Another copy of the program reads their records, and a restart hands over to it.
    assert!(project.run(&["logs", "worker"]).expect(0).stdout.is_empty());
    project.run(&["restart"]).expect(0);
    assert_eq!(supervisors(&project, &["worker", "server"]), [PIPULATE, PIPULATE].map(PathBuf::from));
    project.run(&["stop"]).expect(0);
}

#[test]
#[ignore = "cargo xtask dist --test runs it"]
fn the_wheel_needs_no_newer_glibc_than_its_name_says_and_none_for_musl() {
    let wheel = artefact("pipulate_home-", ".whl");
    let folder = tempfile::tempdir().unwrap();
    run::output(run::command(python()).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder.path()))
        .expect(0);
    let name = wheel.file_name().unwrap().to_str().unwrap();
    let data = name.split('-').take(2).collect::<Vec<_>>().join("-");
    let program = folder.path().join(format!("{data}.data/scripts/pipulate"));
    let symbols =
        run::output(run::command("readelf").args(["--version-info", "--wide"]).arg(program)).expect(0);
    let minor = |text: &str| text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok();
    let needed: Vec<u32> = symbols.stdout.split("Name: GLIBC_2.").skip(1).filter_map(minor).collect();
    // A wheel tagged for this machine only sets no limit.
    let promised = name.split_once("manylinux_2_").map_or(u32::MAX, |(_, tag)| minor(tag).unwrap());
    assert!(needed.iter().all(|it| *it <= promised), "{name}: {needed:?}");
    assert_eq!(needed.is_empty(), name.contains("musllinux"), "{name}: {needed:?}");
}
