//! Finding the beginnings of lines by reading backwards; nothing but the bytes in between is read.

use super::chain::OpenFile;
use super::line_break::Backwards;
use crate::error::StoreError;

/// Returns where the line that contains an offset begins; a file begins with a line.
pub(super) fn line_start(file: &OpenFile, offset: u64, block: &mut [u8]) -> Result<u64, StoreError> {
    let mut position = offset.min(file.length);
    let mut byte = [0];
    let is_there = file.read_at(position, &mut byte)? > 0;
    let mut breaks = Backwards::from(position, is_there.then_some(byte[0]));
    while position > 0 {
        let wanted = block.len().min(usize::try_from(position).unwrap_or(block.len()));
        position -= wanted as u64;
        let filled = file.read_at(position, &mut block[..wanted])?;
        if let Some(place) = breaks.find(position, &block[..filled]) {
            return Ok(position + place as u64 + 1);
        }
    }
    Ok(0)
}

/// Returns the file, and the offset in it, at which the last `count` lines before a place in the last file
/// begin.
pub(super) fn tail_start(
    files: &[OpenFile],
    end: u64,
    count: u64,
    block: &mut [u8],
) -> Result<(usize, u64), StoreError> {
    let Some(last) = files.len().checked_sub(1) else { return Ok((0, 0)) };
    if count == 0 {
        return Ok((last, end));
    }
    let mut found = 0;
    let mut at_the_very_end = true;
    for (index, file) in files.iter().enumerate().rev() {
        let mut position = if index == last { end } else { file.length };
        let mut breaks = match at_the_very_end {
            true => Backwards::from_line(position),
            false => Backwards::from(position, None),
        };
        at_the_very_end &= position == 0;
        while position > 0 {
            let wanted = block.len().min(usize::try_from(position).unwrap_or(block.len()));
            position -= wanted as u64;
            let filled = file.read_at(position, &mut block[..wanted])?;
            let mut bytes = &block[..filled];
            while let Some(place) = breaks.find(position, bytes) {
                found += 1;
                if found == count {
                    return Ok((index, position + place as u64 + 1));
                }
                bytes = &bytes[..place];
            }
        }
    }
    Ok((0, 0))
}
