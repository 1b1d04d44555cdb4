//! The project's requirements for Python and packages, and manual edits.

use super::*;

#[test]
fn an_edit_of_pyvenv_cfg_makes_our_environment_no_strangers() {
    let home = Home::new(NOTHING);
    home.start();
    let config = home.venv().join("pyvenv.cfg");
    let text = fs::read_to_string(&config).unwrap();
    // As an editor writes it: another file, at another time.
    fs::remove_file(&config).unwrap();
    fs::write(&config, text).unwrap();
    fs::write(home.layout.inside("requirements.txt"), "--no-index\n# changed\n").unwrap();
    let report = home.start();
    assert!(report.drift.is_empty() && report.installer.is_some(), "{report:?}");
    assert_eq!(home.drift(), []);
}

#[test]
fn a_python_that_the_project_excludes_is_neither_taken_nor_kept_in_silence() {
    let home = Home::new(NOTHING);
    let requires = |text: &str| {
        let text = format!("[project]\nname = \"x\"\nrequires-python = \"{text}\"\n");
        fs::write(home.layout.inside("pyproject.toml"), text).unwrap();
    };
    requires(">=3.99");
    let error = home.set_up(Mode::Automatic).0.unwrap_err();
    assert!(error.to_string().contains("this project requires Python >=3.99 (pyproject.toml)"), "{error}");
    assert_eq!((home.stamp(), inspect(&home.venv())), (None, VenvState::Absent));
    requires(">=3.10");
    home.start();
    assert_eq!(home.drift(), []);
    requires(">=3.99");
    assert!(matches!(&home.drift()[..], [Drift::PythonExcluded { .. }]), "{:?}", home.drift());
    requires("three");
    assert!(home.set_up(Mode::Recreate).0.unwrap_err().to_string().contains("requires-python = \"three\""));
}

#[test]
fn what_is_asked_for_elsewhere_is_not_missing_here() {
    let home = Home::new("--no-index\ncolorama; sys_platform == \"win32\"\nsix; python_version < \"3\"\n");
    home.foreign_venv();
    assert_eq!(home.start().drift, []);
    fs::write(home.layout.inside("requirements.txt"), "six; sys_platform != \"win32\"\n").unwrap();
    assert_eq!(home.start().drift, [Drift::NotOurs { missing: vec!["six".to_owned()] }]);
}

#[test]
fn a_conda_environment_is_named_with_the_line_that_uses_it() {
    let home = Home::new(NOTHING);
    fs::create_dir_all(home.venv().join("conda-meta")).unwrap();
    let error = home.set_up(Mode::Automatic).0.unwrap_err().to_string();
    assert!(error.contains("it is a conda environment") && error.contains("interpreter = \""), "{error}");
}
