use super::*;

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
