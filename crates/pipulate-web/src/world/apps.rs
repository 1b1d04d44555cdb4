//! Web apps of the folder's notebooks.

use pipulate_core::service::ServiceName;

/// Makes apps.
pub trait Apps: Send + Sync + 'static {
    /// The service that already shows this notebook.
    fn app_of(&self, path: &str) -> Option<ServiceName>;

    /// Plans the files for the notebook at a path below the folder.
    ///
    /// # Errors
    /// It can't become an app, or not there.
    fn plan_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp>;

    /// Writes the files without overwriting any, and returns the plan. No service is started.
    ///
    /// # Errors
    /// As [`Apps::plan_app`], or a file can't be written; then none is left.
    fn make_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp>;
}

/// The service for the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppPlace {
    /// The web server if it has no program yet, else a service of its own.
    Usual,
    /// A service of its own.
    BesideServer,
    /// This service, which the user has confirmed.
    Named(ServiceName),
}

/// The files for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPlan {
    pub service: ServiceName,
    /// New files, the program first; their paths are relative to the folder.
    pub files: Vec<String>,
    /// `pipulate.toml` gets a table for the service.
    pub adds_service: bool,
    /// Notes for the notebook's owner.
    pub notes: Vec<AppNote>,
    /// The service is the one that serves the page.
    pub replaces_page: bool,
}

/// A note about an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppNote {
    pub text: String,
    /// The app will lack a feature of the notebook.
    pub is_warning: bool,
}

/// The reason why there is no app, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoApp(pub String);
