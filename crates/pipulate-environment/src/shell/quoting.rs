//! One word of a shell, whatever is in it. A path need not be text.

/// How a shell quotes.
pub(super) type Quote = fn(&[u8]) -> Vec<u8>;

pub(crate) use pipulate_core::text::quoted_for_sh as sh;

/// For fish, where a backslash means something between single quotes.
pub(super) fn fish(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        if matches!(byte, b'\'' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'\'');
    quoted
}
