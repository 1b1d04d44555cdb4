//! Handlers: read the request, query the world, pass a view model to a view. They decide nothing.

pub(crate) mod apps;
pub(crate) mod assets;
pub(crate) mod chat;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod notebooks;
pub(crate) mod secrets;
pub(crate) mod services;
pub(crate) mod why;
