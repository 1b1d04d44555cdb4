//! Checks executables for macOS: mach-o/loader.h.

use anyhow::{Context, Result, ensure};

const MAGIC: u32 = 0xfeed_facf;
const EXECUTABLE: u32 = 2;
const HEAD: usize = 32;
/// `LC_BUILD_VERSION`: the platform and the oldest version that it starts on.
const BUILD_VERSION: u32 = 0x32;
const MACOS: u32 = 1;
/// A symbol that libSystem lacks in the oldest version: dyld would not start a program that needs it.
const TOO_NEW: &[u8] = b"\0_proc_signal_with_audittoken\0";

/// Checks that a file is an executable for this processor that starts on this version.
///
/// # Errors
/// It is not.
pub(super) fn check(bytes: &[u8], processor: u32, version: &str) -> Result<()> {
    ensure!(number(bytes, 0)? == MAGIC, "it is no Mach-O file of 64 bits");
    ensure!(number(bytes, 4)? == processor, "it is for another processor");
    ensure!(number(bytes, 12)? == EXECUTABLE, "it is no program");
    let mut at = HEAD;
    let mut oldest = None;
    for _ in 0..number(bytes, 16)? {
        if number(bytes, at)? == BUILD_VERSION && number(bytes, at + 8)? == MACOS {
            let packed = number(bytes, at + 12)?;
            oldest = Some(format!("{}.{}", packed >> 16, packed >> 8 & 0xff));
        }
        at += number(bytes, at + 4)? as usize;
    }
    let oldest = oldest.context("it does not say for which macOS it is")?;
    ensure!(oldest == version, "it is for macOS {oldest} and later, not for {version}");
    let is_too_new = bytes.windows(TOO_NEW.len()).any(|window| window == TOO_NEW);
    ensure!(!is_too_new, "it needs a symbol that macOS {version} does not have");
    Ok(())
}

fn number(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).context("it is cut off")?;
    Ok(u32::from_le_bytes(four.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(version: u32) -> Vec<u8> {
        let head = [MAGIC, 7, 0, EXECUTABLE, 2, 0, 0, 0];
        let commands = [0x1b, 8, BUILD_VERSION, 24, MACOS, version, 0, 0];
        head.iter().chain(&commands).flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn a_program_is_known_by_its_processor_and_by_the_oldest_system_that_starts_it() {
        let said =
            |bytes: &[u8], processor| check(bytes, processor, "12.0").map_err(|error| error.to_string());
        let good = program(12 << 16);
        assert_eq!(said(&good, 7), Ok(()));
        assert_eq!(said(&good, 8), Err("it is for another processor".to_owned()));
        assert_eq!(
            said(&program(13 << 16 | 1 << 8), 7),
            Err("it is for macOS 13.1 and later, not for 12.0".to_owned())
        );
        assert_eq!(said(&good[..40], 7), Err("it is cut off".to_owned()));
        assert_eq!(said(b"\x7fELF and more", 7), Err("it is no Mach-O file of 64 bits".to_owned()));
        let newer = [good, TOO_NEW.to_vec()].concat();
        assert_eq!(said(&newer, 7), Err("it needs a symbol that macOS 12.0 does not have".to_owned()));
    }
}
