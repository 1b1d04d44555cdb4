//! Commands: their output, their ends, and what is not waited for.

use std::time::Instant;

use super::running::MOST_OUTPUT;
use super::*;

#[test]
fn output_is_gathered_with_the_code() {
    let output = Command::new("sh")
        .args(["-c", "read a; echo $a$B; echo oops >&2; exit 3"])
        .env("B", "!")
        .stdin("hi\n")
        .output(Duration::from_secs(20))
        .unwrap();
    assert_eq!(output, Output { end: End::Code(3), stdout: b"hi!\n".to_vec(), stderr: b"oops\n".to_vec() });
}

#[test]
fn what_takes_too_long_is_ended_with_its_children() {
    let begun = Instant::now();
    let output = Command::new("sh").args(["-c", "sleep 300 & sleep 300"]).output(Duration::from_millis(200));
    assert_eq!(output.unwrap().end, End::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(200));
}

#[test]
fn a_program_that_never_stops_talking_is_ended_at_its_time_and_keeps_no_memory_busy() {
    // With lines, and without any line break.
    for endless in ["yes", "exec cat /dev/zero", "yes >&2", "exec sleep 1000"] {
        let output = Command::new("sh").args(["-c", endless]).output(Duration::from_millis(300)).unwrap();
        assert_eq!(output.end, End::TimedOut, "{endless}");
        assert!(output.stdout.len().max(output.stderr.len()) <= MOST_OUTPUT, "{endless}");
    }
}

#[test]
fn a_program_that_does_not_read_what_it_is_given_is_ended_at_its_time() {
    let given = vec![b'x'; 1 << 20];
    let output = Command::new("sleep").arg("1000").stdin(given.clone()).output(Duration::from_millis(300));
    assert_eq!(output.unwrap().end, End::TimedOut);
    let read = Command::new("sh").args(["-c", "wc -c"]).stdin(given).output(Duration::from_secs(60)).unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap().trim(), (1 << 20).to_string());
}

#[test]
fn a_long_line_comes_whole_to_who_wants_all_of_it() {
    let print = "head -c 200000 /dev/zero | tr '\\0' x; echo; echo end";
    let output = Command::new("sh").args(["-c", print]).output(Duration::from_secs(60)).unwrap();
    assert_eq!(output.stdout, [&vec![b'x'; 200_000][..], b"\nend\n"].concat());
}

#[test]
fn a_missing_program_is_an_error_that_names_it() {
    let error = Command::new("/nowhere/at/all").output(Duration::from_secs(1)).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}
