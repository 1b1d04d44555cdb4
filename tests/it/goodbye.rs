//! A confirmed stop is still a gentle one: kernels get the time to save their state.

use crate::support::{Browser, Jupyter, Process, TestProject, holds};

/// Opens a notebook whose kernel takes a while to end and writes a file when it does.
fn kernel_that_says_goodbye(project: &TestProject) -> Process {
    let jupyter = Jupyter::of(project);
    let path = project.path("goodbye");
    let _not_there_yet = std::fs::remove_file(&path);
    let code = format!(
        "import atexit, time\ndef goodbye():\n    time.sleep(0.5)\n    open({path:?}, 'w').write('goodbye')\n\
         atexit.register(goodbye)"
    );
    jupyter.notebook("analysis.ipynb").run(&code);
    Process::of(&project.service("jupyter")["kernels"][0]["pid"])
}

/// Waits for the kernel's end; returns true if it wrote its file.
#[track_caller]
fn said_goodbye(project: &TestProject, kernel: &Process) -> bool {
    holds("the kernel's end", || !kernel.lives());
    project.path("goodbye").exists()
}

#[test]
fn a_kernel_that_ends_by_a_button_says_goodbye() {
    let project = TestProject::new();
    project.start(&[]);
    let mut browser = Browser::start(&project);
    let mut sign_in = |project: &TestProject| {
        browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());
        browser.wait_for_text("#service-jupyter", "ready");
    };
    sign_in(&project);
    for (button, is_all) in [
        ("button[aria-label='Restart jupyter']", false),
        ("button[aria-label='Stop jupyter']", false),
        ("form[action='/services/stop'] button", true),
    ] {
        project.start(&[]);
        let kernel = kernel_that_says_goodbye(&project);
        browser.open(&format!("http://127.0.0.1:{}/", project.port("server")));
        browser.click(button);
        browser.wait_for_text("#answer", "analysis.ipynb, with its variables");
        browser.click(".question button");
        assert!(said_goodbye(&project, &kernel), "{button}");
        if !is_all {
            browser.wait_for_text("#answer", "ed jupyter");
        }
    }
    holds("the end of everything", || project.processes().is_empty());
}

#[test]
fn a_yes_spares_a_question_and_nothing_else() {
    let project = TestProject::builder().table("server", "enabled = false").build();
    project.start(&[]);
    let busy = |project: &TestProject| {
        let kernel = kernel_that_says_goodbye(project);
        // Work in progress while the kernel itself is idle.
        let jupyter = Jupyter::of(project);
        let start = "import subprocess; subprocess.Popen(['sleep', '1001'], start_new_session=True)";
        jupyter.notebook("analysis.ipynb").run(start);
        project.run(&["stop"]).expect(1);
        kernel
    };
    let kernel = busy(&project);
    project.run(&["restart", "jupyter", "--yes"]).expect(0);
    assert!(said_goodbye(&project, &kernel), "restart --yes");
    for args in [&["stop", "-y", "jupyter"][..], &["stop", "--all", "--yes"]] {
        project.start(&[]);
        let kernel = busy(&project);
        let receipt = project.run(args).expect(0).stdout;
        assert!(said_goodbye(&project, &kernel), "{args:?}: {receipt}");
        assert!(receipt.ends_with("0 processes left\n"), "{args:?}: {receipt}");
    }
    project.start(&[]);
    let kernel = busy(&project);
    project.run(&["stop", "--force"]).expect(0);
    assert!(!said_goodbye(&project, &kernel), "--force is at once");
}
