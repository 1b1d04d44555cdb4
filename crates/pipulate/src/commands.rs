//! One verb, one file, one function.

pub(crate) mod act;
pub(crate) mod activate;
pub(crate) mod add;
pub(crate) mod audience;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod enter;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod open;
pub(crate) mod restart;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod setup;
pub(crate) mod shell;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod supervise;
pub(crate) mod url;
pub(crate) mod why;
