//! One word of a shell, whatever is in it. A path need not be text.

/// How a shell quotes.
pub(super) type Quote = fn(&[u8]) -> Vec<u8>;

/// For sh, bash and zsh: nothing means anything between single quotes.
pub(crate) fn sh(word: &[u8]) -> Vec<u8> {
    between_single_quotes(word, |byte, quoted| match byte {
        b'\'' => quoted.extend(b"'\\''"),
        byte => quoted.push(byte),
    })
}

/// For fish, where a backslash means something between single quotes.
pub(super) fn fish(word: &[u8]) -> Vec<u8> {
    between_single_quotes(word, |byte, quoted| {
        if matches!(byte, b'\'' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    })
}

fn between_single_quotes(word: &[u8], quote: impl Fn(u8, &mut Vec<u8>)) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        quote(byte, &mut quoted);
    }
    quoted.push(b'\'');
    quoted
}
