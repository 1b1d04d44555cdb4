use super::*;
use proptest::prelude::*;

#[test]
fn a_secret_is_masked_as_it_is_and_encoded() {
    let masker = Masker::new(["p@ss/wörd +1"]);
    for line in [
        "it is p@ss/wörd +1 here",
        "it is p%40ss%2Fw%C3%B6rd%20%2B1 here",
        "it is p%40ss%2fw%c3%b6rd%20%2b1 here",
        "it is p%40ss/w%C3%B6rd%20%2B1 here",
        "it is p%40ss%2Fw%C3%B6rd+%2B1 here",
    ] {
        assert_eq!(masker.mask(line), "it is **** here", "{line}");
    }
}

/// The spellings of Python 3.13 and of similar encoders.
#[test]
fn a_secret_is_masked_however_it_was_escaped() {
    let masker = Masker::new([r#"pä ss+w~d/"1"\x'&<2>"#]);
    for line in [
        // urllib.parse: urlencode and quote_plus, quote, quote(safe=""); before 3.7, by JavaScript, curl.
        "p%C3%A4+ss%2Bw~d%2F%221%22%5Cx%27%26%3C2%3E",
        "p%C3%A4%20ss%2Bw~d/%221%22%5Cx%27%26%3C2%3E",
        "p%c3%a4%20ss%2bw%7ed%2f%221%22%5cx%27%26%3c2%3e",
        "p%C3%A4%20ss+w~d/%221%22%5Cx'&%3C2%3E",
        "%70%C3%A4%20%73%73%2B%77%7E%64%2F%22%31%22%5C%78%27%26%3C%32%3E",
        // urlencode(encoding="latin-1")
        "p%E4+ss%2Bw~d%2F%221%22%5Cx%27%26%3C2%3E",
        // json.dumps, with and without ensure_ascii; PHP; Go.
        r#"p\u00e4 ss+w~d/\"1\"\\x'&<2>"#,
        r#"p\u00E4 ss+w~d/\"1\"\\x'&<2>"#,
        r#"pä ss+w~d/\"1\"\\x'&<2>"#,
        r#"p\u00e4 ss+w~d\/\"1\"\\x'&<2>"#,
        r#"pä ss+w~d/\"1\"\\x'\u0026\u003c2\u003e"#,
        // repr, ascii, and repr of bytes.
        r#"pä ss+w~d/"1"\\x\'&<2>"#,
        r#"p\xe4 ss+w~d/"1"\\x\'&<2>"#,
        r#"p\xc3\xa4 ss+w~d/"1"\\x\'&<2>"#,
        // printf %q, and git.
        r#"pä\ ss+w~d/\"1\"\\x\'\&\<2\>"#,
        r#"p\303\244 ss+w~d/\"1\"\\x'&<2>"#,
        // html.escape, markupsafe, and one with numbers.
        "pä ss+w~d/&quot;1&quot;\\x&#x27;&amp;&lt;2&gt;",
        "pä ss+w~d/&#34;1&#34;\\x&#39;&amp;&lt;2&gt;",
        "p&#228; ss+w~d/&#34;1&#34;&#92;x&#39;&#38;&#60;2&#62;",
        // JSON in JSON, JSON in HTML, and doubly encoded.
        r#"p\\u00e4 ss+w~d/\\\"1\\\"\\\\x'&<2>"#,
        "p\\u00e4 ss+w~d/\\&quot;1\\&quot;\\\\x&#x27;&amp;&lt;2&gt;",
        "p%25C3%25A4%2520ss%252Bw~d%252F%25221%2522%255Cx%2527%2526%253C2%253E",
    ] {
        assert_eq!(masker.mask(&format!("is {line} here")), "is **** here", "{line}");
        assert!(!masker.finds_nothing(line), "{line}");
        for (cut, _) in line.char_indices().skip(30) {
            let seen = &line[..masker.final_length(&line[..cut])];
            assert!(!seen.contains("ss"), "{line}, cut at {cut}: {seen}");
        }
    }
}

#[test]
fn a_secret_of_several_lines_is_masked_where_it_is_written_in_one() {
    let masker = Masker::new(["abc\ndef\nghi\n"]);
    assert_eq!(masker.mask(r#"{"pin": "abc\ndef\nghi"}"#), r#"{"pin": "****"}"#);
    assert_eq!(masker.mask(r#"{"pin": "abc%0Adef%0Aghi"}"#), r#"{"pin": "****"}"#);
    assert_eq!(masker.mask("abc"), "abc");
}

#[test]
fn what_only_looks_like_an_escape_stays() {
    let masker = Masker::new(["hunter 22"]);
    for line in ["100% of a + b & c \\d %zz &x; \\u12", r"C:\new\temp", "a=1&b=%20"] {
        assert_eq!(masker.mask(line), line);
        assert!(masker.finds_nothing(line), "{line}");
    }
    assert_eq!(masker.mask("50% hunter+22 &c"), "50% **** &c");
}

#[test]
fn what_is_shown_of_an_unfinished_line_is_no_part_of_a_secret() {
    let masker = Masker::new(["hunter22/x", "secret-one", "secret-one-two"]);
    let shown_before_its_end = |text: &str| text[..masker.final_length(text)].to_owned();
    for (text, shown) in [
        ("45%", "45%"),
        ("Password: ", "Password: "),
        ("the key is hun", "the key is "),
        ("the key is hunter22%2", "the key is "),
        ("the key is HUNTER22%2F", "the key is "),
        ("a hunter22/x and", "a hunter22/x and"),
        ("a secret-one", "a "),
        ("a secret-one-t", "a "),
        ("", ""),
    ] {
        assert_eq!(shown_before_its_end(text), shown, "{text}");
    }
}

#[test]
fn short_values_and_empty_lists_mask_nothing() {
    assert_eq!(Masker::new(["short", "", " a "]).mask("a short text"), "a short text");
    assert_eq!(Masker::new([""; 0]).mask("a text"), "a text");
}

#[test]
fn overlapping_secrets_leave_nothing_between_them() {
    assert_eq!(Masker::new(["abcdef", "defghi", "cdefgh"]).mask("xabcdefghix"), "x****x");
    assert_eq!(Masker::new(["abcdef"]).mask("abcdefabcdef"), "****");
}

#[test]
fn what_may_be_half_of_a_secret_is_masked_where_a_line_was_cut() {
    let masker = Masker::new(["sk-12345678"]);
    let masked = |text: &str, is_rest, ending| {
        Text::of(text.as_bytes()).render(&masker.ranges_of_piece(text, Piece { is_rest, ending }), false)
    };
    for (text, is_rest, ending, expected) in [
        ("the key is sk-1234", false, Ending::Unfinished, "the key is ****"),
        ("the key is SK-1234567", false, Ending::Cut, "the key is ****"),
        ("the key is sk-1234", false, Ending::Complete, "the key is sk-1234"),
        ("5678 and more", true, Ending::Complete, "**** and more"),
        ("5678 and more", false, Ending::Complete, "5678 and more"),
        ("c2stMTI", false, Ending::Unfinished, "****"),
        ("it says s", false, Ending::Unfinished, "it says s"),
        ("p sk-1234%", false, Ending::Cut, "p ****"),
        ("45678 and more", true, Ending::Complete, "**** and more"),
        ("F12345678 and more", true, Ending::Complete, "**** and more"),
        ("ü", true, Ending::Cut, "ü"),
        ("", true, Ending::Cut, ""),
    ] {
        assert_eq!(masked(text, is_rest, ending), expected, "{text}");
    }
}

#[test]
fn each_line_of_a_private_key_is_a_secret() {
    let masker = Masker::new(["-----BEGIN KEY-----\nMIIabcdefg\n-----END KEY-----\n"]);
    assert_eq!(masker.mask("read MIIabcdefg"), "read ****");
}

#[test]
fn nothing_of_a_secret_is_left_where_base64_ends_with_it() {
    for secret in ["hello world", "hello worlds", "hello, worlds"] {
        let masked = Masker::new([secret]).mask(&base64(secret.as_bytes())).into_owned();
        assert_eq!(masked.trim_end_matches('='), "****", "{secret}");
    }
}

/// The test's own simple encoder.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let value = (word >> (18 - 6 * index) & 63) as usize;
            encoded.push(if index <= chunk.len() { char::from(ALPHABET[value]) } else { '=' });
        }
    }
    encoded
}

proptest! {
    /// Wherever a line with a secret is cut, no three characters of the secret show on both sides.
    #[test]
    fn a_secret_that_was_cut_shows_on_neither_side(secret in "[a-zA-Z0-9+/_%ü-]{6,16}", cut in 1_usize..16) {
        prop_assume!(secret.is_char_boundary(cut) && cut < secret.len());
        let masker = Masker::new([&secret]);
        let (begin, end) = (format!("~~{}", &secret[..cut]), format!("{}~~", &secret[cut..]));
        let first = Piece { is_rest: false, ending: Ending::Cut };
        let second = Piece { is_rest: true, ending: Ending::Complete };
        let seen = |text: &str, piece| Text::of(text.as_bytes()).render(&masker.ranges_of_piece(text, piece), false);
        if cut >= SHORTEST_PART {
            prop_assert_eq!(seen(&begin, first), "~~****");
        }
        if secret.len() - cut >= SHORTEST_PART {
            prop_assert_eq!(seen(&end, second), "****~~");
        }
    }

    #[test]
    fn a_secret_is_masked_in_base64_at_any_alignment(
        before in proptest::collection::vec(any::<u8>(), 0..7),
        secret in "[ -~ü]{6,24}",
        after in proptest::collection::vec(any::<u8>(), 0..7),
    ) {
        let secret = format!("x{}x", secret.trim());
        prop_assume!(secret.chars().count() >= SHORTEST);
        let whole = [before.as_slice(), secret.as_bytes(), &after].concat();
        let encoded = base64(&whole);
        let inner = base64_within(secret.as_bytes(), before.len() % 3, 0);
        prop_assert!(encoded.contains(&inner), "{encoded} {inner}");
        let masker = Masker::new([&secret]);
        let masked = masker.mask(&encoded);
        prop_assert!(!masked.contains(&inner), "{masked}");
        prop_assert!(masked.contains("****"));
        let url_safe = encoded.replace('+', "-").replace('/', "_");
        prop_assert!(masker.mask(&url_safe).contains("****"));
    }

    #[test]
    fn the_quick_look_misses_nothing(secret in "\\PC{6,12}", before in "\\PC{0,8}", after in "\\PC{0,3}", upper in any::<bool>()) {
        let secret = secret.trim().to_owned();
        prop_assume!(secret.chars().count() >= SHORTEST);
        let masker = Masker::new([&secret]);
        let shown = if upper { secret.to_ascii_uppercase() } else { secret };
        let text = format!("{before}{shown}{after}");
        prop_assert!(!masker.finds_nothing(&text));
        prop_assert_eq!(masker.finds_nothing(&after), masker.ranges(&after).is_empty());
    }

    #[test]
    fn masking_never_breaks_a_text(secret in "\\PC{6,12}", before in "\\PC{0,8}", after in "\\PC{0,8}") {
        let secret = secret.trim().to_owned();
        prop_assume!(secret.chars().count() >= SHORTEST);
        let masker = Masker::new([&secret]);
        let masked = masker.mask(&format!("{before}{secret}{after}")).into_owned();
        prop_assert!(!masked.contains(&secret) || secret.contains('*'));
    }
}
