//! Web apps that are made of the folder's notebooks.

use pipulate_core::service::ServiceName;

/// Makes apps.
pub trait Apps: Send + Sync + 'static {
    /// The service that shows this notebook already.
    fn app_of(&self, path: &str) -> Option<ServiceName>;

    /// Says what would be written for the notebook at a path below the folder.
    ///
    /// # Errors
    /// It can't become an app, or not there.
    fn plan_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp>;

    /// Writes it, over no file that is there, and says what was written. Nothing is started.
    ///
    /// # Errors
    /// As [`Apps::plan_app`], or a file can't be written; then none is left.
    fn make_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp>;
}

/// Which service the app is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppPlace {
    /// The web server where there is no program for it yet, else one of its own.
    Usual,
    /// One of its own.
    BesideServer,
    /// This one, which a person has agreed to.
    Named(ServiceName),
}

/// What is written for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPlan {
    pub service: ServiceName,
    /// New files, the program first; their paths are relative to the folder.
    pub files: Vec<String>,
    /// `pipulate.toml` gets a table for the service.
    pub adds_service: bool,
    /// What the notebook's owner should know.
    pub notes: Vec<AppNote>,
    /// The service is the one that serves the page.
    pub replaces_page: bool,
}

/// Something worth saying about an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppNote {
    pub text: String,
    /// The app will not do all that the notebook does.
    pub is_warning: bool,
}

/// Why there is no app, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoApp(pub String);
