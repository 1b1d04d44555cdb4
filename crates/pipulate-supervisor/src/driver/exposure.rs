//! Keys that another user may know: a page that stays open sends them to whatever answers on the service's port.
//!
//! A cookie goes to every port of 127.0.0.1, so a lost port of any service exposes the app's key.

use std::time::{Duration, Instant};

use pipulate_core::reason::{Key, Reason};
use pipulate_process::ports;
use pipulate_store::error::StoreError;
use pipulate_store::{files, token};

use super::Driver;
use crate::jupyter::COOKIE_SECRET;
use crate::machine::Phase;

/// Poll interval while the service does not have its port.
const PAUSE: Duration = Duration::from_millis(100);
/// The same during back-off, which may take minutes.
const LONG_PAUSE: Duration = Duration::from_secs(1);

impl Driver {
    /// When to look next whether another user's process has the port.
    pub(super) fn next_look_at_the_port(&self, now: Instant) -> Option<Instant> {
        let pause = match self.machine.phase() {
            Phase::Starting { late: false, .. }
            | Phase::Stopping { .. }
            | Phase::Clearing { .. }
            | Phase::Sweeping { .. } => PAUSE,
            Phase::Waiting { .. } => LONG_PAUSE,
            Phase::Starting { late: true, .. }
            | Phase::Up { .. }
            | Phase::Background { .. }
            | Phase::Settled(_) => return None,
        };
        (self.port.is_some() && !self.journal.is_exposed()).then(|| now + pause)
    }

    /// Looks while the service does not have its port, and says so if it came up with keys that were exposed.
    pub(super) fn look_after_the_keys(&mut self) {
        if self.next_look_at_the_port(Instant::now()).is_some() {
            self.look_at_the_port();
        }
        if let (Phase::Up { .. }, true, Some(port)) =
            (self.machine.phase(), self.journal.is_exposed(), self.port)
        {
            self.journal.note(Reason::KeysExposed { port });
        }
    }

    /// Notes whether another user's process has the port that the last instance had.
    pub(super) fn look_at_the_port(&mut self) {
        let is_taken = |port| ports::is_another_users(port).unwrap_or(false);
        if !self.journal.is_exposed() && self.port.is_some_and(is_taken) {
            self.journal.set_exposed(true);
        }
    }

    /// Replaces exposed keys before the service is started with them again, and names them.
    ///
    /// # Errors
    /// A key can't be replaced.
    pub(super) fn renew_exposed_keys(&mut self) -> Result<(), StoreError> {
        self.look_at_the_port();
        if !self.journal.is_exposed() {
            return Ok(());
        }
        let mut renewed = Vec::new();
        let is_jupyter = self.spec.jupyter_runtime.is_some();
        if is_jupyter && token::renew(&self.layout.jupyter_token())? {
            renewed.push(Key::JupyterToken);
        }
        // JupyterLab makes another one when it starts.
        let cookie_secret = self.layout.jupyter_runtime().at(COOKIE_SECRET);
        if cookie_secret.exists() {
            files::remove(&cookie_secret)?;
            renewed.extend(is_jupyter.then_some(Key::JupyterSignIns));
        }
        if token::renew(&self.layout.token())? {
            renewed.push(Key::App);
        }
        self.journal.set_exposed(false);
        if let (false, Some(port)) = (renewed.is_empty(), self.port) {
            self.journal.note(Reason::KeysRenewed { port, keys: renewed });
        }
        Ok(())
    }
}
