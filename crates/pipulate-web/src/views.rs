//! Views: pure functions from a view model to markup. They know no state, no clock and no request.

pub(crate) mod examples;
pub(crate) mod layout;
pub(crate) mod problem;
pub(crate) mod services;
