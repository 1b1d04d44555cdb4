//! Reading requirements, and evaluating their conditions.

use std::fs;

use pipulate_core::config::Config;
use pipulate_core::project::AbsPath;

use super::*;

fn read(files: &[(&str, &str)], toml: &str, jupyter: bool) -> Result<Requirements, RequirementsError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
    Requirements::read(&layout, &Config::parse(toml).unwrap().python, jupyter, &Surroundings::default())
}

fn names(text: &str) -> Vec<String> {
    read(&[("requirements.txt", text)], "", false).unwrap().names.into_iter().collect()
}

#[test]
fn names_are_read_from_every_way_of_writing_them() {
    for (line, wanted) in [
        ("numpy", "numpy"),
        ("Python_DotEnv>=1 # why", "python-dotenv"),
        ("uvicorn[standard] ~= 0.30 ; python_version > '3.9'", "uvicorn"),
        ("pkg @ https://host/pkg.whl", "pkg"),
        ("ruamel.yaml==0.18 \\\n  --hash=sha256:00", "ruamel-yaml"),
        ("\u{feff}six", "six"),
    ] {
        assert_eq!(names(line), [wanted], "{line}");
    }
    for line in
        ["# numpy", "", "-e .", "./here", "https://h/x.whl", "git+https://h/x", "--pre", "-i https://h"]
    {
        assert!(names(line).is_empty(), "{line}");
    }
}

#[test]
fn included_files_count_and_constraints_do_not_ask_for_anything() {
    let files = [
        ("requirements.txt", "-r more.txt\n-c limits.txt\nsix\n"),
        ("more.txt", "--requirement=requirements.txt\njupyterlab\n"),
        ("limits.txt", "numpy<2\n"),
    ];
    let read = read(&files, "", true).unwrap();
    assert_eq!(read.names.iter().collect::<Vec<_>>(), ["jupyterlab", "six"]);
    assert!(!read.arguments().contains(&"jupyterlab".into()));
}

#[test]
fn files_that_include_each_other_are_bounded_in_number_and_size() {
    // Each level includes itself twice, by different paths: 2^n files.
    let twice = "-r a/../requirements.txt\n-r b/../requirements.txt\n";
    let folders = [("a/x", ""), ("b/x", "")];
    let error = read(&[&[("requirements.txt", twice)][..], &folders].concat(), "", true).unwrap_err();
    assert_eq!(error.reason, "more than 100 files are included");
    let comment = format!("#{}\n", "x".repeat(9 << 20));
    let two = [("requirements.txt", &*format!("{comment}-r more.txt")), ("more.txt", &*comment)];
    assert_eq!(read(&two, "", true).unwrap_err().reason, "it is larger than 16 MiB, with what it includes");
}

#[test]
fn a_change_in_any_of_the_files_is_noticed_and_nothing_else_is() {
    let of = |more: &str| {
        read(&[("requirements.txt", "-r more.txt"), ("more.txt", more)], "", true).unwrap().fingerprint
    };
    assert_eq!(of("six"), of("six"));
    assert_ne!(of("six"), of("six==1.17"));
}

#[test]
fn jupyterlab_is_added_where_it_is_wanted_and_missing() {
    let one = [("requirements.txt", "six\n")];
    assert_eq!(read(&one, "", true).unwrap().arguments().last().unwrap(), "jupyterlab");
    assert_eq!(read(&one, "", false).unwrap().arguments().len(), 2);
    let hashed = read(&[("requirements.txt", "six==1 --hash=sha256:00\n")], "", true).unwrap();
    assert_eq!((hashed.hashed, hashed.arguments().len()), (true, 2));
}

#[test]
fn without_a_file_the_default_four_are_wanted() {
    assert_eq!(read(&[], "", true).unwrap().arguments(), DEFAULT_PACKAGES);
}

#[test]
fn the_dependencies_of_a_pyproject_are_wanted_where_there_is_no_requirements_file() {
    let toml = "[project]\nname = \"demo\"\ndependencies = [\"Six>=1.16\", \"polars[all]; python_version > '3.9'\"]\n";
    let project = [("pyproject.toml", toml)];
    let wanted = read(&project, "", true).unwrap();
    assert_eq!(wanted.arguments(), ["Six>=1.16", "polars[all]; python_version > '3.9'", "jupyterlab"]);
    assert_eq!(wanted.names.iter().collect::<Vec<_>>(), ["jupyterlab", "polars", "six"]);
    let changed = [("pyproject.toml", toml.replace("1.16", "1.17"))];
    let changed = changed.each_ref().map(|(name, text)| (*name, text.as_str()));
    assert_ne!(read(&changed, "", true).unwrap().fingerprint, wanted.fingerprint);
    let both = [("pyproject.toml", toml), ("requirements.txt", "six\n")];
    assert_eq!(read(&both, "", false).unwrap().arguments()[0], "-r");
}

#[test]
fn a_pyproject_without_dependencies_says_nothing_and_a_broken_one_is_an_error() {
    for text in
        ["[tool.ruff]\nline-length = 100\n", "[project]\nname = \"x\"\ndynamic = [\"dependencies\"]\n"]
    {
        assert_eq!(read(&[("pyproject.toml", text)], "", true).unwrap().source, Source::Default, "{text}");
    }
    for text in
        ["[project", "[project]\ndependencies = [1]\n", "[project]\ndependencies = [\"--index-url=x\"]\n"]
    {
        let error = read(&[("pyproject.toml", text)], "", true).unwrap_err();
        assert!(error.path.ends_with("pyproject.toml"), "{error}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = read(&[], "[python]\nrequirements = \"other.txt\"\n", true).unwrap_err();
    assert!(error.path.ends_with("other.txt"), "{error}");
}

#[test]
fn the_names_of_included_files_are_read_as_the_installers_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("a b.txt", "six\n");
    file("c d.txt", "idna\n");
    file("of-variable.txt", "attrs\n");
    file(
        "requirements.txt",
        "-r a\\ b.txt\n-r \"c d.txt\"\n-r ${PLACE}/of-variable.txt\n-r ${UNSET}/x.txt\nidna\n",
    );
    let around = Surroundings::default().with("PLACE", folder.path());
    let python = Config::parse("").unwrap().python;
    let read = Requirements::read(&layout, &python, false, &around).unwrap();
    assert_eq!(read.names.iter().collect::<Vec<_>>(), ["attrs", "idna", "six"]);
    assert_eq!(read.not_there.len(), 1, "an installer says what is wrong with it");
}

#[test]
fn what_is_asked_for_elsewhere_is_not_asked_for_here() {
    let text = "colorama; sys_platform == \"win32\"\nsix; python_version >= '3.9'\nidna ; extra == 'x'\nidna\n\
                old @ https://h/old.whl ; python_version < '3'\n";
    let read = read(&[("requirements.txt", text)], "", false).unwrap();
    let names = |version: Option<&str>| -> Vec<String> {
        read.names_for(version.and_then(Version::parse)).into_iter().collect()
    };
    assert_eq!(names(Some("3.11.7")), ["idna", "six"]);
    assert_eq!(names(None), ["idna"]);
}

#[test]
fn a_file_that_powershell_wrote_is_read() {
    let wide: Vec<u8> = "\u{feff}six\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text::decoded(&wide), "\u{feff}six\r\n".trim_start_matches('\u{feff}'));
    assert_eq!(text::decoded(b"\xef\xbb\xbfsix"), "six");
}
