//! Permissions to change the file, its fate after an edit, and concurrent edits.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;
use std::thread;

use pipulate_core::env_error::EnvError;
use pipulate_core::project::AbsPath;
use pipulate_store::dotenv::{EnvFile, SetOnce, Unset};

use crate::{Home, key, secret};

#[test]
fn a_secret_file_is_private_even_if_it_was_not() {
    for home in [Home::new(), Home::with("# mine\nA=1\n")] {
        home.env_file().set(&key("A"), &secret("2")).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(home.text().ends_with("A='2'\n"));
        let mut names: Vec<_> =
            fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".env", "lock"]);
    }
}

#[test]
fn a_missing_file_is_an_empty_one() {
    let home = Home::new();
    assert!(home.env_file().keys().unwrap().is_empty());
    assert_eq!(home.env_file().get("A").unwrap(), None);
    assert_eq!(home.env_file().unset("A").unwrap(), Unset::WasNotThere);
    assert!(!home.path().exists());
}

#[test]
fn a_value_goes_in_and_out_again() {
    let home = Home::with("B=${PATH}\n");
    let file = home.env_file();
    assert!(file.set(&key("A"), &secret("it's $1")).unwrap().warning.is_some());
    assert!(file.set(&key("A"), &secret("plain")).unwrap().warning.is_none());
    assert_eq!(file.keys().unwrap(), ["B", "A"]);
    assert_eq!(file.get("A").unwrap().unwrap(), secret("plain"));
    assert_eq!(file.get("B").unwrap().unwrap().expose(), std::env::var("PATH").unwrap());
    assert_eq!(file.unset("A").unwrap(), Unset::Removed);
    assert_eq!(home.text(), "B=${PATH}\n");
}

#[test]
fn a_symlinked_env_file_is_refused() {
    for target in ["real", "nowhere"] {
        let home = Home::new();
        fs::write(home.dir.path().join("real"), "A=1\n").unwrap();
        symlink(target, home.path()).unwrap();
        let error = home.env_file().set(&key("A"), &secret("2")).unwrap_err();
        assert!(matches!(error, EnvError::Symlink { .. }), "{error}");
        assert_eq!(fs::read_to_string(home.dir.path().join("real")).unwrap(), "A=1\n");
        assert!(!home.dir.path().join("nowhere").exists());
        assert_eq!(home.env_file().get("A").unwrap().is_some(), target == "real", "reading goes through it");
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    assert!(matches!(home.env_file().set(&key("A"), &secret("2")), Err(EnvError::NotAFile { .. })));
    fs::remove_dir(home.path()).unwrap();
    nix::unistd::mkfifo(&*home.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(home.env_file().get("A"), Err(EnvError::NotAFile { .. })));
}

#[test]
fn another_users_file_is_refused() {
    let home = Home::with("A=1\n");
    let path = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(home.path(), Some(1), None).unwrap();
        home.path()
    } else {
        AbsPath::new("/etc/passwd").unwrap()
    };
    let file = EnvFile::new(path, AbsPath::new(home.dir.path().join("lock")).unwrap());
    let error = file.set(&key("A"), &secret("2")).unwrap_err();
    assert!(matches!(error, EnvError::OtherOwner { .. }), "{error}");
    assert_eq!(home.text(), "A=1\n");
}

#[test]
fn no_error_shows_a_value() {
    let hush = "hush-hush";
    let open_quote = Home::with("A='hush-hush\n");
    let not_text = Home::new();
    fs::write(not_text.path(), b"A=hush-hush\xff\n").unwrap();
    let errors = [
        open_quote.env_file().set(&key("B"), &secret(hush)).unwrap_err(),
        not_text.env_file().set(&key("B"), &secret(hush)).unwrap_err(),
        not_text.env_file().keys().unwrap_err(),
        Home::new().env_file().set(&key("B"), &secret("hush-hush\r\n")).unwrap_err(),
        Home::new().env_file().set(&key("B"), &secret("hush-hush\0")).unwrap_err(),
        Home::new().env_file().set(&key("B"), &secret("hush-hush${A}")).unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(hush), "{shown}");
        assert!(shown.contains(".env"), "{shown}");
    }
    assert_eq!(open_quote.text(), "A='hush-hush\n");
}

#[test]
fn a_lock_that_can_not_be_made_is_named() {
    let home = Home::new();
    let file = EnvFile::new(home.path(), AbsPath::new(home.dir.path().join("missing/lock")).unwrap());
    let error = file.set(&key("A"), &secret("1")).unwrap_err().to_string();
    assert!(error.starts_with("could not open the lock /"), "{error}");
    assert!(!home.path().exists());
}

#[test]
fn edits_at_once_lose_nothing() {
    const WRITERS: usize = 8;
    const KEYS: usize = 10;
    let home = Home::with("# kept\n");
    let together = Barrier::new(WRITERS);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (home, together) = (&home, &together);
            scope.spawn(move || {
                together.wait();
                for number in 0..KEYS {
                    home.env_file().set(&key(&format!("K_{writer}_{number}")), &secret("x")).unwrap();
                }
            });
        }
    });
    assert_eq!(home.env_file().keys().unwrap().len(), WRITERS * KEYS);
    assert!(home.text().starts_with("# kept\n"));
}

#[test]
fn of_many_that_set_a_value_once_one_does() {
    const WRITERS: usize = 8;
    let home = Home::with("A=\n");
    let together = Barrier::new(WRITERS);
    let saved: Vec<usize> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (home, together) = (&home, &together);
                scope.spawn(move || {
                    together.wait();
                    let outcome = home.env_file().set_once(&key("A"), &secret(&writer.to_string())).unwrap();
                    matches!(outcome, SetOnce::Saved(_)).then_some(writer)
                })
            })
            .collect();
        writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert_eq!(home.text(), format!("A='{}'\n", saved[0]));
    assert_eq!(home.env_file().set_once(&key("A"), &secret("late")).unwrap(), SetOnce::AlreadySet);
}

#[test]
fn a_value_that_grows_too_long_is_named_by_its_line_and_the_others_are_known() {
    let place = Home::new();
    let lines: Vec<String> = (1..20).map(|n| format!("A{n}=${{A{}}}${{A{}}}\n", n - 1, n - 1)).collect();
    fs::write(place.path(), format!("A0=0123456789abcdef\n{}", lines.concat())).unwrap();
    let said = place.env_file().values().unwrap_err().to_string();
    assert!(said.starts_with("line 14 of ") && said.ends_with("for all such lines"), "{said}");
    assert_eq!(place.env_file().variables().unwrap_err().to_string(), said);
    let (known, problem) = place.env_file().known_values().unwrap();
    assert_eq!((known.len(), problem.unwrap().to_string()), (20, said));
}

#[test]
fn only_a_regular_file_of_at_most_a_mebibyte_is_read() {
    let place = Home::new();
    fs::write(place.path(), "#\n".repeat(1 << 19)).unwrap();
    assert!(place.env_file().read().is_ok());
    fs::write(place.path(), "#\n".repeat((1 << 19) + 1)).unwrap();
    assert!(place.env_file().read().unwrap_err().to_string().ends_with("it is larger than 1 MiB"));
}
