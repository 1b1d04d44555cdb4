use serde_json::json;

use super::*;

fn part(name: &str, license: &str, texts: &[&str]) -> Part {
    Part {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: license.to_owned(),
        home: String::new(),
        texts: texts.iter().map(ToString::to_string).collect(),
    }
}

/// `serde` is linked, `insta` is for tests, `maud_macros` runs in the compiler.
#[test]
fn what_is_linked_is_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("LICENSE-MIT"), "MIT\n").unwrap();
    let manifest = folder.path().join("Cargo.toml");
    let package = |name: &str, kind: &str, source: Value| {
        json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source,
               "manifest_path": manifest, "targets": [{"kind": [kind]}]})
    };
    let crates_io = json!("registry");
    let edge = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
    let metadata = json!({
        "packages": [
            package("pipulate", "lib", Value::Null),
            package("serde", "lib", crates_io.clone()),
            package("insta", "lib", crates_io.clone()),
            package("cc", "lib", crates_io.clone()),
            package("maud_macros", "proc-macro", crates_io.clone()),
        ],
        "resolve": {"nodes": [{"id": "pipulate", "deps": [
            edge("serde", Value::Null), edge("insta", json!("dev")), edge("cc", json!("build")),
            edge("maud_macros", Value::Null),
        ]}]},
    });
    assert_eq!(linked_crates(&metadata).unwrap(), [part("serde", "MIT", &["MIT\n"])]);
}

#[test]
fn a_text_that_parts_share_is_printed_once_below_their_names() {
    let document = document(&[part("a", "MIT", &["one"]), part("b", "MIT", &["one", "two"])]);
    assert_eq!(document.matches("\none\n").count(), 1);
    assert!(
        document.contains("\na 1.0.0, b 1.0.0\n") && document.contains("\na  1.0.0  MIT\n"),
        "{document}"
    );
}

#[test]
fn a_crate_without_a_text_is_refused_unless_its_license_is_the_same_for_all() {
    let apache = "Apache License\nVersion 2.0, January 2004";
    let mut parts = [part("a", "Apache-2.0", &[apache]), part("b", "MIT OR Apache-2.0", &[])];
    lend_texts(&mut parts).unwrap();
    assert_eq!(parts[1].texts, [apache]);
    let error = lend_texts(&mut [part("c", "MIT", &[])]).unwrap_err();
    assert_eq!(error.to_string(), "c 1.0.0 (MIT) has no license text");
}

#[test]
fn vendored_files_bring_their_licenses() {
    let vendored = vendored(run::root()).unwrap();
    let names: Vec<&str> = vendored.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["htmx.org", "@picocss/pico"]);
}

#[test]
fn what_zig_links_is_listed_and_the_c_library_only_where_it_is_linked_statically() -> anyhow::Result<()> {
    let zig = tempfile::tempdir()?;
    for text in ["lib/libc/musl/COPYRIGHT", "lib/libunwind/LICENSE.TXT", "LICENSE"] {
        let file = zig.path().join(text);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, text)?;
    }
    let names = |target: &str| -> Result<Vec<String>> {
        Ok(linked_by_zig(zig.path(), target)?.into_iter().map(|part| part.name).collect())
    };
    assert_eq!(names("x86_64-unknown-linux-gnu")?, ["libunwind", "compiler_rt"]);
    assert_eq!(names("x86_64-unknown-linux-musl")?, ["musl", "libunwind", "compiler_rt"]);
    Ok(())
}
