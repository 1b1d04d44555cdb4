//! The door of the program; the room is in `lib.rs`.

fn main() -> ! {
    pipulate::run(std::env::args_os())
}
