//! The real program, driven from outside, with real parts: JupyterLab, Python, browsers, terminals.
//!
//! Every test has its own project folders and home directory ([`support::project`]), reads the process table
//! independently ([`support::process`]), and waits only for conditions.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod app_notebooks;
mod app_page;
mod app_visitors;
mod apps;
mod apps_on_the_page;
mod artefacts;
mod assistants;
mod attacks;
mod browser;
mod chat;
mod chat_page;
mod clones;
mod collateral;
mod completions;
mod configuration;
mod consent;
mod doctor;
mod documents;
mod endings;
mod examples;
mod failures;
#[path = "../../crates/pipulate-ollama/tests/it/fake.rs"]
mod fake_ollama;
mod fasthtml;
mod faults;
mod flake;
mod follow;
mod foreground;
mod goodbye;
mod guesses;
mod hidden;
mod home;
mod hostile;
mod identity;
mod inherited;
mod installers;
mod jupyter;
mod kernels;
mod libraries;
mod listeners;
mod log_pages;
mod logs;
mod many_projects;
mod needs;
mod neighbors;
mod notebooks;
mod one_of_each;
mod orphans;
mod packages;
mod pages;
mod places;
mod programs;
mod readiness;
mod ready_line;
mod real_model;
mod records;
mod refusals;
mod reloaders;
mod requests;
mod restarts;
mod secrets;
mod setup;
mod sharing;
mod shells;
mod starter;
mod strangers;
mod supervision;
mod support;
mod terminal;
mod torture;
mod try_on_a_mac;
mod unfinished;
mod watch;
mod weather;
mod web;
