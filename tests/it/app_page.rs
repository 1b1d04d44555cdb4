//! An app in a real browser: the form, a run, its result, errors, and a reload.

use std::fs;

use crate::apps::{address, app_of, kernels, notebook};
use crate::support::browser::{self, Browser};
use crate::support::jupyter::app_packages;
use crate::support::project::TestProject;
use crate::support::{holds, run};

/// A loan with a plot and a table. Its packages are in a folder beside the tests' environment.
fn loan() -> String {
    let parameters = "from datetime import date\nfrom typing import Literal\n\n\
                      amount: float = 10_000  # Amount in euros\nrate = 4.5  # Interest, % a year\nyears = 5  # Years\n\
                      kind: Literal[\"annuity\", \"bullet\"] = \"annuity\"  # Kind of loan\n\
                      start = date(2026, 3, 1)  # First month\ntable = True  # With a table\n\nmonths = years * 12";
    let compute = format!(
        "import sys\nsys.path.append({:?})\nleft, rows = amount, []\nr = rate / 1200\n\
         pay = amount * r / (1 - (1 + r) ** -months) if kind == 'annuity' else amount * r\n\
         for month in range(months):\n    left -= pay - left * r\n    rows.append((month + 1, pay, left))\n\
         print(f'{{pay:.2f}} euros a month for {{months}} months')",
        app_packages().display()
    );
    let plot = "import matplotlib.pyplot as plt\nplt.figure(figsize=(7, 2.6))\n\
                plt.plot([row[2] for row in rows])\nplt.xlabel('month')\nplt.ylabel('left, in euros')\nplt.show()";
    let table = "from IPython.display import HTML\nstart_of = lambda row: f'<tr><td>{row[0]}<td>{row[1]:.2f}<td>{row[2]:.2f}'\n\
                 HTML('<table><thead><tr><th>month<th>pay<th>left<tbody>' + ''.join(map(start_of, rows[:4])) + '</table>\
                 <script>document.body.dataset.ran = 1; try { parent.document.title = \"taken\" } catch (e) {}</script>')";
    notebook(&[
        ("markdown", "# What a loan costs\nWhat you pay each month, and how long you owe.", ""),
        ("code", parameters, "parameters"),
        ("markdown", "## Each month", ""),
        ("code", compute.as_str(), ""),
        ("markdown", "## What is left", ""),
        ("code", plot, ""),
        ("code", table, ""),
    ])
}

#[test]
fn a_visitor_fills_in_runs_and_sees_the_plot() {
    let project = app_of(&loan());
    holds("a kernel to be kept ready", || kernels(&project).len() == 1);
    let mut browser = Browser::start(&project);
    browser.view_through("light", 900, 1200);
    browser.open(&address(&project, "/"));
    browser.wait_for_text("h1", "What a loan costs");
    browser.screenshot(&browser::pictures().join("app-form.png"));

    // A wrong value is reported at its field, and the typed values stay.
    browser.measure("document.forms[0].noValidate = true, document.forms[0].years.value = '1.5'");
    browser.click("button");
    browser.wait_for_text("label:has([aria-invalid]) strong", "Enter a whole number");
    assert_eq!(browser.measure("document.forms[0].years.value"), "1.5");
    browser.measure("document.forms[0].years.value = '', document.forms[0].amount.value = ''");
    browser.type_into("[name=years]", "3");
    browser.type_into("[name=amount]", "2500.5");
    browser.click("button");
    browser.wait_for_text("nav", "Download as HTML");
    browser.wait_for_text(".step:last-of-type", "Done in ");
    // The frame is as high as its content, which can't change the page around it.
    holds("the frame to fit", || {
        browser.measure("parseInt(document.querySelector('iframe').style.height) > 500") == true
    });
    assert_eq!(browser.measure("document.title"), "What a loan costs");
    assert_eq!(browser.measure("document.querySelector('iframe').contentDocument"), serde_json::Value::Null);
    browser.screenshot(&browser::pictures().join("app.png"));
    let here = browser.measure("location.href").as_str().unwrap().to_owned();

    // The result as a page of its own is still sandboxed.
    browser.open(&format!("{here}/result"));
    browser.wait_for_text("body", "74.38 euros a month for 36 months");
    assert_eq!(browser.measure("document.querySelector('img').naturalWidth > 300"), true);
    assert_eq!(browser.measure("document.body.dataset.ran"), "1");
    assert_eq!(browser.measure("origin"), "null");
    browser.open(&here);
    browser.click("nav a");
    holds("the form to be filled in again", || browser.measure("document.forms[0].amount.value") == "2500.5");
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|said| said.contains("422 (Unprocessable Entity)")), "{complaints:?}");

    browser.switch_javascript_off();
    browser.open(&here);
    browser.wait_for_text(".step:last-of-type", "Done in ");
    browser.wait_for_text("nav", "Download as HTML");
}

#[test]
fn a_long_run_shows_how_far_it_is_and_a_reload_shows_it_again() {
    let wait = "import pathlib, time\nprint('begun', flush=True)\n\
                while not pathlib.Path('go').exists():\n    time.sleep(0.05)";
    let long = notebook(&[
        ("markdown", "# Long", ""),
        ("code", "'one'", ""),
        ("markdown", "## The long part", ""),
        ("code", wait, ""),
    ]);
    let project = app_of(&long);
    let mut browser = Browser::start(&project);
    browser.open(&address(&project, "/"));
    browser.measure("document.querySelector('button').click()");
    browser.wait_for_text(".step:last-of-type", "Step 2 of 2: The long part");
    let shown = "[...document.querySelectorAll('.step')].filter(step => step.checkVisibility()).length";
    holds("one sentence to be seen", || browser.measure(shown) == 1);
    let seconds = |browser: &mut Browser| browser.text(".step:last-of-type");
    let before = seconds(&mut browser);
    holds("the time to go on", || seconds(&mut browser) != before);
    browser.measure("location.reload()");
    browser.wait_for_text(".step:last-of-type", "Step 2 of 2: The long part");
    let busy = kernels(&project).len();
    project.write("go", "");
    browser.wait_for_text(".step:last-of-type", "Done in ");
    holds("the end of the run's kernel", || kernels(&project).len() < busy);
}

#[test]
fn what_is_written_passes_ruff() {
    let title =
        "# Größe „x“ \"\"\" \\ 𝄞 – what everybody in this house should know about loans, now and later";
    let long = notebook(&[("markdown", title, ""), ("code", "amount = 5", "")]);
    let path = "Größe & co/Mein Notebook (neu) with a long name, and a longer one than others have, v2.ipynb";
    let project = TestProject::light().file("analysis.ipynb", &loan()).file(path, &long).build();
    project.run(&["app", "analysis.ipynb"]).expect(0);
    project.run(&["app", path, "-o", "apps/other.py"]).expect(0);
    fs::write(project.path(".gitignore"), ".venv\n").unwrap();
    for args in [&["check"][..], &["format", "--check"]] {
        let mut ruff = project.foreign(app_packages().join("bin/ruff"));
        let files = ["--no-cache", "server.py", "notebook_runner.py", "apps"];
        run::output(ruff.args(args).args(files)).expect(0);
    }
}
