//! Evaluates conditions such as `sys_platform == "win32"` for a Python on this machine.

use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, MarkerTree};

use crate::version::Version;

/// Returns true if one of the conditions is met.
pub(super) fn any_is_met(conditions: &[MarkerTree], version: Version) -> bool {
    // If that is unknown, leave it to the installer.
    environment(version)
        .is_none_or(|environment| conditions.iter().any(|condition| condition.evaluate(&environment, &[])))
}

/// CPython with that version on this machine.
fn environment(version: Version) -> Option<MarkerEnvironment> {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (release, machine, build) = (text(system.release()), text(system.machine()), text(system.version()));
    let (full, minor) = (version.to_string(), version.minor_only());
    let platform = text(system.sysname());
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: &machine,
        platform_python_implementation: "CPython",
        platform_release: &release,
        platform_system: &platform,
        platform_version: &build,
        python_full_version: &full,
        python_version: &minor,
        sys_platform: &platform.to_ascii_lowercase(),
    })
    .ok()
}
