//! The installation of kernels.

/// The command that installs the kernel of this name and language; `None` if only its documentation knows.
pub(crate) fn install_command(name: &str, language: &str) -> Option<&'static str> {
    match (name, language) {
        ("ir", _) | (_, "r") => Some(r#"Rscript -e 'install.packages("IRkernel"); IRkernel::installspec()'"#),
        (_, "julia") => {
            Some(r#"julia -e 'using Pkg; Pkg.add("IJulia"); using IJulia; installkernel("Julia")'"#)
        }
        ("bash", _) | (_, "bash") => {
            Some("pipulate add bash_kernel && pipulate run -- python -m bash_kernel.install --sys-prefix")
        }
        (_, "octave") => Some("pipulate add octave_kernel"),
        (_, "javascript" | "typescript") => Some("deno jupyter --install"),
        (_, "rust") => Some("cargo install --locked evcxr_jupyter && evcxr_jupyter --install"),
        (_, "go") => Some("go install github.com/janpfeifer/gonb@latest && gonb --install"),
        _ => None,
    }
}
