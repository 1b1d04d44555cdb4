//! `ready.log`: the line is found anywhere in a service's output, and an error in the
//! expression is pointed out.

use crate::support::TestProject;
use crate::support::project::Builder;

fn only(services: &str) -> Builder {
    TestProject::light().table("server", "enabled = false").config(services)
}

/// A service that prints the value of this Python bytes expression and keeps running.
fn printing(name: &str, pattern: &str) -> String {
    format!(
        "[services.{name}]\ncommand = [\"python\", \"{name}.py\"]\nready = {{ log = '{pattern}', timeout = \"30s\" }}\n"
    )
}

fn program(what: &str) -> String {
    format!(
        "import os, time\nfull = b'x' * 99 + b'\\n'\nleft = {what}\n\
         while left:\n    left = left[os.write(1, left):]\ntime.sleep(1000)\n"
    )
}

#[test]
fn the_line_is_found_in_a_burst_over_rotations_and_colors() {
    let (mib, ready) = ("(1 << 20)", r"b'\x1b[32m * \x1b[1mRunning\x1b[0m on port 7\r\n'");
    let services = [
        // The log is rotated right after the line, within one burst.
        ("turned", format!("full * (({mib} - 100000) // 100) + {ready} + full * 200")),
        // Far more than one transfer holds comes before the line, and nothing after it.
        ("flood", format!("full * (9 * {mib} // 100) + {ready}")),
        ("middle", format!("full * (3 * {mib} // 100) + {ready} + full * (3 * {mib} // 100)")),
        ("long", format!("b'y' * {mib} + {ready}")),
        ("overwritten", format!("b'\\r'.join(b'%d%%' % n for n in range(100)) + b'\\r' + {ready}")),
        ("unfinished", "b' * Running on port 7'".to_owned()),
    ];
    let tables: Vec<String> = services
        .iter()
        .map(|(name, _)| {
            printing(name, if *name == "long" { r"Running on port \d" } else { r"^ \* Running on port \d$" })
        })
        .collect();
    for keep in [0, 2] {
        let config = format!("[logs]\nmax_size = \"1MiB\"\nkeep = {keep}\n{}", tables.concat());
        let mut builder = only(&config);
        for (name, what) in &services {
            builder = builder.file(&format!("{name}.py"), &program(what));
        }
        let project = builder.build();
        project.start(&[]);
        for (name, _) in &services {
            assert_eq!(project.service(name)["state"], "ready", "{name}");
        }
        project.run(&["stop"]).expect(0);
    }
}

#[test]
fn the_last_words_of_a_service_may_be_the_line() {
    let services = "[services.brief]\ncommand = [\"python\", \"brief.py\"]\nready = { log = \"READY\" }\nrestart = \"never\"\n";
    let last = "import os\nos.write(1, (b'x' * 99 + b'\\n') * 300 + b'READY')\n";
    let project =
        only(&format!("[logs]\nmax_size = \"4KiB\"\nkeep = 1\n{services}")).file("brief.py", last).build();
    project.start(&[]);
    assert_eq!(project.service("brief")["state"], "exited");
}

#[test]
fn an_expression_that_is_none_is_pointed_at_by_all_who_read_it() {
    let project = only("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    project.start(&[]);
    let config = project.read("pipulate.toml");
    let line = config.lines().count() + 1;
    project.write("pipulate.toml", &format!("{config}ready = {{ log = \"* Running on\" }}\n"));
    let why = "\"* Running on\" is not a regular expression: repetition operator missing expression; \
               to look for exactly this text: log = '\\* Running on'";
    for verb in ["start", "restart", "config"] {
        let failed =
            project.run(&[verb, if verb == "config" { "--show" } else { "worker" }]).expect(1).stderr;
        assert!(failed.contains(why) && failed.contains(&format!("line {line}, column")), "{verb}: {failed}");
    }
    let doctor = project.run(&["doctor"]).expect(1);
    assert!(
        format!("{}{}", doctor.stdout, doctor.stderr).contains("is not a regular expression"),
        "{doctor:?}"
    );
    assert_eq!(project.service("worker")["state"], "running", "it goes on");
    project.run(&["stop"]).expect(0);
}
