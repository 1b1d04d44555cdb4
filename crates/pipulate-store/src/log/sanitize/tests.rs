use super::*;
use proptest::prelude::*;

fn plain(line: &str) -> String {
    Text::of(line.as_bytes()).plain().to_owned()
}

fn colored(line: &str) -> String {
    Text::of(line.as_bytes()).render(&[], true)
}

#[test]
fn what_could_steer_a_terminal_is_dropped() {
    for (line, expected) in [
        ("plain täxt → ok\t!", "plain täxt → ok\t!"),
        ("a\x1b[2Jb\x1b[10;10Hc", "abc"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1b]52;c;aGk=\x07b", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b_kitty\x1b\\b", "ab"),
        ("a\u{9b}31mb\u{9d}title\u{9c}c", "abc"),
        ("bell\x07 back\x08 null\0 delete\x7f", "bell back null delete"),
        ("a\x1b(0b\x1bcd", "abd"),
        ("end\x1b", "end"),
        ("end\x1b[", "end"),
        ("end\x1b[31", "end"),
        ("right\u{202e}left", "rightleft"),
        ("two\u{2028}lines", "two lines"),
    ] {
        assert_eq!(plain(line), expected, "{line:?}");
    }
}

#[test]
fn an_escape_cannot_hide_in_another() {
    assert_eq!(plain("\x1b[3\x1b[2Jx"), "x");
    assert_eq!(plain("\x1b]0;a\x1b]0;b\x07x"), "]0;bx");
    assert_eq!(colored("\x1b[31\x1b]0;t\x07mx"), "mx");
}

#[test]
fn only_colors_pass_and_they_end_with_the_line() {
    assert_eq!(colored("\x1b[1;31mred\x1b[2K\x1b[0m"), "\x1b[1;31mred\x1b[0m\x1b[0m");
    assert_eq!(colored("\x1b[38:2::1:2:3mx"), "\x1b[38:2::1:2:3mx\x1b[0m");
    assert_eq!(colored("\x1b[>4;2mx\x1b[?1mx\x1b[1 mx"), "xxx");
    assert_eq!(colored("no color"), "no color");
    assert_eq!(Text::of(b"\x1b[31mred").render(&[], false), "red");
}

#[test]
fn parts_are_text_and_colors_in_their_order() {
    let text = Text::of(b"a\x1b[31mb secret\x1b[0m c");
    let mut parts = Vec::new();
    text.for_each_part(std::slice::from_ref(&(4..8)), |part| parts.push(format!("{part:?}")));
    let expected = [
        r#"Text("a")"#,
        r#"Color("31")"#,
        r#"Text("b s")"#,
        r#"Text("****")"#,
        r#"Text("t")"#,
        r#"Color("0")"#,
        r#"Text(" c")"#,
    ];
    assert_eq!(parts, expected);
}

#[test]
fn nothing_is_lost_before_a_carriage_return() {
    assert_eq!(plain("windows\r\r"), "windows");
    assert_eq!(plain("old\rnew"), "old new");
}

#[test]
fn masks_stand_where_they_were_with_colors_around_them() {
    let text = Text::of(b"\x1b[32mkey \x1b[31msec\x1b[1mret\x1b[0m end");
    assert_eq!(text.plain(), "key secret end");
    let ranges = std::slice::from_ref(&(4..10));
    assert_eq!(text.render(ranges, true), "\x1b[32mkey \x1b[31m****\x1b[1m\x1b[0m end\x1b[0m");
    assert_eq!(text.render(ranges, false), "key **** end");
    assert_eq!(text.render(&[0..3, 11..14], false), "**** secret ****");
    assert_eq!(text.render(std::slice::from_ref(&(0..14)), false), "****");
}

proptest! {
    #[test]
    fn nothing_but_colors_ever_comes_through(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        check_harmless(&line);
    }

    #[test]
    fn nothing_but_colors_comes_through_from_escape_soup(line in "[\x1b\\[\\]\u{9b}P\\\\\x07m0-2;: ?\raü\u{9c}]{0,40}") {
        check_harmless(line.as_bytes());
    }
}

#[test]
fn a_text_in_two_parts_has_the_colors_of_the_whole() {
    let text = Text::of(b"\x1b[1;31mred \x1b[32mgreen\x1b[0m plain");
    assert_eq!(text.before(6).render(&[], true), "\x1b[1;31mred \x1b[32mgr\x1b[0m");
    assert_eq!(text.after(6).render(&[], true), "\x1b[1;31m\x1b[32meen\x1b[0m plain\x1b[0m");
    assert_eq!((text.before(0).plain(), text.after(text.plain().len()).plain()), ("", ""));
}

fn check_harmless(line: &[u8]) {
    let text = Text::of(line);
    assert!(text.plain().chars().all(|character| character == '\t' || !character.is_control()));
    assert_eq!(text.render(&[], false), text.plain());
    let shown = text.render(&[], true);
    let mut pieces = shown.split('\x1b');
    assert!(pieces.next().is_some_and(|piece| !piece.contains('\x1b')));
    for piece in pieces {
        let end = piece.find('m').expect("a color ends with m");
        assert!(
            piece.starts_with('[')
                && piece[1..end].bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':')
        );
    }
}

#[test]
fn a_color_that_hides_text_does_not_pass() {
    let text = Text::of(b"\x1b[8mhidden\x1b[0;8;31mred\x1b[38;5;8mgray");
    assert_eq!(text.render(&[], true), "hidden\x1b[0;31mred\x1b[38;5;8mgray\x1b[0m");
}
