//! A quick look at a text that finds no secret for certain, or says that a slower one is needed.
//!
//! Of every secret's first characters it knows each group of three. Wherever a secret stands, one
//! of those groups begins at a multiple of four.

use pipulate_core::secret::SHORTEST;

/// How many bytes are looked at together.
const GROUP: usize = 3;
/// How far apart; a secret's beginning is long enough to hold a group whichever it begins with.
const STRIDE: usize = SHORTEST - GROUP + 1;

/// The groups that secrets begin with, as bits: one for each hash of 16 bits.
#[derive(Debug, Clone)]
pub(super) struct Prefilter(Box<[u64]>);

impl Prefilter {
    /// Knows texts of at least [`SHORTEST`] bytes.
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

    /// Whether a secret may be in a text, in whatever case its letters are.
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

/// Letters of either case are alike.
fn hash(first: u8, second: u8, third: u8) -> usize {
    let folded = u32::from_le_bytes([first, second, third, 0]) | 0x0020_2020;
    (folded.wrapping_mul(0x9e37_79b1) >> 16) as usize
}
