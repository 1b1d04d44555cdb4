//! Names of users and groups, including those in a network's directory.
//!
//! A static program reads only `/etc/passwd` and `/etc/group`. The system's `getent` also asks what
//! `nsswitch.conf` names: LDAP, SSSD and others.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};

use crate::command::Command;

/// A directory on the network that answers later is treated as unavailable.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the number of a user, given as a name or as a number.
pub fn user_number(user: &str) -> Option<u32> {
    let known = || User::from_name(user).ok().flatten().map(|user| user.uid.as_raw());
    let listed = || listed("passwd", user)?.get(2)?.parse().ok();
    user.parse().ok().or_else(known).or_else(listed)
}

/// Returns the name of a user, or the number if there is no name.
pub fn user_name(user: u32) -> String {
    name_of(user).unwrap_or_else(|| user.to_string())
}

/// True if a group has this user's name and no other members: distributions create one for each user.
pub fn is_own_private_group(group: u32) -> bool {
    let own = name_of(Uid::effective().as_raw());
    let is_private = |(name, members): (String, Vec<String>)| {
        own.is_some_and(|own| name == own && members.iter().all(|member| *member == own))
    };
    group_of(group).is_some_and(is_private)
}

fn name_of(user: u32) -> Option<String> {
    let known = User::from_uid(user.into()).ok().flatten().map(|user| user.name);
    known.or_else(|| listed("passwd", &user.to_string())?.into_iter().next())
}

/// The name and the members of a group.
fn group_of(group: u32) -> Option<(String, Vec<String>)> {
    let known = Group::from_gid(Gid::from_raw(group)).ok().flatten().map(|group| (group.name, group.mem));
    known.or_else(|| {
        let mut fields = listed("group", &group.to_string())?.into_iter();
        let name = fields.next()?;
        let members = fields.nth(2).unwrap_or_default();
        Some((name, members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    })
}

/// The fields of an entry that the C library doesn't know. One that is linked dynamically asked everywhere already.
fn listed(table: &str, key: &str) -> Option<Vec<String>> {
    if cfg!(target_env = "musl") { getent(table, key) } else { None }
}

fn getent(table: &str, key: &str) -> Option<Vec<String>> {
    // A name can't be an option.
    let key = Some(key).filter(|key| !key.is_empty() && !key.starts_with('-'))?;
    let output = Command::new("getent").args([table, key]).output(TIMEOUT).ok()?;
    let entry = String::from_utf8(output.stdout).ok().filter(|_| output.end.success())?;
    Some(entry.lines().next()?.split(':').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_name_and_number() {
        assert_eq!((user_number("root"), user_number("4711")), (Some(0), Some(4711)));
        assert_eq!(user_number("no such user"), None);
        assert_eq!((user_name(0).as_str(), user_name(4_000_000).as_str()), ("root", "4000000"));
    }

    #[test]
    fn the_system_is_asked_for_entries_that_a_static_program_can_not_find() {
        let begin =
            |table: &str, key: &str| getent(table, key).map(|fields| (fields[0].clone(), fields[2].clone()));
        let root = Some(("root".to_owned(), "0".to_owned()));
        assert_eq!(
            [begin("passwd", "root"), begin("passwd", "0"), begin("group", "0")],
            [(); 3].map(|()| root.clone())
        );
        assert_eq!(begin("passwd", "no such user"), None);
        assert_eq!([getent("passwd", ""), getent("passwd", "--help")], [None, None]);
    }

    #[test]
    fn a_group_that_others_share_is_nobodys_own() {
        let own = name_of(Uid::effective().as_raw()).unwrap();
        let (name, members) = group_of(0).unwrap();
        assert_eq!(is_own_private_group(0), name == own && members.iter().all(|member| *member == own));
        assert!(!is_own_private_group(4_000_000), "it has no name");
    }
}
