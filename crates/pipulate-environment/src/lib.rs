//! The environment that a project's services run in: Python, its venv, its packages; what can be
//! wrong with it; and the browser that shows them.
//!
//! Nothing here supervises or prints. Progress goes out as events; failures as errors that say what
//! to do next. Reading order: [`setup`], [`plan`], [`venv`], [`python`], [`installer`].

pub mod add;
pub mod app;
pub mod bare_words;
pub mod browser;
pub mod doctor;
pub mod failure;
pub mod installer;
pub mod installer_kind;
pub mod managers;
pub mod ollama;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod python;
pub mod requirements;
pub mod resources;
pub mod service;
pub mod setup;
pub mod shell;
pub mod surroundings;
pub mod venv;
pub mod version;
pub mod web_programs;

mod pyproject;
mod stamp;
mod template;
mod uv;
