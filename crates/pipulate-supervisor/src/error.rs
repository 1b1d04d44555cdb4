//! The reasons why a supervisor could not do its work.

use pipulate_core::fault::Fault;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not {activity}: {source}")]
    System { activity: &'static str, source: std::io::Error },
    /// A process of the service may be running, so nothing was started.
    #[error("could not tell whether {service} is running: {}", .why.code())]
    Doubtful { service: ServiceName, why: Box<Reason> },
}

impl From<SuperviseError> for Reason {
    fn from(error: SuperviseError) -> Self {
        match error {
            SuperviseError::Store(error) => error.into(),
            SuperviseError::System { activity, source } => {
                Fault::System { activity: activity.into(), error: (&source).into() }.into()
            }
            SuperviseError::Doubtful { service: _, why } => Self::Doubtful { why: vec![*why] },
        }
    }
}
