//! Uses between modules that lie on a cycle, as `CRATE: USER -> USED`. The list may only get shorter.

pub(super) const KNOWN_CYCLES: &[&str] = &[
    "pipulate-environment: installer::pip_config -> installer::rules",
    "pipulate-environment: installer::rules -> installer::pip_config",
    "pipulate-environment: installer::rules -> installer::uv_config",
    "pipulate-environment: installer::uv_config -> installer::rules",
];
