use std::path::Path;

use super::*;

/// Returns the bytes of a structure with these fields.
fn structure(size: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (start, field) in fields {
        bytes[*start..*start + field.len()].copy_from_slice(field);
    }
    bytes
}

fn ids(own: u64, parent: u64, version: u32) -> Vec<u8> {
    structure(
        ids::SIZE,
        &[
            (ids::OWN, &own.to_ne_bytes()),
            (ids::PARENT, &parent.to_ne_bytes()),
            (ids::VERSION, &version.to_ne_bytes()),
        ],
    )
}

fn process(status: u32, flags: u32, exit_status: u32) -> Process {
    let mut bytes = structure(
        bsd::SIZE,
        &[
            (bsd::FLAGS, &flags.to_ne_bytes()),
            (bsd::STATUS, &status.to_ne_bytes()),
            (bsd::EXIT_STATUS, &exit_status.to_ne_bytes()),
            (bsd::PARENT, &1_u32.to_ne_bytes()),
            (bsd::USER, &501_u32.to_ne_bytes()),
            (bsd::COMMAND, b"python3.13\0\0\0\0\0\0"),
            (bsd::GROUP, &4711_u32.to_ne_bytes()),
            (bsd::TERMINAL, &u32::MAX.to_ne_bytes()),
            (bsd::START_SECONDS, &1_800_000_000_u64.to_ne_bytes()),
            (bsd::START_MICROSECONDS, &250_000_u64.to_ne_bytes()),
        ],
    );
    bytes.extend(ids(90_001, 90_000, 12));
    Process::parse(&bytes).unwrap()
}

#[test]
fn a_process_is_read_with_its_identity() {
    let found = process(2, 0, 0);
    assert_eq!((found.name.as_str(), found.parent, found.user, found.group), ("python3.13", 1, 501, 4711));
    assert_eq!((found.has_terminal, found.foreground_group), (false, -1));
    assert_eq!(found.started, Some(Duration::from_millis(1_800_000_000_250)));
    assert_eq!(found.ids, Ids { own: 90_001, parent: 90_000, version: 12 });
    assert!(!found.is_ending() && found.end().is_none());
    assert!(Process::parse(&[0; bsd::SIZE]).is_none(), "without an identity it is nobody");
}

#[test]
fn a_zombie_says_how_it_ended_and_so_does_one_that_is_about_to() {
    assert_eq!(process(ZOMBIE, 0, 42 << 8).end(), Some(End::Code(42)));
    assert_eq!(process(2, IN_EXIT, 9).end(), Some(End::Signal(9)));
    assert_eq!(process(ZOMBIE, 0, 0x80 | 11).end(), Some(End::Signal(11)), "with a core file");
    assert!(process(ZOMBIE, 0, 0).is_zombie());
    assert!(!process(2, IN_EXIT, 0).is_zombie());
}

#[test]
fn of_another_users_process_less_is_told() {
    let bytes = structure(
        short::SIZE,
        &[
            (short::PARENT, &7_u32.to_ne_bytes()),
            (short::STATUS, &2_u32.to_ne_bytes()),
            (short::COMMAND, b"0123456789abcdef"),
            (short::USER, &502_u32.to_ne_bytes()),
        ],
    );
    let who = Ids::parse(&ids(5, 4, 3)).unwrap();
    let found = Process::parse_short(&bytes, who).unwrap();
    assert_eq!((found.parent, found.user, found.name.as_str()), (7, 502, "0123456789abcdef"));
    assert_eq!((found.started, found.ids), (None, who));
}

#[test]
fn a_task_says_what_it_uses() {
    let bytes = structure(
        task::SIZE,
        &[
            (task::RESIDENT, &4096_u64.to_ne_bytes()),
            (task::USER_TIME, &24_u64.to_ne_bytes()),
            (task::SYSTEM_TIME, &6_u64.to_ne_bytes()),
            (task::THREADS, &3_u32.to_ne_bytes()),
            (task::RUNNING, &1_u32.to_ne_bytes()),
        ],
    );
    let wanted = Task { resident_bytes: 4096, cpu_time: 30, threads: 3, is_running: true };
    assert_eq!(Task::parse(&bytes), Some(wanted));
}

#[test]
fn an_open_fifo_is_known_by_device_and_inode_and_by_who_can_write_to_it() {
    let file = |flags: u32, mode: u16| {
        let fields: [(usize, &[u8]); 5] = [
            (0, &flags.to_ne_bytes()),
            (OPEN_FILE_VNODE + vnode::DEVICE, &(-7_i32).to_ne_bytes()),
            (OPEN_FILE_VNODE + vnode::MODE, &mode.to_ne_bytes()),
            (OPEN_FILE_VNODE + vnode::INODE, &99_u64.to_ne_bytes()),
            (OPEN_FILE_VNODE + vnode::PATH, b"/private/tmp/p\0old"),
        ];
        open_file(&structure(OPEN_FILE_SIZE, &fields)).unwrap()
    };
    let (fifo, is_written) = file(3, 0o010_600);
    assert_eq!((fifo.device, fifo.inode), ((-7_i64).cast_unsigned(), 99), "as std has a dev_t");
    assert_eq!(fifo.path, Path::new("/private/tmp/p"));
    assert!(is_written && fifo.is_fifo());
    let (regular, is_written) = file(1, 0o100_600);
    assert!(!is_written && !regular.is_fifo());
}

#[test]
fn ignored_signals_are_a_mask_that_counts_from_one() {
    let kinfo = structure(KINFO_SIZE, &[(KINFO_IGNORED, &0b101_u32.to_ne_bytes())]);
    assert_eq!(
        (ignores(&kinfo, 1), ignores(&kinfo, 2), ignores(&kinfo, 3)),
        (Some(true), Some(false), Some(true))
    );
    assert_eq!(ignores(&kinfo[..100], 1), None);
}

/// Returns the kernel's bytes for a process with this path, these arguments and this environment.
fn procargs(path: &str, arguments: &[&str], environment: &[&str]) -> Vec<u8> {
    let mut strings = format!("{path}\0").into_bytes();
    strings.resize(strings.len().next_multiple_of(8), 0);
    for word in arguments.iter().chain(environment) {
        strings.extend_from_slice(word.as_bytes());
        strings.push(0);
    }
    let count = i32::try_from(arguments.len()).unwrap();
    [count.to_ne_bytes().as_slice(), &strings].concat()
}

#[test]
fn arguments_and_environment_are_told_apart_by_their_number() {
    for path in ["/bin/cat", "/usr/bin/python3", "/a", "/opt/x/seventh"] {
        let mut bytes = procargs(path, &["", "-c", "", "x=1"], &["PATH=/bin", "A="]);
        bytes.extend(b"\0executable_file=0x1\0");
        let words = Words::parse(&bytes).unwrap();
        assert_eq!(words.arguments, ["", "-c", "", "x=1"], "{path}: an empty word is a word");
        assert_eq!(words.environment, b"PATH=/bin\0A=", "{path}: and what follows is no variable");
    }
}

#[test]
fn a_hidden_environment_is_empty_and_a_part_is_not_taken_for_the_whole() {
    let bytes = procargs("/bin/sh", &["sh"], &[]);
    assert_eq!(Words::parse(&bytes).unwrap(), Words { arguments: vec!["sh".into()], environment: b"" });
    for end in 0..bytes.len() {
        assert_eq!(Words::parse(&bytes[..end]), None, "{end} bytes");
    }
    assert_eq!(Words::parse(&[0xff; 64]), None);
}
