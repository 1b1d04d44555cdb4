//! The door of the program; the room is in `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pipulate::run(std::env::args_os())
}
