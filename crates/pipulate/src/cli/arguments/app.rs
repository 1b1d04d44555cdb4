//! `app`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use pipulate_core::service::ServiceName;

use crate::call::AppSettings;

#[derive(Debug, Args)]
pub(super) struct AppArguments {
    /// The notebook
    #[arg(value_name = "NOTEBOOK", value_hint = ValueHint::FilePath)]
    notebook: PathBuf,
    /// Write the program to this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// The name of the service [default: the notebook's]
    #[arg(long, value_name = "NAME", value_parser = ServiceName::parse)]
    name: Option<ServiceName>,
    /// Only say what would be written
    #[arg(long)]
    dry_run: bool,
}

impl AppArguments {
    pub(super) fn resolve(self) -> AppSettings {
        AppSettings { notebook: self.notebook, output: self.output, name: self.name, dry_run: self.dry_run }
    }
}
