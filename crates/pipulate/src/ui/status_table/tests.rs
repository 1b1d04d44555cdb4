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

#[test]
fn times_and_sizes_are_short() {
    for (seconds, text) in
        [(-1.0, "0s"), (0.4, "0s"), (59.9, "59s"), (200.0, "3m 20s"), (7500.0, "2h 5m"), (273_600.0, "3d 4h")]
    {
        assert_eq!(length_of_time(seconds), text);
    }
    for (bytes, text) in
        [(512, "512 B"), (4096, "4.0 KiB"), (89_128_960, "85.0 MiB"), (5 << 40, "5120.0 GiB")]
    {
        assert_eq!(size(bytes), text);
    }
}
