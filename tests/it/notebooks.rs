//! The folder's notebooks on its page: their details, and the links to JupyterLab.

use crate::pages::{address, signed_in};
use crate::support::project::python;
use crate::support::{TestProject, browser, run};

/// Writes four notebooks to the project's folder, and a broken one.
#[track_caller]
pub(crate) fn write(project: &TestProject) {
    let mut command = project.foreign(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/fixtures/notebooks.py"));
    run::output(&mut command).expect(0);
}

#[test]
fn a_notebook_is_found_and_looked_at_without_javascript_and_nothing_of_it_acts() {
    let project = TestProject::light().build();
    write(&project);
    project.start(&[]);
    let mut browser = signed_in(&project);
    browser.switch_javascript_off();
    browser.open(&address(&project, "/"));
    assert_eq!(browser.measure("document.querySelectorAll('.notebook').length"), 5);
    browser.type_into("input[name=q]", "weather");
    browser.click("search button");
    browser.wait_for_text(".rest", "Back to the newest notebooks");
    browser.wait_for_text("#notebooks", "Weather and demand");
    assert_eq!(browser.measure("document.querySelectorAll('.notebook').length"), 1);
    browser.open(&address(&project, "/?q=fuel"));
    browser.click(".notebook .verbs a");
    browser.wait_for_text("h1", "Fuel prices of a year");
    browser.wait_for_text("#notebook", "8760 rows");
    browser.wait_for_text("#notebook table", "Station 5");
    browser.measure("document.querySelector('#notebook img').scrollIntoView()");
    crate::support::holds("the plot", || {
        browser.measure("document.querySelector('#notebook img').naturalWidth") == 480
    });
    assert_eq!(
        browser.measure("document.querySelectorAll('main script, main style, main [style]').length"),
        0
    );
    assert_eq!(browser.measure("typeof owned"), "undefined");
    browser.screenshot(&browser::pictures().join("no-script-preview.png"));
    assert_eq!(browser.complaints(), [""; 0]);
}
