//! Files on disk: records, locks, logs, tokens, chats and `.env` documents.
//!
//! Every format is versioned and separate from the program's own types. Readers never write, delete or
//! repair; an unreadable file is refused with a reason and left alone. This crate has no processes, signals
//! or HTTP: a pid is a number here.
//!
//! Reading order: [`home`], [`record`], [`lock`], [`capture`] (which writes logs), [`log`] (which reads
//! them), [`dotenv`], [`chat`].

pub mod capture;
pub mod chat;
pub mod config_drift;
pub mod consent;
pub mod copies;
pub mod dotenv;
pub mod error;
pub mod files;
pub mod home;
pub mod known;
pub mod lock;
pub mod log;
pub mod notebooks;
pub mod own_log;
pub mod pending;
pub mod port_claims;
pub mod program;
pub mod record;
pub mod registry;
pub mod request;
pub mod sockets;
pub mod token;

mod folders;
mod os;
mod unwatched;
