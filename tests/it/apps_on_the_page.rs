//! "Make it an app" on the page, requested as by a browser without JavaScript.

use crate::apps::notebook;
use crate::support::{TestProject, holds, http};

/// Returns the answer at a path; with `fields`, posts them as its form.
#[track_caller]
fn page(project: &TestProject, session: &str, path: &str, fields: Option<&str>) -> http::Answer {
    let port = project.port("server");
    let url = format!("http://127.0.0.1:{port}{path}");
    let answer = match fields {
        None => http::get(&url, &[session]),
        Some(fields) => {
            let origin = format!("Origin: http://127.0.0.1:{port}");
            let kind = "Content-Type: application/x-www-form-urlencoded";
            http::post_with(&url, &[session, &origin, "Sec-Fetch-Site: same-origin", kind], fields)
        }
    };
    answer.expect("the page answers")
}

/// The text of the first code element of each list item.
fn listed(body: &str) -> Vec<&str> {
    let items = body.split("<li><code>").skip(1);
    items.map(|item| item.split("</code>").next().unwrap()).collect()
}

#[test]
fn the_page_makes_a_notebook_an_app_beside_itself_or_in_its_own_place() {
    let loan = notebook(&[("markdown", "# A loan", ""), ("code", "amount = 5\nother = []", "parameters")]);
    let project = TestProject::light().file("loan.ipynb", &loan).file("broken.ipynb", "no notebook").build();
    project.start(&["server"]);
    let url = project.run(&["url", "server"]).expect(0).stdout;
    let welcome = http::get(url.trim(), &[]).expect("the page answers");
    let session = format!("Cookie: {}", welcome.header("set-cookie").unwrap().split(';').next().unwrap());

    let refused = page(&project, &session, "/apps/broken.ipynb", None);
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("broken.ipynb is not a notebook"), "{}", refused.body);

    // With the app beside the page: the question, and the result of a yes.
    let question = page(&project, &session, "/apps/loan.ipynb?beside", None).body;
    let files = ["loan_app.py", "notebook_runner.py", "[services.loan]"];
    assert_eq!(listed(&question), files);
    assert!(question.contains("The form is cell 2 (tagged &quot;parameters&quot;): amount"), "{question}");
    assert!(question.contains("Not in the form: other"), "{question}");
    assert!(!project.path("loan_app.py").exists(), "a question writes nothing");
    let made = page(&project, &session, "/apps/loan.ipynb", Some("service=loan")).body;
    assert_eq!(listed(&made), files);
    assert!(made.contains("Started loan") && made.contains("Open the app"), "{made}");
    let opened = page(&project, &session, "/services/loan/open", Some(""));
    let app = opened.header("refresh").and_then(|refresh| refresh.split_once("url=")).expect("an address").1;
    assert!(http::get(app, &[]).expect("the app answers").body.contains("<h1>A loan</h1>"));
    let again = page(&project, &session, "/apps/loan.ipynb", Some("service=loan"));
    assert_eq!(again.status, 409);
    assert!(again.body.contains("loan_app.py already exists"), "{}", again.body);

    // With the app in place of the page: the question says so, and the result names the way back.
    let already = page(&project, &session, "/apps/loan.ipynb", None).body;
    assert!(already.contains("loan.ipynb is an app already"), "{already}");
    assert!(already.contains("action=\"/services/loan/open\""), "{already}");
    let question = page(&project, &session, "/apps/loan.ipynb?another", None).body;
    assert_eq!(listed(&question), ["server.py"]);
    assert!(question.contains("The app takes the place of this page"), "{question}");
    let made = page(&project, &session, "/apps/loan.ipynb", Some("service=server")).body;
    assert!(made.contains("Server was asked to restart"), "{made}");
    assert!(made.contains("pipulate open dashboard"), "{made}");
    let here = format!("http://127.0.0.1:{}/", project.port("server"));
    holds("the app in the place of the page", || {
        http::get(&here, &[]).is_some_and(|answer| answer.body.contains("<h1>A loan</h1>"))
    });
    project.run(&["start", "dashboard"]).expect(0);
    let url = project.run(&["url", "dashboard"]).expect(0).stdout;
    assert!(http::get(url.trim(), &[]).expect("the page answers").header("set-cookie").is_some());
}
