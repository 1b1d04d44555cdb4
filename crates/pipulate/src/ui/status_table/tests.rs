use super::*;
use pipulate_core::reason::Reason;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

#[test]
fn every_state_has_its_row() {
    insta::assert_snapshot!(table(&samples::project(), now(), Style::plain(), None));
}

#[test]
fn colors_change_nothing_but_the_color() {
    let colored = table(&samples::project(), now(), Style::colored(), None);
    let mut plain = String::new();
    for piece in colored.split('\x1b') {
        plain.push_str(
            piece.split_once('m').filter(|_| piece.starts_with('[')).map_or(piece, |(_, rest)| rest),
        );
    }
    assert_eq!(plain, table(&samples::project(), now(), Style::plain(), None));
}

#[test]
fn names_and_reasons_forge_no_row_and_no_color() {
    const FORGED: &str = "x\nserver  ready\x1b[32m";
    let mut project = samples::project();
    let rows = table(&project, now(), Style::plain(), None).lines().count();
    for service in &mut project.services {
        service.reasons.iter_mut().for_each(|reason| *reason = Reason::told(FORGED));
        service.url = service.url.as_ref().map(|_| FORGED.to_owned());
        service.notes.iter_mut().for_each(|note| *note = Reason::told(FORGED));
        for kernel in service.live.iter_mut().flat_map(|live| &mut live.kernels) {
            kernel.name = FORGED.to_owned();
        }
    }
    project.name = FORGED.to_owned();
    let forged = table(&project, now(), Style::colored(), None);
    assert_eq!(forged.lines().count(), rows, "{forged}");
    let shown = Style::colored().shown(&forged).into_owned();
    assert!(
        shown.contains("x\u{fffd}server  ready\u{fffd}[32m") && !shown.contains("ready\x1b[32m"),
        "{shown}"
    );
    assert_eq!(heading(&project, Style::plain()).lines().count(), 1);
}

#[test]
fn the_heading_names_project_state_and_folder() {
    assert_eq!(heading(&samples::project(), Style::plain()), "demo unknown /home/ann/demo");
}

#[test]
fn a_narrow_terminal_loses_columns_and_breaks_no_line() {
    let full = table(&samples::project(), now(), Style::plain(), None);
    let heading = |room| {
        let narrow = table(&samples::project(), now(), Style::plain(), Some(room));
        let rows = narrow.lines().filter(|line| !line.starts_with(' '));
        let widest = rows.map(|line| line.chars().count()).max().unwrap();
        assert!(room == 1 || widest <= room, "{narrow}");
        narrow.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(table(&samples::project(), now(), Style::plain(), Some(200)), full);
    assert_eq!(heading(80), "SERVICE STATE PID UPTIME CPU MEMORY URL");
    assert_eq!(heading(63), "SERVICE STATE UPTIME URL");
    assert_eq!(heading(1), "SERVICE STATE URL");
}
