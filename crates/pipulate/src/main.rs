//! The program's entry point; everything else is in `lib.rs`.

fn main() -> ! {
    pipulate::run(std::env::args_os())
}
