use std::cell::{Cell, RefCell};
use std::io::PipeReader;

use pipulate_core::watch::Glob;
use pipulate_process::poll;

use super::*;
use crate::parts::samples;

/// A check with a fixed result.
struct Known(Option<Verdict>, PipeReader);

impl AsFd for Known {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.1.as_fd()
    }
}

impl Pending for Known {
    fn deadline(&self) -> Instant {
        Instant::now()
    }

    fn verdict(&mut self, _: Instant) -> Option<Verdict> {
        self.0.clone()
    }
}

/// Gives every check this result, and remembers the files.
#[derive(Default)]
struct Answers {
    verdict: Option<Verdict>,
    cannot_start: Option<&'static str>,
    has_no_processes: Cell<bool>,
    checked: RefCell<Vec<Vec<PathBuf>>>,
}

impl Checks for Answers {
    type Pending = Known;

    fn begin(&self, files: &[PathBuf]) -> io::Result<Known> {
        if self.has_no_processes.get() {
            return Err(rustix::io::Errno::AGAIN.into());
        }
        self.checked.borrow_mut().push(files.to_vec());
        Ok(Known(self.verdict.clone(), io::pipe().unwrap().0))
    }

    fn could_start(&self) -> Result<(), Reason> {
        self.cannot_start.map_or(Ok(()), |why| Err(Reason::told(why)))
    }
}

struct Project {
    _folder: tempfile::TempDir,
    layout: Layout,
    watch: FileWatch<Known>,
    now: Instant,
}

impl Project {
    fn new() -> Self {
        let (folder, layout) = samples::home();
        let globs = vec![Glob::parse("*.py").unwrap(), Glob::parse("*.css").unwrap()];
        let spec = WatchSpec { globs, python: "python3".into() };
        let now = Instant::now();
        let watch = FileWatch::new(&layout, Some(&spec), Vec::new(), now);
        Self { _folder: folder, layout, watch, now }
    }

    fn save(&self, file: &str) {
        fs::write(self.layout.inside(file), b"x").unwrap();
        let watched: Vec<_> = self.watch.descriptors().collect();
        poll::wait(&watched[..1], None).unwrap();
    }

    /// Looks now, and again when the burst is due.
    fn look(&mut self, answers: &Answers, running: Running) -> bool {
        let service = samples::name("worker");
        if self.watch.look(&self.layout, &service, answers, running, self.now) {
            return true;
        }
        self.now = self.watch.changes.due().unwrap_or(self.now);
        self.watch.look(&self.layout, &service, answers, running, self.now)
    }
}

fn sound() -> Answers {
    Answers { verdict: Some(Verdict::Sound), ..Answers::default() }
}

#[test]
fn a_burst_of_saves_is_one_reason_and_only_python_files_are_checked() {
    let (mut project, answers) = (Project::new(), sound());
    assert!(!project.look(&answers, Running::Yes), "nothing was saved");
    for file in ["a.py", "b.py", "style.css", "notes.txt"] {
        if file.contains("txt") {
            fs::write(project.layout.inside(file), b"x").unwrap();
        } else {
            project.save(file);
        }
    }
    assert!(project.look(&answers, Running::Yes));
    assert_eq!(*answers.checked.borrow(), [[PathBuf::from("a.py"), PathBuf::from("b.py")]]);
    project.watch.begin(&project.layout, project.now);
    assert!(!project.look(&answers, Running::Yes), "once");
    project.save("style.css");
    assert!(project.look(&answers, Running::Yes));
    assert_eq!(answers.checked.borrow().len(), 1);
}

#[test]
fn a_mistake_or_a_missing_program_keeps_what_runs_and_is_remembered_until_the_next_save() {
    let mut project = Project::new();
    let mistake = Reason::MistakeInFile {
        file: "a.py".to_owned(),
        line: Some(1),
        message: "invalid syntax".to_owned(),
    };
    let found = Some(Verdict::Mistake(mistake.clone()));
    project.save("a.py");
    assert!(!project.look(&Answers { verdict: found, ..Answers::default() }, Running::Yes));
    assert_eq!(project.watch.mistake, Some(mistake));
    assert_eq!(project.watch.unread(), [PathBuf::from("a.py")]);

    let missing = Answers { cannot_start: Some("the program is gone"), ..sound() };
    project.save("a.py");
    assert!(!project.look(&missing, Running::Yes));
    assert_eq!(project.watch.mistake, Some(Reason::told("the program is gone")));
    project.save("a.py");
    assert!(project.look(&missing, Running::No), "nothing is lost: the start says why");
    project.save("a.py");
    assert!(project.look(&sound(), Running::Yes));
    assert_eq!(project.watch.mistake, None);
}

#[test]
fn a_check_that_could_not_start_is_begun_again_and_is_no_reason_to_restart() {
    let (mut project, answers) = (Project::new(), sound());
    answers.has_no_processes.set(true);
    project.save("a.py");
    assert!(!project.look(&answers, Running::Yes));
    assert!(answers.checked.borrow().is_empty() && project.watch.next_look().is_some());
    answers.has_no_processes.set(false);
    project.now = project.watch.next_look().unwrap();
    assert!(project.look(&answers, Running::Yes));
    assert_eq!(*answers.checked.borrow(), [[PathBuf::from("a.py")]]);
}

#[test]
fn saves_mean_nothing_to_a_service_that_should_not_run() {
    let (mut project, answers) = (Project::new(), sound());
    project.save("a.py");
    assert!(!project.look(&answers, Running::Unwanted));
    assert!(!project.look(&answers, Running::Yes), "it was forgotten");
}

#[test]
fn a_service_that_saves_its_own_files_is_watched_no_more() {
    let (mut project, answers) = (Project::new(), sound());
    let restarts = (0..100).position(|_| {
        project.watch.begin(&project.layout, project.now);
        project.save("own.py");
        !project.look(&answers, Running::Yes)
    });
    assert!(restarts.is_some_and(|restarts| restarts > 1), "{restarts:?}");
    let own = Reason::SavesItself { files: vec!["own.py".into()], more: 0 };
    assert!(project.watch.trouble() == Some(&own) && !project.watch.is_possible());
}

#[test]
fn what_an_earlier_supervisor_did_not_act_on_is_acted_on() {
    let (_folder, layout) = samples::home();
    let spec = WatchSpec { globs: vec![Glob::parse("*.py").unwrap()], python: "python3".into() };
    let now = Instant::now();
    let mut watch: FileWatch<Known> = FileWatch::new(&layout, Some(&spec), vec!["a.css".into()], now);
    let due = watch.next_look().unwrap();
    assert!(watch.look(&layout, &samples::name("worker"), &sound(), Running::Yes, due));
}
