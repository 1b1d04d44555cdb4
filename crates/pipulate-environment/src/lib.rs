//! The environment of a project's services: Python, its venv, its packages; checks for problems; and opening
//! the browser.
//!
//! Nothing here supervises or prints. Progress is events; failures are errors with a remedy. Reading order:
//! [`setup`], [`plan`], [`venv`], [`python`], [`installer`].

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
