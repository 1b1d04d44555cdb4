use std::fs;
use std::time::Duration;

use pipulate_core::project::AbsPath;

use super::*;

const WEIRD: &str = "it's \"a\" $HOME\n`id` \\ ü*[a] %n";

/// A folder with a venv whose path is full of special characters.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let venv = folder.path().join(WEIRD).join("$(touch x)%n");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(venv.join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        Self { folder }
    }

    fn venv(&self) -> PathBuf {
        self.folder.path().join(WEIRD).join("$(touch x)%n")
    }

    fn layout(&self) -> Layout {
        Layout::new(AbsPath::new(self.folder.path().join(WEIRD)).unwrap())
    }

    fn activation(&self) -> Activation {
        Activation::of(&self.venv().join("bin/python"), &self.layout())
    }

    /// Runs a script in which `activate` evaluates the hook, and returns the output.
    fn run(&self, dialect: Dialect, script: &str) -> String {
        let hook = self.folder.path().join("hook");
        fs::write(&hook, super::hook(dialect, &self.activation())).unwrap();
        let (program, options): (_, &[&str]) = match dialect {
            Dialect::Bash => ("bash", &["--noprofile", "--norc", "-i", "-u"]),
            Dialect::Zsh => ("zsh", &["-f", "-i", "-u"]),
            Dialect::Fish => ("fish", &["--no-config", "-i"]),
        };
        let activate = match dialect {
            Dialect::Bash | Dialect::Zsh => "activate() { eval \"$(cat \"$HOOK\")\"; }\n",
            Dialect::Fish => "function activate; cat $HOOK | source; end\n",
        };
        let output = Command::new(program)
            .args(options)
            .args(["-c", &format!("{activate}{script}")])
            .env("HOOK", hook.as_os_str())
            .env("HOME", self.folder.path())
            .env("PATH", BEFORE)
            .env("PYTHONHOME", "/a b")
            .env("TERM", "xterm")
            .env_remove("VIRTUAL_ENV")
            .output(Duration::from_secs(60))
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        // Without a terminal, bash and zsh report that they have no job control.
        let complaint = text(output.stderr);
        let known = |line: &str| line.contains("job control") || line.contains("terminal process group");
        assert!(complaint.lines().all(known), "{dialect:?}: {complaint}");
        text(output.stdout)
    }
}

const BEFORE: &str = "/usr/local/bin:/usr/bin:/bin";
const ALL: [Dialect; 3] = [Dialect::Bash, Dialect::Zsh, Dialect::Fish];

/// Prints the variables that a hook changes, each value ended by `|`.
fn show(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Bash | Dialect::Zsh => {
            "show() { printf '%s|' \"$PATH\" \"${VIRTUAL_ENV-none}\" \"${PYTHONHOME-none}\" \"$PS1\"; }\n"
        }
        Dialect::Fish => {
            "function show\n\
             set -q VIRTUAL_ENV; and set v $VIRTUAL_ENV; or set v none\n\
             set -q PYTHONHOME; and set h $PYTHONHOME; or set h none\n\
             printf '%s|' (string join : $PATH | string collect) $v $h (fish_prompt | string collect)\nend\n"
        }
    }
}

#[test]
fn a_hook_can_be_evaluated_twice_and_is_taken_back_whole() {
    let home = Home::new();
    let venv = home.venv().display().to_string();
    for dialect in ALL {
        let script = format!("{}show; activate; show; activate; show; deactivate; show", show(dialect));
        let said = home.run(dialect, &script);
        let said: Vec<&str> = said.split_terminator('|').collect();
        let [before, once, twice, after] = [0, 4, 8, 12].map(|at| &said[at..at + 4]);
        assert_eq!(before[..3], [BEFORE, "none", "/a b"], "{dialect:?}");
        assert_eq!(once[..3], [&format!("{venv}/bin:{BEFORE}"), &venv, "none"], "{dialect:?}");
        assert!(once[3].contains("(__touch x__n)"), "{dialect:?}: {said:?}");
        assert_eq!(twice, once, "{dialect:?}");
        assert_eq!(after, before, "{dialect:?}");
    }
}

#[test]
fn jupyters_tools_look_in_this_home_until_it_is_taken_back() {
    let home = Home::new();
    let runtime = home.layout().jupyter_runtime().display().to_string();
    let say = "printf '%s|' \"$JUPYTER_RUNTIME_DIR\"";
    for dialect in ALL {
        let set = if dialect == Dialect::Fish {
            "set -gx JUPYTER_RUNTIME_DIR "
        } else {
            "export JUPYTER_RUNTIME_DIR="
        };
        let script = format!(
            "{set}/mine; activate; activate; {say}; deactivate; {say}
             activate; {set}/other; deactivate; {say}"
        );
        assert_eq!(home.run(dialect, &script), format!("{runtime}|/mine|/other|"), "{dialect:?}");
        let unset = if dialect == Dialect::Fish {
            "set -q JUPYTER_RUNTIME_DIR; or echo unset"
        } else {
            "echo \"${JUPYTER_RUNTIME_DIR-unset}\""
        };
        assert_eq!(
            home.run(dialect, &format!("activate; deactivate; {unset}")).trim(),
            "unset",
            "{dialect:?}"
        );
    }
}

#[test]
fn what_was_added_to_path_since_stays_when_it_is_taken_back() {
    let home = Home::new();
    for dialect in ALL {
        let add = if dialect == Dialect::Fish { "set -gx PATH /sbin $PATH" } else { "PATH=/sbin:$PATH" };
        let said = home.run(dialect, &format!("{}activate; {add}; deactivate; show", show(dialect)));
        assert_eq!(said.split('|').next().unwrap(), format!("/sbin:{BEFORE}"), "{dialect:?}");
    }
}

#[test]
fn an_environment_that_was_inherited_from_another_shell_gives_way() {
    let home = Home::new();
    for dialect in ALL {
        let inherit = match dialect {
            Dialect::Bash | Dialect::Zsh => "export VIRTUAL_ENV='/o t' PATH=\"/o t/bin:/o t/bin:$PATH\"",
            Dialect::Fish => "set -gx VIRTUAL_ENV '/o t'; set -gx PATH '/o t/bin' '/o t/bin' $PATH",
        };
        let said =
            home.run(dialect, &format!("{}{inherit}; activate; show; deactivate; show", show(dialect)));
        let said: Vec<&str> = said.split('|').collect();
        assert_eq!(said[0], format!("{}/bin:{BEFORE}", home.venv().display()), "{dialect:?}");
        assert_eq!((said[4], said[5]), (BEFORE, "none"), "{dialect:?}");
    }
}

#[test]
fn a_program_that_draws_the_prompt_goes_on_drawing_it() {
    let home = Home::new();
    for (dialect, name) in ALL.into_iter().zip(["bash", "zsh", "fish"]) {
        let set = if dialect == Dialect::Fish { "set -gx" } else { "export" };
        let equals = if dialect == Dialect::Fish { " " } else { "=" };
        for (variable, value) in
            [("STARSHIP_SHELL", name), ("POSH_SHELL", name), ("VIRTUAL_ENV_DISABLE_PROMPT", "1")]
        {
            let script = format!(
                "{}{set} {variable}{equals}{value}; show; activate; show; deactivate; show",
                show(dialect)
            );
            let said = home.run(dialect, &script);
            let said: Vec<&str> = said.split('|').collect();
            assert_eq!((said[3], said[11]), (said[7], said[7]), "{dialect:?} {variable}");
        }
        // A prompt of another shell does not count.
        let script = format!("{}{set} STARSHIP_SHELL{equals}nu; activate; show", show(dialect));
        assert!(home.run(dialect, &script).contains("(__touch x__n)"), "{dialect:?}");
    }
}

#[test]
fn a_prompt_that_is_drawn_before_each_one_stays_behind_the_environments_name() {
    let home = Home::new();
    let said = home.run(
        Dialect::Bash,
        "PS1=mine; PROMPT_COMMAND='PS1=theirs'; activate; eval \"$PROMPT_COMMAND\"
         eval \"$PROMPT_COMMAND\"; echo \"$PS1\"; deactivate
         echo \"$PROMPT_COMMAND|$PS1\"
         PROMPT_COMMAND=('PS1=theirs' :); activate; for c in \"${PROMPT_COMMAND[@]}\"; do eval \"$c\"; done
         echo \"$PS1\"; deactivate; declare -p PROMPT_COMMAND; unset PROMPT_COMMAND; activate; deactivate
         declare -p PROMPT_COMMAND 2>/dev/null || echo unset",
    );
    let lines: Vec<&str> = said.lines().collect();
    let theirs = r"\[\e[01;34m\](__touch x__n)\[\e[00m\] theirs";
    assert_eq!((lines[0], lines[2]), (theirs, theirs), "{said}");
    assert_eq!(lines[1], "PS1=theirs|mine");
    assert_eq!(lines[3], "declare -a PROMPT_COMMAND=([0]=\"PS1=theirs\" [1]=\":\")");
    assert_eq!(lines[4], "unset");
    let said = home.run(
        Dialect::Zsh,
        "theirs() { PROMPT=theirs }; precmd_functions=(theirs); activate; activate; print -r -- $precmd_functions
         for f in $precmd_functions $precmd_functions; do $f; done; print -r -- $PROMPT; deactivate; print -r -- $precmd_functions",
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines[0], lines[2]), ("theirs _pipulate_prompt", "theirs"), "{said}");
    assert_eq!(lines[1], "%B%F{blue}(__touch x__n)%f%b theirs", "{said}");
}

#[test]
fn an_environment_that_is_no_venv_is_put_on_path_only() {
    let layout = Layout::new(AbsPath::new("/p").unwrap());
    let activation = Activation::of(Path::new("/opt/conda/bin/python"), &layout);
    assert_eq!((activation.venv.as_deref(), activation.label.as_str()), (None, "conda"));
}

#[test]
fn the_users_own_shell_is_the_one_with_line_editing() {
    let folder = tempfile::tempdir().unwrap();
    let interactive = folder.path().join("bash");
    fs::copy("/bin/sh", &interactive).unwrap();
    let around = |pairs: &[(&str, &str)]| {
        let path = Surroundings::default().with("PATH", folder.path());
        of_user(&pairs.iter().fold(path, |around, (name, value)| around.with(name, *value)))
    };
    let nix = "/nix/store/x-bash-5.3/bin/bash";
    assert_eq!(around(&[("SHELL", "/usr/bin/zsh")]), Path::new("/usr/bin/zsh"));
    assert_eq!(around(&[("SHELL", nix), ("IN_NIX_SHELL", "impure")]), interactive);
    assert_eq!(around(&[("SHELL", nix)]), Path::new(nix), "a NixOS user's own shell");
    assert_eq!(around(&[]), interactive);
    assert_eq!(of_user(&Surroundings::default()), Path::new("/bin/sh"));
}

#[test]
fn zsh_is_not_sent_in_circles_by_a_folder_that_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
    let command = |zdotdir: &Path| {
        let around = Surroundings::default().with("ZDOTDIR", zdotdir);
        let python = Path::new("/v/bin/python");
        let entry = Subshell {
            shell: Path::new("/bin/zsh"),
            layout: &layout,
            python,
            program: python,
            around: &around,
        };
        format!("{:?}", entry.prepare().unwrap())
    };
    assert!(command(Path::new("/mine")).contains("(\"PIPULATE_ZDOTDIR\", Some(\"/mine\"))"));
    assert!(command(&layout.shell()).contains("(\"PIPULATE_ZDOTDIR\", None)"));
}

#[test]
fn a_shell_that_we_do_not_know_gets_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
    let around = Surroundings::default().with("PATH", "/bin");
    let python = Path::new("/v/bin/python");
    let entry =
        Subshell { shell: Path::new("/bin/dash"), layout: &layout, python, program: python, around: &around };
    let command = format!("{:?}", entry.prepare().unwrap());
    assert!(command.contains("(\"PATH\", Some(\"/v/bin:/bin\"))"), "{command}");
    assert!(command.contains("JUPYTER_RUNTIME_DIR"), "{command}");
    assert!(!layout.shell().exists());
}
