//! Capture where the system refuses its usual calls: each pass moves, drops, or ends.

use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// The mover's folder, set when this very program is started as one.
const STARVED: &str = "PIPULATE_TEST_STARVED";
const SMALL: LogLimits = LogLimits { max_size: 8 << 10, keep: 1000 };

fn line(number: usize) -> String {
    format!("line {number:90}\n")
}

/// Makes splice(2) into the log fail with `EINVAL`, as a file system without it does.
fn refuse_splice(capture: &mut Capture, layout: &Layout, name: &ServiceName) {
    capture.log = OpenOptions::new().read(true).append(true).open(layout.log(name)).unwrap();
}

#[test]
fn a_log_that_refuses_splice_is_written_and_no_line_is_dropped() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, SMALL).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let mut written = String::new();
    refuse_splice(&mut capture, &layout, &name);
    for number in 0..1000 {
        writer.write_all(line(number).as_bytes()).unwrap();
        written.push_str(&line(number));
        if number % 70 == 0 {
            assert_eq!(capture.drain().unwrap(), Drained::Empty);
        }
    }
    capture.drain().unwrap();
    assert_eq!(String::from_utf8(kept(&layout, &name, SMALL.keep).concat()).unwrap(), written);
    assert_eq!((capture.dropped(), capture.trouble()), (0, None));
}

#[test]
#[ignore = "is started by without_a_descriptor_left_no_line_is_lost_and_no_pass_is_in_vain"]
fn starved_mover() {
    let Some(root) = std::env::var_os(STARVED) else { return };
    let layout = Layout::new(AbsPath::new(root).unwrap());
    let mut capture = Capture::open(&layout, &ServiceName::parse("a").unwrap(), SMALL).unwrap();
    let writer = File::from(capture.writer().unwrap());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).unwrap();
    // The bound is passed; neither a helper pipe nor a next log can be opened.
    for number in 0..150 {
        (&writer).write_all(line(number).as_bytes()).unwrap();
        assert_eq!(capture.drain().unwrap(), Drained::Empty);
    }
    assert_eq!((capture.dropped(), capture.rotations()), (0, 0));
    setrlimit(Resource::Nofile, limit).unwrap();
    (&writer).write_all(line(150).as_bytes()).unwrap();
    capture.drain().unwrap();
    assert_eq!((capture.dropped(), capture.rotations()), (0, 1));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the limit is one of a whole process")]
fn without_a_descriptor_left_no_line_is_lost_and_no_pass_is_in_vain() {
    let (_dir, layout, name) = home();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["capture::tests::refusals::starved_mover", "--exact", "--ignored"]).stdout(Stdio::null());
    assert!(command.env(STARVED, layout.root().as_os_str()).status().unwrap().success());
    let expected: String = (0..=150).map(line).collect();
    assert_eq!(String::from_utf8(kept(&layout, &name, SMALL.keep).concat()).unwrap(), expected);
}

/// A log that can't be written at all: its descriptor is for reading.
#[test]
fn what_cant_be_written_is_dropped_pass_by_pass() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LogLimits { max_size: 1 << 20, keep: 1 }).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    writer.write_all(b"kept\n").unwrap();
    capture.drain().unwrap();
    capture.log = OpenOptions::new().read(true).open(layout.log(&name)).unwrap();
    for number in 0..50 {
        writer.write_all(line(number).as_bytes()).unwrap();
        assert_eq!(capture.drain().unwrap(), Drained::Empty);
    }
    assert_eq!(capture.dropped(), 50);
    assert!(capture.trouble().is_some());
    capture.log = OpenOptions::new().read(true).write(true).open(layout.log(&name)).unwrap();
    writer.write_all(b"again\n").unwrap();
    capture.drain().unwrap();
    assert_eq!(std::fs::read(layout.log(&name)).unwrap(), b"kept\nagain\n");
}
