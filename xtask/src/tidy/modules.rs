//! No cycles between modules: not between the top-level modules of a crate, and not between siblings in one
//! parent module.
//!
//! A module and everything below it are one node, so a parent and its children may use each other. A name
//! used through a re-export counts as the module that defines it. Tests don't count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proc_macro2::{TokenStream, TokenTree};

use super::TextFile;
use super::known_cycles::KNOWN_CYCLES;
use super::tokens::{after_test_item, is_punct};

/// Complains about each unlisted use on a cycle, and each listed use that is no longer on one.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut found = BTreeMap::new();
    for (name, root) in crates(files) {
        let mut modules = Modules::default();
        modules.read(files, root);
        let uses = modules.uses();
        found.extend(uses.iter().filter_map(|((user, used), place)| {
            let back = way(&uses, used, user)?;
            Some((format!("{name}: {} -> {}", user.join("::"), used.join("::")), (place.clone(), back)))
        }));
    }
    complaints(&found, KNOWN_CYCLES)
}

/// The module names from the crate's root down.
type Path = Vec<String>;

/// A token's file and line.
type Place = (String, usize);

/// Each use of a sibling module, with its first place.
type Uses = BTreeMap<(Path, Path), Place>;

fn complaints(found: &BTreeMap<String, (Place, Path)>, known: &[&str]) -> Vec<String> {
    let unknown = found.iter().filter(|(each, _)| !known.contains(&each.as_str()));
    let unknown = unknown.map(|(each, ((file, line), back))| {
        format!("{file}:{line}: module cycle: {each} -> {}; move what they share", back.join(" -> "))
    });
    let gone = known.iter().filter(|each| !found.contains_key(**each));
    let gone = gone.map(|each| format!("xtask/src/tidy/known_cycles.rs: no cycle any more; remove: {each}"));
    unknown.chain(gone).collect()
}

/// The crates by their names, and their root files.
fn crates(files: &[TextFile]) -> Vec<(&str, &TextFile)> {
    let roots = files.iter().filter_map(|file| {
        let (folder, "lib.rs" | "main.rs") = file.path.rsplit_once("/src/")? else { return None };
        Some((folder.rsplit('/').next()?, file))
    });
    let mut crates: Vec<_> = roots.collect();
    // A library comes before its program, which is a few lines.
    crates.dedup_by_key(|(name, _)| *name);
    crates
}

/// The shortest path of uses from one module to another.
fn way(uses: &Uses, from: &Path, to: &Path) -> Option<Path> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = way[way.len() - 1];
        if last == to {
            return Some(way.iter().skip(1).map(|module| module.join("::")).collect());
        }
        for (_, used) in uses.keys().filter(|(user, _)| user == last) {
            if seen.insert(used) {
                ways.push_back([way.as_slice(), &[used]].concat());
            }
        }
    }
    None
}

/// The modules of one crate.
#[derive(Default)]
struct Modules(BTreeMap<Path, Module>);

/// The names that one module uses.
#[derive(Default)]
struct Module {
    /// The names that its `use` declarations introduce.
    imports: BTreeMap<String, Path>,
    /// All paths, from the crate's root; paths into other crates match no module.
    paths: Vec<(Path, Place)>,
}

impl Modules {
    fn read(&mut self, files: &[TextFile], root: &TextFile) {
        let folder = root.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut left = vec![(Path::new(), root)];
        while let Some((module, file)) = left.pop() {
            for child in self.read_tokens(&file.path, &module, file.tokens.clone().unwrap_or_default()) {
                let path = format!("{folder}/{}", child.join("/"));
                let (flat, nested) = (format!("{path}.rs"), format!("{path}/mod.rs"));
                let file = files.iter().find(|file| file.path == flat || file.path == nested);
                left.extend(file.map(|file| (child, file)));
            }
        }
    }

    /// Reads a module, and returns its submodules that have files of their own.
    fn read_tokens(&mut self, file: &str, module: &Path, tokens: TokenStream) -> Vec<Path> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut in_files = Vec::new();
        self.0.entry(module.clone()).or_default();
        while let [first, after @ ..] = rest {
            if let Some(after) = after_test_item(rest) {
                rest = after;
                continue;
            }
            rest = match (first, after) {
                (TokenTree::Ident(word), [TokenTree::Ident(name), body, after @ ..]) if word == "mod" => {
                    let child: Path = module.iter().cloned().chain([name.to_string()]).collect();
                    match body {
                        TokenTree::Group(body) => {
                            in_files.extend(self.read_tokens(file, &child, body.stream()));
                        }
                        _ => in_files.push(child),
                    }
                    after
                }
                // `pub(in crate::a)` uses nothing.
                (TokenTree::Ident(word), [TokenTree::Group(_), after @ ..]) if word == "pub" => after,
                (TokenTree::Ident(word), _) if word == "use" => {
                    let end = after.iter().position(|token| is_punct(token, ';')).unwrap_or(after.len());
                    self.import(file, module, &[], &after[..end]);
                    &after[end..]
                }
                (TokenTree::Ident(_), _) => {
                    let (path, after) = path(rest);
                    if path.len() > 1 {
                        self.add(file, module, &path, first);
                    }
                    after
                }
                (TokenTree::Group(group), _) => {
                    in_files.extend(self.read_tokens(file, module, group.stream()));
                    after
                }
                (TokenTree::Punct(_) | TokenTree::Literal(_), _) => after,
            };
        }
        in_files
    }

    /// Reads one tree of a `use` declaration; `before` is the path before its braces.
    fn import(&mut self, file: &str, module: &Path, before: &[String], tree: &[TokenTree]) {
        let (names, rest) = path(tree);
        let path = [before, &names].concat();
        if let [TokenTree::Group(trees), ..] = rest {
            let trees: Vec<TokenTree> = trees.stream().into_iter().collect();
            trees.split(|token| is_punct(token, ',')).for_each(|tree| self.import(file, module, &path, tree));
        } else if let (Some(first), Some(last)) = (tree.first(), path.iter().rfind(|name| *name != "self")) {
            let name = match rest {
                [TokenTree::Ident(_as), TokenTree::Ident(name)] => name.to_string(),
                _ => last.clone(),
            };
            let absolute = self.add(file, module, &path, first);
            self.0.entry(module.clone()).or_default().imports.insert(name, absolute);
        }
    }

    /// Records a path that `module` names, and returns it from the crate's root.
    fn add(&mut self, file: &str, module: &Path, path: &[String], first: &TokenTree) -> Path {
        let mut absolute = module.clone();
        for name in path {
            match name.as_str() {
                "crate" => absolute.clear(),
                "self" => {}
                "super" => drop(absolute.pop()),
                _ => absolute.push(name.clone()),
            }
        }
        let place = (file.to_owned(), first.span().start().line);
        self.0.entry(module.clone()).or_default().paths.push((absolute.clone(), place));
        absolute
    }

    /// Each use of a module by a sibling or a module below the sibling, with its first place.
    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (user, module) in &self.0 {
            for (path, place) in &module.paths {
                let used = self.owner(path);
                let common = user.iter().zip(&used).take_while(|(a, b)| a == b).count();
                if let (Some(user), Some(used)) = (user.get(..=common), used.get(..=common)) {
                    uses.entry((user.to_owned(), used.to_owned())).or_insert_with(|| place.clone());
                }
            }
        }
        uses
    }

    /// The module that a path leads to, through re-exports too.
    fn owner(&self, path: &Path) -> Path {
        let mut path = path.clone();
        let mut followed = BTreeSet::new();
        loop {
            let is_module = |depth: &usize| self.0.contains_key(&path[..*depth]);
            let depth = (0..=path.len()).rev().find(is_module).unwrap_or(0);
            let import = path.get(depth).and_then(|name| self.0[&path[..depth]].imports.get(name));
            let Some(import) = import.filter(|_| followed.insert(path.clone())) else {
                path.truncate(depth);
                return path;
            };
            path = [import.as_slice(), &path[depth + 1..]].concat();
        }
    }
}

/// The names between `::` at the beginning, and the tokens after them.
fn path(tokens: &[TokenTree]) -> (Path, &[TokenTree]) {
    let mut names = Path::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(name), after @ ..] = rest {
        names.push(name.to_string());
        rest = after;
        match rest {
            [a, b, after @ ..] if is_punct(a, ':') && is_punct(b, ':') => rest = after,
            _ => break,
        }
    }
    (names, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The uses on cycles in a crate of these files, relative to its `src/`.
    fn cycles(sources: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| {
            TextFile::new(format!("crates/a/src/{path}"), (*text).to_owned()).unwrap()
        };
        let files: Vec<TextFile> = sources.iter().map(file).collect();
        let mut modules = Modules::default();
        modules.read(&files, &files[0]);
        let uses = modules.uses();
        let on_cycle = uses.keys().filter(|(user, used)| way(&uses, used, user).is_some());
        on_cycle.map(|(user, used)| format!("{} -> {}", user.join("::"), used.join("::"))).collect()
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b; mod c;");

    #[test]
    fn siblings_that_use_each_other_are_found_however_they_name_each_other() {
        for (a, b) in [
            ("use crate::b;", "use super::a::A;"),
            ("use crate::{b::{self as other}};", "fn f() { crate::a::f() }"),
            ("use super::{c, b};", "fn f() { format!(\"{}\", [super::a::A]) }"),
            ("mod inner { use super::super::b::B; }", "struct B(Vec<crate::a::A>);"),
        ] {
            assert_eq!(cycles(&[ROOT, ("a.rs", a), ("b.rs", b), ("c.rs", "")]), ["a -> b", "b -> a"], "{a}");
        }
    }

    #[test]
    fn a_detour_and_a_reexport_hide_no_cycle() {
        let detour = [ROOT, ("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")];
        assert_eq!(cycles(&detour), ["a -> b", "b -> c", "c -> a"]);
        let root = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B as Other;");
        let reexport = [root, ("a.rs", "use crate::Other;"), ("b.rs", "use crate::A;")];
        assert_eq!(cycles(&reexport), ["a -> b", "b -> a"]);
    }

    #[test]
    fn siblings_below_one_module_are_looked_at_and_their_parent_counts_as_one_with_them() {
        let root = ("lib.rs", "mod a { mod one; mod two; } mod b;");
        let one = ("a/one.rs", "use super::two; use crate::b;");
        assert_eq!(
            cycles(&[root, one, ("a/two.rs", "use super::one;"), ("b.rs", "use crate::a::two;")]),
            ["a -> b", "a::one -> a::two", "a::two -> a::one", "b -> a"]
        );
        let parent = ("lib.rs", "mod a; pub struct Root; fn f() { a::f() }");
        let child = ("a.rs", "mod one; use one::One; use crate::Root;");
        assert_eq!(cycles(&[parent, child, ("a/one.rs", "use super::f;")]), [""; 0]);
    }

    #[test]
    fn tests_comments_visibilities_and_other_crates_use_nothing() {
        for b in [
            "// crate::a\n/// [`crate::a`]\nfn f() { \"crate::a\"; }",
            "#[cfg(test)]\nmod tests { use crate::a::A; }",
            "#[cfg(test)]\n#[expect(lint)]\nuse crate::a::{A};\nfn f() {}",
            "#[cfg(all(test, unix))]\nfn f<A, B>() { crate::a::f() }",
            "#[cfg(test)]\nmod a;",
            "pub(in crate::a) fn f() {}",
            "use a; use other::a; fn f() { ::a::f(); a.a::<u8>() }",
        ] {
            assert_eq!(
                cycles(&[ROOT, ("a.rs", "use crate::b;"), ("b.rs", b), ("b/a.rs", "use crate::a;")]),
                [""; 0],
                "{b}"
            );
        }
    }

    #[test]
    fn an_unknown_cycle_and_a_known_one_that_is_gone_are_named() {
        let found =
            BTreeMap::from([("a: b -> c".to_owned(), (("b.rs".to_owned(), 1), vec!["b".to_owned()]))]);
        assert_eq!(complaints(&found, &["a: b -> c"]), [""; 0]);
        assert_eq!(complaints(&found, &[]), ["b.rs:1: module cycle: a: b -> c -> b; move what they share"]);
        assert_eq!(complaints(&found, &["a: b -> c", "a: c -> b"]).len(), 1);
    }
}
