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

/// A second, plain encoder: the test's own.
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
    /// Wherever a line with a secret in it is cut, no three characters of it are seen on both sides.
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
        prop_assert!(!masker.finds_nothing(text.as_bytes()));
        prop_assert_eq!(masker.finds_nothing(after.as_bytes()), masker.ranges(&after).is_empty());
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
