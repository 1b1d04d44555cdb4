//! Visitors of an app: several at once, one that leaves, uploads, limits, and the end of the app.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::apps::{address, app_of, begin, get, kernels, notebook};
use crate::support::{Process, TestProject, holds, http, wait_for};

/// Prints a line, then waits for a file with the visitor's name.
fn waiting() -> String {
    let wait = "import pathlib, time\nprint('begun', who, flush=True)\n\
                while not pathlib.Path(f'go-{who}').exists():\n    time.sleep(0.05)\nprint('over', who)";
    notebook(&[("code", "who = 'nobody'", "parameters"), ("markdown", "# Wait", ""), ("code", wait, "")])
}

/// A visitor who reads a page while it streams.
struct Visitor {
    stream: TcpStream,
    seen: String,
}

impl Visitor {
    fn come(project: &TestProject, path: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", project.port("server"))).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        Self { stream, seen: String::new() }
    }

    /// Waits until the page has shown this text.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        wait_for(&format!("{text:?} on the page"), || {
            let mut part = [0; 1 << 16];
            let read = self.stream.read(&mut part).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&part[..read]));
            self.seen.contains(text).then_some(())
        });
    }
}

/// Sends the form as multipart data, as a browser does with files.
fn upload(project: &TestProject, field: &str, name: &str, content: &str) -> http::Answer {
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n{content}\r\n--edge--\r\n"
    );
    let kind = "Content-Type: multipart/form-data; boundary=edge";
    http::post_with(&address(project, "/run"), &[kind], &body).expect("the app answers")
}

#[test]
fn two_run_at_once_others_see_their_place_and_who_leaves_ends_his_kernel() {
    let project = app_of(&waiting());
    let places = ["a", "b", "c"].map(|who| begin(&project, &format!("who={who}")));
    let mut visitors = places.each_ref().map(|place| Visitor::come(&project, place));
    let mut result = Visitor::come(&project, &format!("{}/result", places[0]));
    let [a, b, c] = &mut visitors;
    a.sees("Step 2 of 2: Wait");
    b.sees("Step 2 of 2: Wait");
    c.sees("Waiting: number 1 in line");
    result.sees("begun a");
    holds("two kernels at work and one kept ready", || kernels(&project).len() == 3);

    // A reload is answered at once and shows the same run.
    *a = Visitor::come(&project, &places[0]);
    a.sees("Step 2 of 2: Wait");
    let before = kernels(&project);
    let [a, b, mut c] = visitors;
    drop(b);
    c.sees("Step 2 of 2: Wait");
    holds("the end of the kernel of the visitor who left", || before.iter().any(|kernel| !kernel.lives()));
    assert_eq!(get(&project, &places[1]).status, 404, "nothing is kept of it");
    let mut a = a;
    project.write("go-a", "");
    a.sees("Done in ");
    result.sees("over a");
    assert!(!result.seen.contains("begun c"), "visitors see their own run only");

    // A stop while a visitor's kernel is busy doesn't ask about the kernel and kills nothing by force.
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("0 processes left"), "{stopped:?}");
    assert!(!stopped.stdout.contains("forced"), "{stopped:?}");
    let log = project.read(".pipulate/log/server.log");
    assert!(log.contains("Application shutdown complete."), "the app ended by itself: {log}");
    assert!(!log.contains("Traceback"), "{log}");
    assert_eq!(project.processes(), []);
    drop(c);

    // Finished results are kept, unfinished runs are not.
    project.start(&["server"]);
    assert!(get(&project, &places[0]).body.contains("Done in "));
    assert!(get(&project, &format!("{}/result", places[0])).body.contains("over a"));
    let kept = std::fs::read_dir(project.path(".pipulate/apps")).unwrap().next().unwrap().unwrap().path();
    assert!(kept.join(places[0].trim_start_matches("/runs/")).join("notebook.ipynb").is_file());
}

#[test]
fn an_app_that_is_killed_leaves_no_kernel() {
    let project = app_of(&waiting());
    let mut visitor = Visitor::come(&project, &begin(&project, "who=a"));
    visitor.sees("Step 2 of 2: Wait");
    holds("a kernel at work and one kept ready", || kernels(&project).len() == 2);
    let before = kernels(&project);
    let main = Process::of(&project.service("server")["pid"]);
    main.kill();
    holds("the end of its kernels", || before.iter().all(|kernel| !kernel.lives()));
    project.wait_for_service("server", "to be started again", |server| {
        server["state"] == "ready" && server["pid"] != main.pid
    });
    holds("the next kernel to be ready", || kernels(&project).len() == 1);
}

#[test]
fn uploads_outputs_and_time_have_bounds() {
    let cells = [
        ("code", "from pathlib import Path\ndata = Path('own.csv')\nlines = 0\nseconds = 0", "parameters"),
        ("code", "print(data.name, data.read_text())\nimport time\ntime.sleep(seconds)", ""),
        ("code", "import os\nprint('plotly:', os.environ['PLOTLY_RENDERER'])", ""),
        ("code", "for line in range(lines):\n    print('x' * 1000)", ""),
    ];
    let project = TestProject::light()
        .file("analysis.ipynb", &notebook(&cells))
        .file("own.csv", "of the notebook's folder")
        .build();
    project.run(&["app", "analysis.ipynb"]).expect(0);
    // The owner changes the limits at the top of the program.
    let mut limits = project.read("server.py");
    for (usual, small) in [
        ("KEEP = 20", "KEEP = 2"),
        ("\"minutes\": 10", "\"minutes\": 0.05"),
        ("\"output_mib\": 20", "\"output_mib\": 1"),
        ("\"upload_mib\": 100", "\"upload_mib\": 1"),
    ] {
        assert!(limits.contains(usual), "{usual} in {limits}");
        limits = limits.replace(usual, small);
    }
    project.write("server.py", &limits);
    project.start(&["server"]);
    let result = |answer: &http::Answer| {
        let place = answer.header("location").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        let page = get(&project, &place).body;
        (place.clone(), page, get(&project, &format!("{place}/result")).body)
    };

    let (_, _, shown) = result(&upload(&project, "data", "../../my \"table\".csv", "1,2"));
    assert!(shown.contains("1,2"), "{shown}");
    assert!(shown.contains("plotly: notebook"), "figures come as HTML: {shown}");
    assert!(!project.path("my table.csv").exists());
    let (first, _, shown) = result(&upload(&project, "data", "", ""));
    assert!(shown.contains("own.csv of the notebook"), "{shown}");
    let files = |name: &str| walk(&project.path(".pipulate/apps")).iter().any(|path| path.ends_with(name));
    assert!(files("run.json") && !files("files"), "uploads go with their run");

    let announced = http::post_with(&address(&project, "/run"), &["Content-Length: 3000000"], "").unwrap();
    assert_eq!(announced.status, 413, "{announced:?}");
    let parts = format!("80000\r\n{}\r\n", "x".repeat(0x80000)).repeat(5);
    let chunked = ["Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked"];
    let unannounced = http::post_chunked(&address(&project, "/run"), &chunked, &parts).unwrap();
    assert_eq!(unannounced.status, 413, "{unannounced:?}");
    let large = upload(&project, "data", "large.csv", &"x".repeat(3 << 20));
    assert_eq!((large.status, large.body.contains("at most 2 MiB")), (413, true), "{large:?}");

    let (_, page, _) = result(&http::post(&address(&project, "/run"), "lines=5000").unwrap());
    assert!(page.contains("It was stopped: it showed more than 1 MiB"), "{page}");
    let (last, page, _) = result(&http::post(&address(&project, "/run"), "seconds=600").unwrap());
    assert!(page.contains("It was stopped: it took longer than 0.05 minutes"), "{page}");
    assert_eq!(
        (get(&project, &first).status, get(&project, &last).status),
        (404, 200),
        "the newest are kept"
    );
}

/// Every file and folder below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { [walk(&path), vec![path]].concat() } else { vec![path] })
        .collect()
}
