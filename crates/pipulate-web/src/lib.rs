//! The web app: a project's services, logs and secrets as pages, and the three examples.
//!
//! Invariants: this crate knows no process. The state and the actions come in through the traits of
//! [`world`]. Every request passes one `guard` before it is routed, and every answer leaves through it with
//! the same headers. A view is a pure function of its view model; a handler does not compute. GET and HEAD
//! change nothing.
//!
//! Reading order: [`app`], `guard`, [`world`], [`sign`], `routes`, `observer` and `log_page`, `views`,
//! `event_stream`, [`server`].

mod addresses;
mod app;
mod assets;
mod broadcast;
mod chat;
mod event_stream;
mod examples;
mod farewell;
mod file_place;
mod form;
mod guard;
mod headers;
mod highlight;
mod htmx;
mod log_page;
mod markdown;
mod model_choices;
mod notebook;
mod notebook_index;
mod notice;
mod observer;
mod problem;
mod routes;
pub mod server;
pub mod sign;
mod state;
mod views;
pub mod world;

pub use app::app;
pub use server::serve;
pub use state::{AppState, Endpoint};

#[cfg(test)]
mod tests;
