//! Reads a value without showing it.
//!
//! The terminal is in raw mode, so that Ctrl-C can't leave it without echo, and pasted text after the first
//! line is discarded and never reaches the shell.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::printer::Printer;

/// The result of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Line(Vec<u8>),
    /// More than one line came in at once: most likely a pasted key of several lines.
    SeveralLines,
    /// Ctrl-C.
    Interrupted,
}

/// Asks the user at the terminal, which shows the question and nothing of the answer.
///
/// # Errors
/// Stdin is no terminal, or can't be read.
pub(crate) fn ask(printer: &Printer, question: &str) -> io::Result<Answer> {
    // No echo before the question is shown: the user may answer at once.
    let silence = Silence::begin()?;
    printer.raw_note(question);
    let answer = read_line();
    drop(silence);
    printer.raw_note("\n");
    answer
}

fn read_line() -> io::Result<Answer> {
    let mut line = TypedLine::default();
    loop {
        let mut byte = [0];
        if rustix::io::read(stdin(), &mut byte)? == 0 {
            return Ok(Answer::Interrupted);
        }
        match line.press(byte[0]) {
            Pressed::Goes => {}
            Pressed::Ends if rest_of_input()?.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) => {
                return Ok(Answer::SeveralLines);
            }
            Pressed::Ends => return Ok(Answer::Line(line.typed)),
            Pressed::Interrupts => return Ok(Answer::Interrupted),
        }
    }
}

/// The input that has already arrived.
fn rest_of_input() -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    let mut buffer = [0; 256];
    while poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], Some(&Timespec::default()))? > 0 {
        match rustix::io::read(stdin(), &mut buffer)? {
            0 => break,
            count => rest.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(rest)
}

/// Turns off the terminal's echo and key handling until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _gone = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// The typed part of the line.
#[derive(Default)]
struct TypedLine {
    typed: Vec<u8>,
    escape: Escape,
}

/// The position within the escape sequence of a special key, such as an arrow.
#[derive(Default, Clone, Copy)]
enum Escape {
    #[default]
    None,
    Begun,
    Sequence,
}

/// The effect of a key.
#[derive(Debug, PartialEq, Eq)]
enum Pressed {
    Goes,
    Ends,
    Interrupts,
}

impl TypedLine {
    fn press(&mut self, byte: u8) -> Pressed {
        match (self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Sequence,
            (Escape::Sequence, 0x40..=0x7e) | (Escape::Begun, _) => self.escape = Escape::None,
            (Escape::Sequence, _) => {}
            (Escape::None, b'\x1b') => self.escape = Escape::Begun,
            (Escape::None, b'\r' | b'\n' | CTRL_D) => return Pressed::Ends,
            (Escape::None, CTRL_C) => return Pressed::Interrupts,
            (Escape::None, BACKSPACE | DELETE) => self.erase(),
            (Escape::None, CTRL_U) => self.typed.clear(),
            (Escape::None, b'\t' | b' '..) => self.typed.push(byte),
            (Escape::None, _) => {}
        }
        Pressed::Goes
    }

    /// Removes the last character, with all of its bytes.
    fn erase(&mut self) {
        while self.typed.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
    }
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> String {
        let mut line = TypedLine::default();
        assert!(keys.bytes().all(|key| line.press(key) == Pressed::Goes), "{keys:?}");
        String::from_utf8(line.typed).unwrap()
    }

    #[test]
    fn a_line_is_what_would_be_seen_if_it_were_shown() {
        assert_eq!(typed("sk-1 2\té🦙"), "sk-1 2\té🦙");
        assert_eq!(typed("aé🦙\x7f\x7fb\x08c\x7f\x7f\x7f"), "");
        assert_eq!(typed("wrong\x15right"), "right");
        assert_eq!(typed("a\x1b[Db\x1b[1;5Cc\x1bOPd\x1bxe\x01\x07"), "abcde", "keys that are no characters");
    }

    #[test]
    fn enter_and_ctrl_d_end_it_and_ctrl_c_interrupts_it() {
        for (key, outcome) in
            [(b'\r', Pressed::Ends), (b'\n', Pressed::Ends), (4, Pressed::Ends), (3, Pressed::Interrupts)]
        {
            assert_eq!(TypedLine::default().press(key), outcome);
        }
    }
}
