//! Pages of other sites in the same browser can send requests and learn nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::{Browser, Process, TestProject};

/// Serves this page to any client until the test ends.
fn serve(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, page) = (stream.unwrap(), page.clone());
            // Browsers preconnect, and then send nothing.
            std::thread::spawn(move || {
                let _request = stream.read(&mut [0; 4096]);
                let length = page.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}");
                // The browser may have navigated on.
                let _gone = stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{page}").as_bytes());
            });
        }
    });
    port
}

#[test]
fn attacks_17_to_19_a_foreign_page_can_neither_act_nor_frame_nor_pose_as_ours() {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    project.start(&[]);
    let worker = Process::of(&project.service("worker")["pid"]);
    let home = format!("http://127.0.0.1:{}", project.port("server"));
    let stop = format!("{home}/services/worker/stop");
    let mut browser = Browser::start(&project);
    browser.open(project.run(&["url", "server"]).expect(0).stdout.trim());

    let watching = serve(format!(
        "<img src='{stop}'><iframe name=inner src='{home}/'></iframe><script>\
         fetch('{stop}', {{method: 'POST', mode: 'no-cors', credentials: 'include'}})\
         .catch(() => 0).then(() => fetch('{home}/logs', {{credentials: 'include'}}))\
         .then(() => document.title = 'read', () => document.title = 'refused')</script>"
    ));
    // As another site, and as another port of the same site.
    for host in ["localhost", "127.0.0.1"] {
        browser.open(&format!("http://{host}:{watching}/"));
        crate::support::holds("the refusal", || browser.measure("document.title") == "refused");
        assert!(worker.lives(), "{host}");
    }
    let is_blocked = |said: &String| said.contains("frame") || said.contains("Frame");
    assert!(browser.complaints().iter().any(is_blocked), "{:?}", browser.complaints());

    let acting = serve(format!(
        "<form method=post action='{stop}'></form><script>document.forms[0].submit()</script>"
    ));
    for host in ["localhost", "127.0.0.1"] {
        browser.open(&format!("http://{host}:{acting}/"));
        browser.wait_for_text("h1", "Refused");
        assert!(worker.lives(), "{host}");
    }
    // A hostile name that suddenly resolves to this computer.
    browser.open(&format!("http://evil.test:{}/", project.port("server")));
    browser.wait_for_text("h1", "Wrong address");
    assert!(!browser.text("body").contains("worker"));
    assert_eq!(project.service("worker")["state"], "running");
}
