//! A quick check that proves the absence of secrets in a text, or else asks for the slow search.
//!
//! It holds every trigram of the secrets' first characters. Wherever a secret is in a text, one of those
//! trigrams begins at a multiple of four.

use pipulate_core::secret::SHORTEST;

/// The length of a group, in bytes.
const GROUP: usize = 3;
/// The distance of the groups that are checked; a secret's beginning is long enough to contain one of them at
/// any alignment.
const STRIDE: usize = SHORTEST - GROUP + 1;

/// A bit set of the hashes (16 bits) of the groups that secrets begin with.
#[derive(Debug, Clone)]
pub(super) struct Prefilter(Box<[u64]>);

impl Prefilter {
    /// Builds the filter for texts of at least [`SHORTEST`] bytes.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut bits = vec![0; (1 << 16) / 64];
        for secret in secrets {
            for group in secret.as_bytes()[..SHORTEST].windows(GROUP) {
                let hash = hash(group[0], group[1], group[2]);
                bits[hash / 64] |= 1 << (hash % 64);
            }
        }
        Self(bits.into())
    }

    /// True if a text may contain a secret, ignoring case.
    pub(super) fn may_find(&self, text: &[u8]) -> bool {
        let is_known = |group: &[u8]| {
            let hash = hash(group[0], group[1], group[2]);
            self.0[hash / 64] >> (hash % 64) & 1 == 1
        };
        let groups = text.chunks_exact(STRIDE);
        let rest = groups.remainder();
        groups.into_iter().any(is_known) || (rest.len() >= GROUP && is_known(rest))
    }
}

/// Ignores the case of letters.
fn hash(first: u8, second: u8, third: u8) -> usize {
    let folded = u32::from_le_bytes([first, second, third, 0]) | 0x0020_2020;
    (folded.wrapping_mul(0x9e37_79b1) >> 16) as usize
}
