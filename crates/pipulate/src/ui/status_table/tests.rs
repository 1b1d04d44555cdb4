use super::*;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

#[test]
fn every_state_has_its_row() {
    insta::assert_snapshot!(table(&samples::project(), now(), Style::plain()));
}

#[test]
fn colors_change_nothing_but_the_color() {
    let colored = table(&samples::project(), now(), Style::colored());
    let mut plain = String::new();
    for piece in colored.split('\x1b') {
        plain.push_str(
            piece.split_once('m').filter(|_| piece.starts_with('[')).map_or(piece, |(_, rest)| rest),
        );
    }
    assert_eq!(plain, table(&samples::project(), now(), Style::plain()));
}

#[test]
fn the_heading_names_project_state_and_folder() {
    assert_eq!(heading(&samples::project(), Style::plain()), "demo unknown /home/ann/demo");
}
