//! Addresses that are named in more than one place: those open to strangers, and those of chats.

/// Where strangers sign in.
pub(crate) const LOGIN: &str = "/login";
/// What the addresses of embedded files begin with. They are the same in every copy of Pipulate.
pub(crate) const STATIC: &str = "/static/";
pub(crate) const SECRETS: &str = "/secrets";
pub(crate) const CHAT: &str = "/chat";
/// What the addresses of single chats begin with.
pub(crate) const CHATS: &str = "/chat/";

/// Whether an address is one of an embedded file.
pub(crate) fn is_file(path: &str) -> bool {
    path.starts_with(STATIC)
}

/// Whether an address is open to those who are not signed in.
pub(crate) fn is_public(path: &str) -> bool {
    path == LOGIN || is_file(path)
}

/// Whether an address takes what people write in a chat.
pub(crate) fn is_chat(path: &str) -> bool {
    path == CHAT || path.starts_with(CHATS)
}

/// A stream that only tells when the app ends.
pub(crate) const LIFE: &str = "/life";
