//! Real output of the installers (uv 0.13.9, pip 23 to 26), with its causes.

use super::*;

fn understood<const N: usize>(table: [(&str, Cause); N]) {
    for (output, wanted) in table {
        assert_eq!(classify(output), wanted, "{output}");
    }
}

#[test]
fn what_the_index_did_not_give_is_understood() {
    let missing = |name: &str| Cause::NoSuchPackage { requirement: Some(name.to_owned()) };
    understood([
        (
            "error: Request failed after 3 retries in 10.4s\n  cause: Failed to fetch: https://pypi.org/simple/idna/\n  \
             cause: client error (Connect)\n  cause: dns error\n  cause: failed to lookup address information: \
             Name or service not known",
            Cause::NoNetwork,
        ),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(\"Failed to establish \
             a new connection: [Errno 111] Connection refused\")'\nERROR: Could not find a version that satisfies the \
             requirement idna (from versions: none)\nERROR: No matching distribution found for idna",
            Cause::NoNetwork,
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because nosuchpkg-zzz was not found in the \
             package registry and you require nosuchpkg-zzz, we can conclude that your requirements are unsatisfiable.",
            missing("nosuchpkg-zzz"),
        ),
        (
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of six==99 and you \
             require six==99, we can conclude that your requirements are unsatisfiable.",
            missing("six==99"),
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement six==99 (from versions: 0.9.0, 1.17.0)\n\
             ERROR: No matching distribution found for six==99",
            missing("six==99"),
        ),
        (
            "Because only networkx<=3.6 is available and you require networkx>4, we can conclude\n  × No solution found",
            Cause::Conflict,
        ),
        (
            "ERROR: Cannot install a and b because these package versions have conflicting dependencies.\nERROR: \
             ResolutionImpossible: for help visit https://pip.pypa.io/",
            Cause::Conflict,
        ),
        (
            "Because the current Python version (3.11.7) does not satisfy Python>=3.12 and ipython==9.19 depends on \
             Python>=3.12, we can conclude that ipython==9.19 cannot be used.\n  × No solution found",
            Cause::WrongPython,
        ),
        (
            "ERROR: Ignored the following versions that require a different python version: 9.12.0 Requires-Python \
             >=3.12\nERROR: No matching distribution found for ipython==9.12.0",
            Cause::WrongPython,
        ),
        (
            "ERROR: Ignored the following versions that require a different python version: 9.12.0 Requires-Python \
             >=3.12\nERROR: No matching distribution found for ipython==0.1",
            missing("ipython==0.1"),
        ),
    ]);
}

#[test]
fn what_a_rule_forbade_is_understood() {
    understood([
        (
            "error: In `--require-hashes` mode, all requirements must have their versions pinned with `==`, but found: \
             six",
            Cause::Hashes,
        ),
        (
            "ERROR: Hashes are required in --require-hashes mode, but they are missing from some requirements.",
            Cause::Hashes,
        ),
        (
            "  × Failed to download `six==1.17.0`\n  ╰─▶ Hash mismatch for `six==1.17.0`\n      Expected:\n        sha256:aa",
            Cause::Hashes,
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", Cause::Hashes),
        (
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of six==1.17.0 and you \
             require six==1.17.0, we can conclude that your requirements are unsatisfiable.\n      hint: `six` was found \
             on https://a/simple, but not at the requested version (six==1.17.0). A compatible version may be available \
             on a subsequent index (e.g., https://pypi.org/simple). By default, uv will only consider versions that are \
             published on the first index that contains a given package, to avoid dependency confusion attacks.",
            Cause::SecondIndex,
        ),
    ]);
}

#[test]
fn what_this_machine_did_not_allow_is_understood() {
    understood([
        (
            "error: Failed to build `zz`\n  cause: The build backend returned an error\nerror: [Errno 2] No such file \
             or directory: 'gcc'",
            Cause::NoCompiler,
        ),
        (
            "error: command 'gcc' failed: No such file or directory\nERROR: Failed building wheel for zz",
            Cause::NoCompiler,
        ),
        ("error: Failed to build `zz`\nModuleNotFoundError: No module named 'nose'", Cause::BuildFailed),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            Cause::DiskFull,
        ),
        ("error: failed to copy file\n  cause: No space left on device (os error 28)", Cause::DiskFull),
        ("  cause: invalid peer certificate: UnknownIssuer", Cause::Certificate),
        ("SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')", Cause::Certificate),
        ("error: failed to create directory\n  cause: Permission denied (os error 13)", Cause::NotPermitted),
        ("/p/.venv/bin/python: No module named pip", Cause::NoPip),
        ("something nobody has seen before", Cause::Unknown),
        ("", Cause::Unknown),
    ]);
}

#[test]
fn last_words_are_the_last_ones_and_tell_no_password() {
    let mut lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
    lines
        .push("Looking in indexes: https://me:hunter2@pypi.example/simple, https://token@other/x".to_owned());
    lines.push(String::new());
    lines.push("[notice] A new release of pip is available".to_owned());
    let words = last_words(&lines);
    assert_eq!(words.len(), 12);
    assert_eq!(words[11], "Looking in indexes: https://pypi.example/simple, https://other/x");
    assert_eq!(words[0], "line 29");
}

#[test]
fn a_line_without_end_is_cut_in_its_middle_and_between_characters() {
    let words = last_words(&[format!("failed {} No space left", "ä".repeat(5000))]);
    assert_eq!(words[0].chars().count(), 241);
    assert!(words[0].starts_with("failed ä") && words[0].ends_with("ä No space left"), "{}", words[0]);
}

#[test]
fn what_both_installers_would_be_told_by_the_index_is_asked_for_once() {
    let missing = "  × No solution found when resolving dependencies:\n  ╰─▶ Because nosuch was not found in the package registry \
                   and you require nosuch, we can conclude that your requirements are unsatisfiable.\n";
    assert!(!classify(missing).may_depend_on_the_installer());
    let stricter = "No solution found\nhint: Pre-releases are available for `a` in the requested range, but pre-releases \
                    weren't enabled (try: `--prerelease=allow`)\n";
    assert_eq!(classify(stricter), Cause::StricterUv);
    assert!(classify(stricter).may_depend_on_the_installer(), "pip takes it");
}

#[test]
fn a_proxy_that_stands_in_the_way_is_named() {
    let around = Surroundings::default().with("ALL_PROXY", "socks5://127.0.0.1:9");
    let socks = classify(
        "ERROR: Could not install packages due to an OSError: Missing dependencies for SOCKS support.",
    );
    assert_eq!(socks.behind(&around).to_string(), "ALL_PROXY names a SOCKS proxy, which pip can't use");
    let around = Surroundings::default().with("HTTPS_PROXY", "http://127.0.0.1:9");
    let refused = classify("error: tcp connect error: Connection refused (os error 111)").behind(&around);
    assert_eq!(refused, Cause::Proxy { variable: "HTTPS_PROXY".to_owned() });
    assert_eq!(Cause::NoNetwork.behind(&Surroundings::default()), Cause::NoNetwork);
}
