//! Set-ups that fail for real reasons, and the state after that.

use std::time::Duration;

use super::*;
use crate::failure::Cause;

#[test]
fn packages_that_do_not_install_are_a_warning_and_the_next_set_up_goes_on() {
    let home = Home::new("--no-index\nnosuch-zz\n");
    let report = home.start();
    assert_eq!(home.drift(), [Drift::Unfinished]);
    match &report.warning {
        Some(SetupWarning::Install(failure)) => {
            assert_eq!(
                failure.to_string(),
                "pip could not install the packages: there is no package nosuch-zz"
            );
            assert!(failure.last_words.iter().any(|line| line.contains("nosuch-zz")), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(existing(&home) && report.installer.is_none());
    for (requirements, cause) in real_failures(&home) {
        fs::write(home.layout.inside("requirements.txt"), requirements).unwrap();
        match home.start().warning {
            Some(SetupWarning::Install(failure)) => assert_eq!(failure.cause, cause, "{failure:#?}"),
            other => panic!("{cause:?}: {other:?}"),
        }
    }
    fs::write(home.layout.inside("requirements.txt"), NOTHING).unwrap();
    let (report, events) = home.set_up(Mode::Automatic);
    assert!(report.unwrap().warning.is_none());
    assert!(!events.iter().any(|event| matches!(event, SetupEvent::MakingVenv { .. })), "{events:?}");
}

/// Real failures of the real pip, each with the expected cause.
fn real_failures(home: &Home) -> [(String, Cause); 4] {
    let links = home.folder.path().join("links");
    fs::create_dir(&links).unwrap();
    let wheels = "import sys, zipfile\nfor name, extra in (('newer', 'Requires-Python: >=4'), ('one', 'Requires-Dist: two<2'), ('two', '')):\n \
                  with zipfile.ZipFile(f'{sys.argv[1]}/{name}-2.0-py3-none-any.whl', 'w') as wheel:\n  \
                   info = f'{name}-2.0.dist-info'\n  \
                   wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 2.0\\n{extra}\\n')\n  \
                   wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n  \
                   wheel.writestr(f'{info}/RECORD', '')\n";
    let made = Command::new(home.venv().join("bin/python")).args(["-c", wheels]).arg(&links);
    assert!(made.output(Duration::from_secs(60)).unwrap().end.success());
    // A source package whose build needs a missing compiler.
    let source = home.folder.path().join("source");
    fs::create_dir(&source).unwrap();
    let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    fs::write(source.join("pyproject.toml"), project).unwrap();
    let backend = "import subprocess\ndef build_wheel(*_, **__):\n subprocess.run(['no-such-gcc-zz'])\n"
        .replace("no-such-gcc-zz", "/nowhere/gcc");
    fs::write(source.join("backend.py"), backend).unwrap();
    let from_links = |names: &str| format!("--no-index\n--find-links {}\n{names}\n", links.display());
    [
        (from_links("newer==2.0"), Cause::WrongPython),
        (from_links("one==2.0\ntwo==2.0"), Cause::Conflict),
        (format!("--no-index\nhalf @ file://{}\n", source.display()), Cause::NoCompiler),
        ("--index-url http://127.0.0.1:9/\nsix\n".to_owned(), Cause::NoNetwork),
    ]
}

#[test]
fn where_uv_fails_in_a_way_of_its_own_pip_installs() {
    let mut home = Home::new("");
    let programs = home.folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let uv = "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'uv 0.0.1'; exit; }\necho 'panicked at uv' >&2; exit 101\n";
    fs::write(programs.join("uv"), uv).unwrap();
    fs::set_permissions(programs.join("uv"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = home.around.variable("PATH").unwrap().to_owned();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).unwrap();
    home.around =
        home.around.clone().with("PATH", path).without("PIP_NO_INDEX").with("PIP_CONFIG_FILE", "/dev/null");
    let report = home.start();
    assert_eq!((report.installer, report.warning), (Some(InstallerKind::Pip), None));
    assert!(report.notes.iter().any(|note| note.ends_with("; trying with pip")), "{:?}", report.notes);
}

#[test]
fn a_recreation_that_fails_leaves_everything_as_it_was() {
    let mut home = Home::new(NOTHING);
    home.start();
    let (before, stamp) = (home.fingerprint(), home.stamp());
    // A Python that answers, but can't make a venv.
    let bad = home.folder.path().join("python3");
    let answer = "case \"$*\" in *\"-m venv\"*) mkdir -p \"$5/bin\"; echo 'No space left on device' >&2; exit 1;; esac";
    fs::write(&bad, format!("#!/bin/sh\n{answer}\nprintf '%s\\0003.12.1\\0001\\0001\\0000' \"$0\"\n"))
        .unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o755)).unwrap();
    home.around = home.around.with("PIPULATE_PYTHON", &bad);
    let error = home.set_up(Mode::Recreate).0.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert!(error.fix().unwrap().text.contains("disk space"), "{error:?}");
    assert_eq!((before, stamp), (home.fingerprint(), home.stamp()));
    assert!(!home.layout.inside(".venv.old").exists());
}

#[test]
fn without_a_python_nothing_is_touched() {
    let mut home = Home::new(NOTHING);
    home.around = Surroundings::default();
    let error = home.set_up(Mode::Automatic).0.unwrap_err();
    assert!(matches!(error, SetupError::Python(PythonError::NoneFound { .. })), "{error}");
    assert_eq!((home.stamp(), inspect(&home.venv())), (None, VenvState::Absent));
}

/// The installer of a killed set-up still writes.
#[test]
fn an_installer_that_outlives_its_set_up_is_waited_for() {
    let home = Home::new(NOTHING);
    pipulate_store::home::ensure(&home.layout).unwrap();
    let held = lock::hold(&home.layout, || panic!("nobody has it")).unwrap();
    let said = home.folder.path().join("said");
    let script = format!("mkfifo go; : > ready; read line < go; echo done > '{}'", said.display());
    let installer = Command::new("sh").args(["-c", &script]).directory(home.folder.path());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| installer.lines(|_, _| ()).unwrap());
        while !home.folder.path().join("ready").exists() {
            thread::yield_now();
        }
        drop(held);
        let waiter = scope.spawn(|| {
            let _held = lock::hold(&home.layout, move || sender.send(()).unwrap()).unwrap();
            fs::read_to_string(&said)
        });
        receiver.recv().unwrap();
        fs::write(home.folder.path().join("go"), "\n").unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), "done\n");
    });
}
