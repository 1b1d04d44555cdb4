//! Memory that a process which is about to sleep for hours does not need, and memory as a file.

use std::fs::File;
use std::io::{self, Seek, Write};

/// Gives back what was only needed to get going: free heap, and the program's own code, which
/// comes back page by page, from the file, where it is used again.
///
/// What is given back is clean: nothing is written anywhere, and nothing can be lost.
pub fn give_back() {
    crate::os::give_back_memory();
}

/// A file that is only in memory, to be read from its beginning: whoever is given its descriptor
/// can read it, and nobody finds it by a name.
///
/// # Errors
/// The system has no memory or no descriptors left.
pub fn nameless_file(content: &[u8]) -> io::Result<File> {
    let mut file = crate::os::nameless_file()?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}
