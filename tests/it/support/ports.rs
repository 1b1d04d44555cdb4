//! Free ports, each for one test at a time.
//!
//! They are below the ephemeral range, so that no outgoing connection takes one between its choice and its
//! use; a lock file with the port's number keeps other tests away.

use std::fs::File;
use std::net::TcpListener;
use std::ops::Range;
use std::path::PathBuf;

const RANGE: Range<u16> = 20_000..32_000;

/// A port that is reserved for this test until it is dropped.
pub(crate) struct Port {
    pub(crate) number: u16,
    _lock: File,
}

/// The default ports, for one test until this is dropped: another test could take a port that this one
/// expects to find again.
pub(crate) struct DefaultPorts {
    _lock: File,
}

impl DefaultPorts {
    /// Waits for the ports' lock.
    pub(crate) fn take() -> Self {
        let lock = File::create(folder().join("default")).unwrap();
        lock.lock().unwrap();
        Self { _lock: lock }
    }
}

impl Port {
    /// Takes a port without a listener.
    pub(crate) fn take() -> Self {
        let folder = folder();
        let width = u32::from(RANGE.end - RANGE.start);
        // Tests that begin at the same time start to search at different places.
        let first = std::process::id().wrapping_mul(97) % width;
        let candidates = (0..width).map(|step| RANGE.start + u16::try_from((first + step) % width).unwrap());
        let take = |number: u16| {
            let lock = File::create(folder.join(number.to_string())).unwrap();
            lock.try_lock().ok()?;
            TcpListener::bind(("127.0.0.1", number)).ok()?;
            Some(Self { number, _lock: lock })
        };
        candidates.into_iter().find_map(take).expect("a free port between 20000 and 32000")
    }
}

/// The folder of the locks.
fn folder() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("pipulate-test-ports-{user}"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
