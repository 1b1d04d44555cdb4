//! Requirements of Nix and the graphics card: flakes enabled, `local.nix` used, a working driver.

use pipulate_core::finding::Finding;
use pipulate_process::command::Command;
use pipulate_store::files;

use super::check::{Check, Group};
use super::git::Checkout;
use super::{Examination, evidence, skipped, warning};
use crate::service::environment_of;

const FLAKES_ON: &str = "nix.flakes";
const LOCAL_SEEN: &str = "nix.local";
const CUDA_FOUND: &str = "gpu.cuda";

pub(super) const FLAKES: Group = Group {
    checks: &[Check::new(
        FLAKES_ON,
        "`nix show-config`, where there is a flake.nix: whether flakes are switched on",
    )],
    examine: |examination| vec![flakes(examination)],
};

pub(super) const LOCAL: Group = Group {
    checks: &[Check::new(
        LOCAL_SEEN,
        "`git ls-files local.nix`: in a git checkout a flake sees only files that git knows",
    )],
    examine: |examination| vec![local(examination)],
};

pub(super) const CUDA: Group = Group {
    checks: &[Check::new(
        CUDA_FOUND,
        "`nvidia-smi`, where there is one, and whether this home's Python finds `libcuda.so.1`",
    )],
    examine: |examination| vec![cuda(examination)],
};

fn flakes(examination: &Examination) -> Finding {
    if !examination.layout.inside("flake.nix").exists() {
        return skipped(FLAKES_ON, "There is no flake.nix");
    }
    let Some(nix) = examination.program("nix") else {
        return skipped(FLAKES_ON, "Nix is not installed");
    };
    let said = evidence::of_machine(Command::new(nix).arg("show-config"));
    let words = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "experimental-features").then(|| value.to_owned())
    };
    let features = said.stdout.lines().find_map(words).unwrap_or_default();
    if features.split_whitespace().any(|feature| feature == "flakes") {
        return Finding::ok(FLAKES_ON, "Flakes are enabled in Nix")
            .detail(format!("experimental-features ={features}"));
    }
    let evidence = match said.is_well() {
        true => format!("ran: nix show-config\nit said: experimental-features ={features}"),
        false => said.evidence(),
    };
    warning(FLAKES_ON, "Flakes are not enabled in Nix: nix develop won't work here").detail(evidence).advice(
        "run: mkdir -p ~/.config/nix && echo 'experimental-features = nix-command flakes' >> ~/.config/nix/nix.conf",
    )
}

fn local(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    if !layout.inside("local.nix").exists() {
        return skipped(LOCAL_SEEN, "There is no local.nix");
    }
    let git = examination.program("git").filter(|_| layout.inside(".git").exists());
    let Some(checkout) = git.and_then(|git| Checkout::around(layout.root(), git)) else {
        return Finding::ok(LOCAL_SEEN, "local.nix is seen by nix develop: this is not a git checkout");
    };
    let said = checkout.ask(&["ls-files", "--error-unmatch", "local.nix"]);
    if said.is_well() {
        return Finding::ok(LOCAL_SEEN, "local.nix is seen by nix develop: git knows it")
            .detail(said.evidence());
    }
    warning(LOCAL_SEEN, "local.nix is not seen by nix develop: git does not know it")
        .detail(said.evidence())
        .advice("enter with: nix develop path:. (or run: git add --force --intent-to-add local.nix)")
}

fn cuda(examination: &Examination) -> Finding {
    let wanted = files::read_foreign_text(&examination.layout.inside("local.nix"))
        .is_ok_and(|text| text.contains("cudaSupport") && text.contains("true"));
    let Some(nvidia_smi) = examination.program("nvidia-smi") else {
        return match wanted {
            true => warning(CUDA_FOUND, "local.nix asks for CUDA, and there is no NVIDIA driver")
                .detail("nvidia-smi is not on PATH")
                .advice("install the NVIDIA driver of this system, or take cudaSupport out of local.nix"),
            false => skipped(CUDA_FOUND, "There is no NVIDIA graphics card, or no driver for it"),
        };
    };
    let said = evidence::of_machine(Command::new(nvidia_smi).arg("-L"));
    if !said.is_well() {
        return warning(CUDA_FOUND, "The NVIDIA driver does not answer")
            .detail(said.evidence())
            .advice("restart the machine; if that does not help, install the driver again");
    }
    let Ok(python) = examination.python() else {
        return Finding::ok(CUDA_FOUND, "The NVIDIA driver answers").detail(said.evidence());
    };
    let environment = environment_of(&python, &python, &examination.session.surroundings);
    let load = ["-I", "-c", "import ctypes; ctypes.CDLL('libcuda.so.1')"];
    let loaded = evidence::of(environment.give_to(Command::new(python).args(load)));
    if loaded.is_well() {
        return Finding::ok(CUDA_FOUND, "The NVIDIA driver answers, and Python finds it")
            .detail(said.evidence());
    }
    warning(CUDA_FOUND, "The NVIDIA driver answers, and Python does not find libcuda.so.1")
        .detail(loaded.evidence())
        .advice(
            "put the driver's folder into PIPULATE_LIBRARY_PATH (NixOS: /run/opengl-driver/lib; WSL: /usr/lib/wsl/lib)",
        )
}
