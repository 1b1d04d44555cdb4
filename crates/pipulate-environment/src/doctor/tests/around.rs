//! Problems around the home: the shell, the machine, Nix, Ollama, the browser.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::home::{Home, recognized};
use crate::browser::session::Wsl;

#[test]
fn what_the_shell_hands_down_is_recognized() {
    recognized([
        ("jupyter.token warning", |home| home.jupyter_is_open = Some(true)),
        ("shell.library_path warning", |home| home.set("LD_LIBRARY_PATH", "/usr/lib:")),
        ("shell.python warning", |home| home.set("PYTHONPATH", "/elsewhere")),
        ("shell.python warning", |home| home.set("VIRTUAL_ENV", "/home/ann/other/.venv")),
        ("shell.python warning", |home| home.set("CONDA_PREFIX", "/opt/conda")),
        ("shell.proxy warning", |home| {
            home.set("HTTPS_PROXY", "http://proxy:3128");
            home.set("NO_PROXY", "127.0.0.1");
        }),
        ("shell.pipulate warning", |home| home.write_program("pipulate", "echo another")),
        ("shell.pipulate warning", |home| home.write(".venv/bin/pipulate", "#!/usr/bin/python3\n")),
        ("shell.line_editing warning", |home| home.write_program("bash", "exit 1")),
        ("browser.opener warning", |home| {
            home.unset("PIPULATE_NO_BROWSER");
            home.set("BROWSER", "no-such-browser-zz");
        }),
    ]);
    let mut home = Home::set_up();
    home.set("VIRTUAL_ENV", home.path(".venv"));
    home.set("http_proxy", "http://proxy:3128");
    home.set("no_proxy", "localhost, 127.0.0.1");
    assert_eq!(
        home.complaints(),
        Vec::<String>::new(),
        "this home's own environment, and a proxy for others"
    );
}

#[test]
fn what_the_machine_does_not_allow_is_recognized() {
    recognized([
        ("machine.file_watches warning", |home| {
            home.write_machine("proc/sys/fs/inotify/max_user_watches", "1024\n");
        }),
        ("machine.memory warning", |home| home.resources.memory.as_mut().unwrap().available = 1 << 20),
        ("project.disk warning", |home| home.resources.disk.as_mut().unwrap().free = 500 << 20),
        ("project.disk failure", |home| home.resources.disk.as_mut().unwrap().free = 0),
        ("machine.localhost warning", |home| home.write_machine("etc/hosts", "::1 localhost\n")),
        ("machine.logout warning", |home| {
            fs::create_dir_all(home.machine.path().join("run/systemd/system")).unwrap();
            home.write_program("busctl", "echo 'b true'");
            home.set("USER", "ann");
        }),
        ("machine.wsl_idle warning", |home| {
            home.session.wsl = Wsl::Interop;
            home.write_machine("mnt/c/Users/ann/.wslconfig", "[wsl2]\nvmIdleTimeout=-1\n");
        }),
    ]);
    let mut home = Home::set_up();
    fs::create_dir_all(home.machine.path().join("run/systemd/system")).unwrap();
    home.write_program("busctl", "echo 'b true'");
    home.set("USER", "ann");
    home.write_machine("var/lib/systemd/linger/ann", "");
    home.session.wsl = Wsl::Interop;
    let both = "[general]\ninstanceIdleTimeout=-1\n[wsl2]\nvmIdleTimeout = -1\n";
    home.write_machine("mnt/c/Users/ann/.wslconfig", both);
    assert_eq!(home.complaints_with("machine.logout"), Vec::<String>::new());
}

#[test]
fn what_nix_and_the_graphics_card_lack_is_recognized() {
    recognized([
        ("nix.flakes warning", |home| {
            home.write("flake.nix", "{ }");
            home.write_program(
                "nix",
                "echo \"error: experimental Nix feature 'nix-command' is disabled\" >&2; exit 1",
            );
        }),
        ("nix.flakes warning", |home| {
            home.write("flake.nix", "{ }");
            home.write_program("nix", "echo 'experimental-features = nix-command'");
        }),
        ("nix.local warning", |home| {
            home.write("local.nix", "{ }");
            home.write(".git/HEAD", "");
            home.write_program("git", "echo 'did not match any file(s) known to git' >&2; exit 1");
        }),
        ("gpu.cuda warning", |home| {
            home.write_program("nvidia-smi", "echo 'NVIDIA-SMI has failed' >&2; exit 9")
        }),
        ("gpu.cuda warning", |home| home.write("local.nix", "{ cudaSupport = true; }")),
    ]);
    let home = Home::set_up();
    home.write("flake.nix", "{ }");
    home.write_program("nix", "echo 'experimental-features = flakes nix-command'");
    assert_eq!(home.complaints_with("nix.flakes"), Vec::<String>::new());
}

#[test]
fn an_ollama_that_is_not_there_is_told_with_what_fits() {
    let mut home = Home::set_up();
    let advice = |home: &Home| home.finding("ollama.reachable").fix.unwrap();
    home.set("PATH", "");
    assert!(advice(&home).text.contains("https://ollama.com/download"), "{:?}", advice(&home));
    home.session.wsl = Wsl::Interop;
    assert!(advice(&home).text.contains("inside of WSL"));
    let folder = home.path("bin");
    home.write("bin/ollama", "");
    fs::set_permissions(folder.join("ollama"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    home.set("PATH", folder);
    assert_eq!(advice(&home).command, ["ollama", "serve"]);
    home.set("OLLAMA_HOST", "ftp://x");
    assert_eq!(home.complaints_with("ollama.reachable"), ["ollama.reachable warning"]);
}

/// A server that answers queries for its version and its models.
#[test]
fn an_ollama_without_a_model_is_recognized() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut home = Home::set_up();
    home.set("OLLAMA_HOST", listener.local_addr().unwrap().to_string());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let count = stream.read(&mut asked).unwrap();
            let is_version = String::from_utf8_lossy(&asked[..count]).contains("/api/version");
            let body = if is_version { r#"{"version":"0.12.0"}"# } else { r#"{"models":[]}"# };
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    assert_eq!(home.complaints_with("ollama.models"), ["ollama.models warning"]);
    assert_eq!(home.finding("ollama.models").fix.unwrap().command, ["ollama", "pull", "llama3.1"]);
}
