//! Memory that a process does not need while it sleeps for hours, and memory as a file.

use std::fs::File;
use std::io::{self, Seek, Write};

/// Gives back memory that was only needed for startup: free heap, and the program's own code, which is paged
/// in again from the file when it is used.
///
/// The pages are clean: nothing is written, and nothing can be lost.
pub fn give_back() {
    crate::os::give_back_memory();
}

/// Makes a file in memory, to be read from its beginning through its descriptor. It has no name that others
/// could open.
///
/// # Errors
/// The system has no memory or no descriptors left.
pub fn nameless_file(content: &[u8]) -> io::Result<File> {
    let mut file = crate::os::nameless_file()?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}
