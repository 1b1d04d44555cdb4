//! Our scripts: real files with `@NAME@` as placeholders.

/// The script with every `@NAME@` replaced. Other text between `@` is kept.
pub(crate) fn fill(script: &str, words: &[(&str, &[u8])]) -> Vec<u8> {
    let mut filled = Vec::new();
    let mut rest = script;
    while let Some((before, after)) = rest.split_once('@') {
        filled.extend(before.bytes());
        let word = words.iter().find_map(|(name, word)| {
            let after = after.strip_prefix(name)?.strip_prefix('@')?;
            Some((word, after))
        });
        match word {
            Some((word, after)) => {
                filled.extend_from_slice(word);
                rest = after;
            }
            None => {
                filled.push(b'@');
                rest = after;
            }
        }
    }
    filled.extend(rest.bytes());
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_put_in_once_and_is_not_looked_into() {
        let words: [(&str, &[u8]); 2] = [("A", b"@B@"), ("B", b"\xff")];
        assert_eq!(fill("@A@ a@B@c @ @C@ @A", &words), b"@B@ a\xffc @ @C@ @A");
    }
}
