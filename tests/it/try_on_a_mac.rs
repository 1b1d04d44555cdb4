//! The script that asks a Mac what the port relies on: what both systems share is checked here.

use crate::support::run;

#[test]
fn what_the_port_relies_on_and_linux_shares_is_true_here() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/try-on-a-mac");
    let report = run::output(run::command("python3").arg(script)).expect(0).stdout;
    assert!(!report.contains("**NO**"), "{report}");
    assert_eq!(report.matches("- yes: ").count(), 2, "{report}");
}
