//! Linux: memory that this process gives back to the system.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use super::proc_files::read;

/// Gives back free heap, unused stack, and the unmodified file-backed pages of our program.
#[expect(unsafe_code, reason = "neither call has a safe form")]
pub(crate) fn give_back_memory() {
    let ranges = {
        let maps = read("/proc/self/maps").unwrap_or_default();
        let maps = String::from_utf8_lossy(&maps);
        give_back_stack(&maps);
        unchanged_file_pages(&maps).unwrap_or_default()
    };
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim only returns memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
    // Last: code that runs afterwards is paged in again.
    for (start, end) in ranges {
        // SAFETY: the range is in a read-only, file-backed mapping of ours, and none of its pages was ever
        // changed: the next access reads the same bytes again.
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// Gives back the pages of the first thread's stack that only returned calls have used.
///
/// Not inlined: the stack below its own small frame is unused.
#[inline(never)]
#[expect(unsafe_code, reason = "madvise has no safe form")]
fn give_back_stack(maps: &str) {
    let frame = std::ptr::from_ref(&maps).addr();
    let Some((start, end)) = unused_stack(maps, frame, rustix::param::page_size()) else { return };
    // SAFETY: the range is further below this frame than it and its callees need, and the stack grows down:
    // nothing in it is read again before it is written.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
    }
}

/// Returns the part of the first thread's stack that is at least a page below a frame in it; `None` for a
/// frame of another thread.
fn unused_stack(maps: &str, frame: usize, page: usize) -> Option<(usize, usize)> {
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = addresses(line)?;
    let unused = (frame / page).saturating_sub(1) * page;
    (start < unused && frame < end).then_some((start, unused))
}

/// Returns the first and the last address of a line in `/proc/PID/maps`.
fn addresses(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?))
}

/// Returns the unmodified pages of read-only file mappings.
fn unchanged_file_pages(maps: &str) -> io::Result<Vec<(usize, usize)>> {
    let page = rustix::param::page_size();
    let pagemap = fs::File::open("/proc/self/pagemap")?;
    let mut found = Vec::new();
    for (start, end) in fixed_file_ranges(maps) {
        let mut entries = vec![0; (end - start) / page * PAGEMAP_ENTRY];
        pagemap.read_exact_at(&mut entries, (start / page * PAGEMAP_ENTRY) as u64)?;
        let runs = unchanged_runs(&entries);
        found.extend(runs.into_iter().map(|(from, to)| (start + from * page, start + to * page)));
    }
    Ok(found)
}

/// Returns the read-only file mappings in `/proc/PID/maps`.
fn fixed_file_ranges(maps: &str) -> impl Iterator<Item = (usize, usize)> {
    maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let access = fields.next()?;
        let is_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
        let is_fixed = is_file && access.starts_with('r') && !access.contains('w');
        addresses(line).filter(|_| is_fixed)
    })
}

/// The size of one page's entry in `/proc/PID/pagemap`, in bytes.
const PAGEMAP_ENTRY: usize = 8;

/// Returns the runs of pages in these entries without a modified copy (the dynamic linker makes some).
///
/// Bits 61 to 63 say whether a page is the file's own, swapped, and present: the kernel's
/// Documentation/admin-guide/mm/pagemap.rst.
fn unchanged_runs(entries: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (page, entry) in entries.as_chunks::<PAGEMAP_ENTRY>().0.iter().enumerate() {
        let flags = u64::from_ne_bytes(*entry) >> 61;
        let is_copy = flags & 0b110 != 0 && flags & 0b001 == 0;
        match runs.last_mut() {
            _ if is_copy => {}
            Some((_, to)) if *to == page => *to += 1,
            Some(_) | None => runs.push((page, page + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        let maps = "\
            00400000-00500000 r-xp 00000000 fe:00 1 /bin/p\n\
            00610000-00620000 rw-p 00000000 fe:00 1 /bin/p\n\
            00700000-00800000 rw-p 00000000 00:00 0 [heap]\n\
            7f000000-7f001000 r--p 00000000 fe:00 2 /lib/c.so\n";
        let ranges: Vec<_> = fixed_file_ranges(maps).collect();
        assert_eq!(ranges, [(0x40_0000, 0x50_0000), (0x7f00_0000, 0x7f00_1000)]);
        let (absent, own, copy, swapped) = (0_u64, 0b101_u64 << 61, 0b100_u64 << 61, 0b010_u64 << 61);
        let entries: Vec<u8> = [own, absent, copy, own, swapped, copy, own]
            .iter()
            .flat_map(|entry| entry.to_ne_bytes())
            .collect();
        assert_eq!(unchanged_runs(&entries), [(0, 2), (3, 4), (6, 7)]);
    }

    #[test]
    fn only_the_stack_below_all_frames_is_given_back() {
        let maps = "00700000-00800000 rw-p 00000000 00:00 0 [heap]\n\
            7f000000-7f021000 rw-p 00000000 00:00 0                          [stack]\n";
        assert_eq!(unused_stack(maps, 0x7f01_e123, 4096), Some((0x7f00_0000, 0x7f01_d000)));
        assert_eq!(unused_stack(maps, 0x7f00_1123, 4096), None, "nothing is below it");
        assert_eq!(unused_stack(maps, 0x7f02_1000, 4096), None, "another thread's");
        assert_eq!(unused_stack(maps, 0x6f00_0000, 4096), None, "another thread's");
    }

    #[test]
    fn a_program_goes_on_after_giving_back() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!unchanged_file_pages(&maps).unwrap().is_empty());
        give_back_memory();
        // Through the dynamic linker's tables, which are modified copies.
        assert!(crate::os::listeners().is_ok());
    }
}
