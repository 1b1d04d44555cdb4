//! Quoting for fish; core quotes for the others.

/// How a shell quotes.
pub(super) type Quote = fn(&[u8]) -> Vec<u8>;

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
