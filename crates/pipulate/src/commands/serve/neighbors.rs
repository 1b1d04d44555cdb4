//! Other users of this machine: the admission of their connections, and a key that one of them may have seen.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pipulate_core::layout::Layout;
use pipulate_process::peers::{self, ForeignPeer};
use pipulate_process::users;
use pipulate_store::token;
use pipulate_web::server::Admission;
use pipulate_web::sign::{KeySource, Token};

use crate::context::Context;

/// The number of refused users that are logged by name, to keep the log readable.
const MOST_TOLD: usize = 100;

/// Admits this user, root, and the configured users. Each refused user is logged once.
pub(super) fn admission(context: &Context) -> Admission {
    let users = context.config_or_warning().map_or(&[][..], |config| &config.web_users);
    let mut guests = Vec::new();
    for user in users {
        match users::user_number(user) {
            Some(number) => guests.push(number),
            None => context
                .printer
                .warning(format!("there is no user of this name: {user}; see [web] users in pipulate.toml")),
        }
    }
    let (printer, told) = (context.printer.clone(), Mutex::new(HashSet::new()));
    Arc::new(move |client: SocketAddr, server: SocketAddr| {
        let Err(peer) = peers::admit(client, server, &guests) else { return true };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD && told.insert(peer) {
            printer.warning(refusal(peer));
        }
        false
    })
}

fn refusal(peer: ForeignPeer) -> String {
    let why = format!("a connection was refused: it came from {peer}");
    match peer {
        ForeignPeer::User(user) => {
            let user = users::user_name(user);
            format!(
                "{why}; to let that user's programs in, such as a reverse proxy, add \"{user}\" to [web] users in pipulate.toml and restart this app"
            )
        }
        ForeignPeer::Unknown => format!("{why}, or from a program that had closed it already"),
    }
}

/// Reads the key from its file at each use. While the file is missing or damaged, the last one counts.
pub(super) fn key_source(layout: &Layout, first: Token) -> KeySource {
    let path = layout.token();
    let seen = Mutex::new((version(&path), first));
    Arc::new(move || {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = version(&path);
        if now.is_some() && now != seen.0 {
            let read = token::existing(&path).ok().flatten();
            if let Some(token) = read.and_then(|text| Token::parse(text.as_bytes()).ok()) {
                *seen = (now, token);
            }
        }
        seen.1.clone()
    })
}

/// Changes when the file is replaced, as every write does.
fn version(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::samples;

    #[test]
    fn a_renewed_key_is_the_key_from_then_on_and_a_missing_one_changes_nothing() {
        let project = samples::project("");
        let layout = &project.context.project.layout;
        fs::create_dir_all(layout.run()).unwrap();
        let parsed = |text: String| Token::parse(text.as_bytes()).unwrap();
        let key = key_source(layout, parsed(token::ensure(layout, &layout.token()).unwrap()));
        let text = || token::existing(&layout.token()).unwrap().unwrap();
        let is_current = |key: &Token| key.is(text().as_bytes());
        assert!(is_current(&key()));
        let old = text();
        token::renew(layout, &layout.token()).unwrap();
        assert!(is_current(&key()) && !key().is(old.as_bytes()));
        let new = text();
        fs::remove_file(layout.token()).unwrap();
        assert!(key().is(new.as_bytes()));
    }

    #[test]
    fn a_refusal_names_the_user_and_what_lets_them_in() {
        insta::assert_snapshot!(refusal(ForeignPeer::User(4_000_001)), @r#"a connection was refused: it came from user 4000001; to let that user's programs in, such as a reverse proxy, add "4000001" to [web] users in pipulate.toml and restart this app"#);
        insta::assert_snapshot!(refusal(ForeignPeer::Unknown), @"a connection was refused: it came from an unknown user, or from a program that had closed it already");
    }
}
