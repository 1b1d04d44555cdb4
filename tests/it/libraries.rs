//! Libraries that wheels need in addition to the system's (`PIPULATE_LIBRARY_PATH`, set by the flake): Python
//! finds them, and the host's programs don't get them.

use std::fs;

use crate::support::{Jupyter, Process, TestProject, holds, run};

const SHOW: &str = "import os; print(os.environ.get('LD_LIBRARY_PATH'))";

/// The library path in a process's environment.
fn library_path(process: &Process) -> Option<String> {
    let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap();
    let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    variables.find_map(|variable| Some(variable.strip_prefix("LD_LIBRARY_PATH=")?.to_owned()))
}

#[test]
fn pythons_programs_get_the_libraries_and_other_services_and_shells_do_not() {
    let worker = |name: &str, command: &str| format!("[services.{name}]\ncommand = {command}\n");
    let sleeps = r#"["python", "-c", "import time; time.sleep(1000)"]"#;
    let config = worker("snake", sleeps)
        + &worker("other", r#"["sh", "-c", "exec sleep 1000"]"#)
        + &worker("mine", sleeps)
        + "env = { LD_LIBRARY_PATH = '/of/mine' }\n";
    let project = TestProject::builder().config(&config).build();
    let libraries = project.path("libraries").display().to_string();
    let mut start = project.command(&["start", "--no-setup"]);
    run::output(start.env("PIPULATE_LIBRARY_PATH", &libraries)).expect(0);
    let of = |service: &str| library_path(&Process::of(&project.service(service)["pid"]));
    assert_eq!(of("jupyter"), Some(libraries.clone()));
    assert_eq!(of("snake"), Some(libraries.clone()));
    assert_eq!(of("mine"), Some("/of/mine".to_owned()), "the configuration comes first");
    assert_eq!((of("other"), of("server")), (None, None), "no Python, the embedded web app neither");

    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    assert_eq!(kernel.run(SHOW), format!("{libraries}\n"));
    let terminal = jupyter.terminal();
    terminal.type_line("printenv LD_LIBRARY_PATH > seen || echo none > seen", "seen");
    holds("a terminal without them", || {
        fs::read_to_string(project.path("seen")).is_ok_and(|seen| seen == "none\n")
    });
    project.run(&["stop", "--force"]).expect(0);

    for (words, seen) in [
        (&["python", "-c", SHOW][..], libraries.as_str()),
        (&["sh", "-c", "echo ${LD_LIBRARY_PATH-None}"], "None"),
    ] {
        let mut command = project.command(&[&["run", "--"], words].concat());
        let output = run::output(command.env("PIPULATE_LIBRARY_PATH", &libraries)).expect(0);
        assert_eq!(output.stdout, format!("{seen}\n"), "{words:?}");
    }
}
