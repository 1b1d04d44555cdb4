//! Memory that a process which is about to sleep for hours does not need.

/// Gives back what was only needed to get going: free heap, and the program's own code, which
/// comes back page by page, from the file, where it is used again.
///
/// What is given back is clean: nothing is written anywhere, and nothing can be lost.
pub fn give_back() {
    crate::os::give_back_memory();
}
