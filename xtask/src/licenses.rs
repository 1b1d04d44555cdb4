//! `target/dist/THIRD-PARTY-LICENSES.txt`: the third-party code in the program.
//!
//! That is every crate that is linked into it, by cargo's own graph, Rust's standard library, and the files
//! that `VENDOR.toml` lists, each with the text of its license. Crates with the same text share it.
//! Build-time code (macros, build scripts) and tests are not part of the program.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{run, say};

/// Prefixes of the names of files with a license, a copyright notice or a list of authors.
const NAMES: [&str; 6] = ["license", "licence", "unlicense", "copying", "copyright", "notice"];

/// Third-party files that are not crates.
const VENDORED: &str = "crates/pipulate-web/assets/VENDOR.toml";

/// The options of `cargo xtask licenses`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A target of the program; this machine's by default
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Writes the file and prints its path.
///
/// # Errors
/// A part has no license text, or something could not be read or written.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let file = write(options.target.as_deref(), None)?;
    say::result(&file.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// Writes the file for a target, or for this machine if `None`, and returns its path. `zig` is the folder of zig
/// if that links the program.
///
/// # Errors
/// As [`run`].
pub(crate) fn write(target: Option<&str>, zig: Option<&Path>) -> Result<PathBuf> {
    let target = target.map_or_else(host, |target| Ok(target.to_owned()))?;
    let mut parts = linked_crates(&metadata(&target)?)?;
    parts.extend(vendored(run::root())?);
    parts.push(standard_library()?);
    if let Some(zig) = zig {
        parts.extend(linked_by_zig(zig, &target)?);
    }
    let folder = run::root().join("target/dist");
    fs::create_dir_all(&folder).context("could not make target/dist")?;
    let file = folder.join("THIRD-PARTY-LICENSES.txt");
    fs::write(&file, document(&parts)).with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

/// A third-party component.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    version: String,
    /// The SPDX expression.
    license: String,
    home: String,
    texts: Vec<String>,
}

/// A table of all parts, then each text below the names of its parts.
fn document(parts: &[Part]) -> String {
    let mut document = String::from(
        "Pipulate is distributed under the MIT license; see LICENSE. It contains the work of others, under the \
         licenses below.\n\n",
    );
    let mut by_text: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for part in parts {
        let line = [&part.name, &part.version, &part.license, &part.home].map(String::as_str).join("  ");
        document.push_str(line.trim_end());
        document.push('\n');
        for text in &part.texts {
            // The same text occurs with different line breaks.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            by_text
                .entry(words)
                .or_insert((text, Vec::new()))
                .1
                .push(format!("{} {}", part.name, part.version));
        }
    }
    for (text, names) in by_text.into_values() {
        let rule = "-".repeat(80);
        document.push_str(&format!("\n{rule}\n{}\n{rule}\n\n{}\n", names.join(", "), text.trim_end()));
    }
    document
}

fn metadata(target: &str) -> Result<Value> {
    let mut cargo = run::cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
    serde_json::from_slice(&run::output(&mut cargo)?.stdout).context("could not read cargo's metadata")
}

/// The third-party crates that the program links, by name.
fn linked_crates(metadata: &Value) -> Result<Vec<Part>> {
    let by_id = |list: &'_ Value| -> HashMap<String, Value> {
        let entries = list.as_array().into_iter().flatten();
        entries.map(|entry| (text(&entry["id"]), entry.clone())).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let program = packages.values().find(|package| package["name"] == "pipulate");
    let mut open = vec![text(&program.context("the workspace has no package `pipulate`")?["id"])];
    let mut linked = HashSet::new();
    while let Some(id) = open.pop() {
        let package = packages.get(&id).with_context(|| format!("cargo's metadata has no {id}"))?;
        if is_macro(package) || !linked.insert(id.clone()) {
            continue;
        }
        let dependencies = nodes.get(&id).and_then(|node| node["deps"].as_array()).into_iter().flatten();
        let normal = dependencies.filter(|dependency| {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            kinds.into_iter().any(|kind| kind["kind"].is_null())
        });
        open.extend(normal.map(|dependency| text(&dependency["pkg"])));
    }
    let others =
        linked.iter().filter_map(|id| packages.get(id)).filter(|package| !package["source"].is_null());
    let mut parts = others.map(part).collect::<Result<Vec<_>>>()?;
    parts.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    lend_texts(&mut parts)?;
    Ok(parts)
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets.into_iter().any(|target| target["kind"][0] == "proc-macro")
}

fn part(package: &Value) -> Result<Part> {
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let mut texts = texts_in(folder)?;
    if let Some(named) = package["license_file"].as_str() {
        texts.push(read(&folder.join(named))?);
    }
    Ok(Part {
        name: text(&package["name"]),
        version: text(&package["version"]),
        license: package["license"].as_str().unwrap_or("see its license below").to_owned(),
        home: text(&package["repository"]),
        texts,
    })
}

/// The license texts in a folder, each once.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let is_license = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        path.is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) && !name.ends_with(".rs")
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_license).collect();
    files.sort();
    let mut texts = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    texts.dedup();
    Ok(texts)
}

/// A crate without a text gets the Apache license's, which is identical for all.
fn lend_texts(parts: &mut [Part]) -> Result<()> {
    let mut texts =
        parts.iter().filter(|part| part.license.contains("Apache-2.0")).flat_map(|part| &part.texts);
    let apache = texts.find(|text| text.contains("Version 2.0, January 2004")).cloned();
    for part in parts.iter_mut().filter(|part| part.texts.is_empty()) {
        let Some(apache) = apache.as_ref().filter(|_| part.license.contains("Apache-2.0")) else {
            bail!("{} {} ({}) has no license text", part.name, part.version, part.license);
        };
        part.texts.push(apache.clone());
    }
    Ok(())
}

fn vendored(root: &Path) -> Result<Vec<Part>> {
    let list = root.join(VENDORED);
    let list_text = read(&list)?;
    let entries: toml::Table = list_text.parse().with_context(|| format!("could not read {VENDORED}"))?;
    let mut parts: Vec<Part> = Vec::new();
    for entry in entries.get("file").and_then(toml::Value::as_array).into_iter().flatten() {
        let field = |name: &str| entry.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let name = field("name");
        if parts.iter().any(|part| part.name == name) {
            continue;
        }
        let file = list.with_file_name(field("path"));
        let texts = texts_in(file.parent().context("a vendored file lies in a folder")?)?;
        ensure!(!texts.is_empty(), "{name} in {VENDORED} has no license text beside it");
        let home = format!("https://www.npmjs.com/package/{name}");
        parts.push(Part { name, version: field("version"), license: field("license"), home, texts });
    }
    Ok(parts)
}

/// Rust's standard library, with the copyright notice that comes with the compiler.
fn standard_library() -> Result<Part> {
    let sysroot = run::output(run::program("rustc").args(["--print", "sysroot"]))?.stdout;
    let version = run::output(run::program("rustc").arg("--version"))?.stdout;
    let docs = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("share/doc/rust");
    Ok(Part {
        name: "Rust standard library".to_owned(),
        version: String::from_utf8_lossy(&version).split(' ').nth(1).unwrap_or_default().to_owned(),
        license: "MIT OR Apache-2.0, and those of its parts".to_owned(),
        home: "https://github.com/rust-lang/rust".to_owned(),
        texts: vec![plain(&read(&docs.join("COPYRIGHT-library.html"))?)],
    })
}

/// The libraries of zig that are linked into a program; the C library only where it is linked statically.
fn linked_by_zig(zig: &Path, target: &str) -> Result<Vec<Part>> {
    let libraries = [
        ("musl", "MIT", "https://musl.libc.org", "lib/libc/musl/COPYRIGHT"),
        ("libunwind", "Apache-2.0 WITH LLVM-exception", "https://llvm.org", "lib/libunwind/LICENSE.TXT"),
        ("compiler_rt", "MIT", "https://ziglang.org", "LICENSE"),
    ];
    let linked = libraries.into_iter().filter(|(name, ..)| *name != "musl" || target.ends_with("-musl"));
    let part = |(name, license, home, text): (&str, &str, &str, &str)| {
        Ok(Part {
            name: name.to_owned(),
            version: "of zig".to_owned(),
            license: license.to_owned(),
            home: home.to_owned(),
            texts: vec![read(&zig.join(text))?],
        })
    };
    linked.map(part).collect()
}

/// The approximate text of an HTML page: without tags and with the four escaped characters.
fn plain(html: &str) -> String {
    let mut pieces = html.split('<');
    let first = pieces.next().unwrap_or_default().to_owned();
    let text =
        pieces.filter_map(|piece| Some(piece.split_once('>')?.1)).fold(first, |text, piece| text + piece);
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").replace("\n\n\n\n", "\n\n").replace("\n\n\n", "\n\n")
}

/// This machine's target triple.
///
/// # Errors
/// rustc could not be run.
pub(crate) fn host() -> Result<String> {
    let about = run::output(run::program("rustc").arg("-vV"))?.stdout;
    let about = String::from_utf8_lossy(&about).into_owned();
    about
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc names no host")
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
