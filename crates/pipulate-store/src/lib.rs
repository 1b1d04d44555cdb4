//! What is on disk: records, locks, logs, tokens and `.env` documents.
//!
//! The format of the record is versioned and apart from the vocabulary's types. Readers never
//! write, delete or repair; a file that can't be understood is refused with a word and left alone.
//! This crate knows no process, no signal and no HTTP.

pub mod capture;
pub mod chat;
pub mod dotenv;
pub mod error;
pub mod files;
pub mod home;
mod index;
pub mod lock;
pub mod log;
mod os;
pub mod own_log;
pub mod record;
pub mod registry;
