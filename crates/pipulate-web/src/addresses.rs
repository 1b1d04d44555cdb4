//! Addresses that are used in more than one place: the public ones, and those of chats.

/// The sign-in page.
pub(crate) const LOGIN: &str = "/login";
/// The prefix of embedded files' addresses, which are identical in every copy of Pipulate.
pub(crate) const STATIC: &str = "/static/";
pub(crate) const SECRETS: &str = "/secrets";
pub(crate) const CHAT: &str = "/chat";
/// The prefix of single chats' addresses.
pub(crate) const CHATS: &str = "/chat/";

/// Returns true for the address of an embedded file.
pub(crate) fn is_file(path: &str) -> bool {
    path.starts_with(STATIC)
}

/// Returns true if an address needs no sign-in.
pub(crate) fn is_public(path: &str) -> bool {
    path == LOGIN || is_file(path)
}

/// Returns true if an address accepts chat messages.
pub(crate) fn is_chat(path: &str) -> bool {
    path == CHAT || path.starts_with(CHATS)
}

/// A stream that only reports the app's end.
pub(crate) const LIFE: &str = "/life";
