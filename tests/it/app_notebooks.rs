//! Notebooks that others wrote, from their packages on PyPI: each becomes an app that answers, or there is a clear
//! word why not.

use std::fs;

use crate::apps::{app_of, begin, get};
use crate::support::jupyter::prepared;

/// A notebook, what is said when an app is made of it, and what a visitor of the app is told in the end.
const NOTEBOOKS: [(&str, &str, Option<&str>); 7] = [
    ("papermill/tests/notebooks/result_no_exec.ipynb", "(tagged \"parameters\"): foo, bar", Some("Done in ")),
    (
        "papermill/tests/notebooks/complex_parameters.ipynb",
        "it is not valid Python: invalid syntax (line 14)",
        Some("It stopped at “cell 1”: SyntaxError: invalid syntax (line 14)"),
    ),
    ("papermill/tests/notebooks/sysexit0.ipynb", "There is no form, only Run", Some("Done in ")),
    (
        "papermill/tests/notebooks/broken1.ipynb",
        "There is no form",
        Some("It stopped at “cell 7”: AssertionError<"),
    ),
    ("papermill/tests/notebooks/notimplemented_translator.ipynb", "r, the kernel of ", None),
    (
        "scrapbook/tests/notebooks/collection/result1.ipynb",
        "Not installed: scrapbook; add with: pipulate add scrapbook",
        Some("It stopped at “cell 2”: ModuleNotFoundError: No module named &#x27;scrapbook&#x27;"),
    ),
    ("nbdime/tests/files/src-and-output--1.ipynb", "The form is cell 2", Some("Done in ")),
];

#[test]
fn notebooks_of_others_become_apps_that_answer_or_say_why_not() {
    let texts = NOTEBOOKS.map(|(path, ..)| fs::read_to_string(prepared("notebooks").join(path)).unwrap());
    let project = app_of(&texts[0]);
    for ((path, said, answer), text) in NOTEBOOKS.into_iter().zip(texts) {
        let own = format!("from others/{path}");
        project.write(&own, &text);
        let asked = project.run(&["app", &own, "--name", "another", "--dry-run"]);
        assert_eq!(asked.code, Some(i32::from(answer.is_none())), "{path}: {asked:?}");
        assert!(asked.stderr.contains(said), "{path}: {}", asked.stderr);
        let Some(answer) = answer else { continue };
        // The app of the first one reads its notebook at every run.
        project.write("analysis.ipynb", &text);
        let page = get(&project, &begin(&project, "")).body;
        assert!(page.contains(answer), "{path}: {page}");
    }
}
