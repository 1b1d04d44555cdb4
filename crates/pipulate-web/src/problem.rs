//! Every possible problem of a request, with its text.
//!
//! Handlers return a [`Problem`]; the guard turns it into a page, or into a sentence for htmx. No problem
//! reveals anything about the project to a client that is not signed in.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pipulate_core::env_error::EnvError;
use pipulate_core::text::capitalized;
use pipulate_store::error::StoreError;

use crate::sign::{CodeRefusal, NoRandomness};
use crate::world::{ControlError, Panicked, Target, Verb};

/// The reason why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No Host header, or one that is no text, or several.
    NoHost,
    /// A Host that is not ours; our port.
    ForeignHost(u16),
    /// Our host with another port than ours, which is this one: as through a tunnel whose other end has
    /// another port.
    OtherPort(u16),
    ForeignOrigin,
    SignInFirst,
    SignInAgain(CodeRefusal),
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    BodyTooSlow,
    BodyBroken,
    BodyKind,
    NotFound,
    MethodNotAllowed,
    /// More pages are open than can be kept up to date.
    TooManyStreams,
    /// More answers are requested than one machine should generate.
    TooManyAnswers,
    /// This action is already running.
    Busy(Target, Verb),
    Refused(String),
    Failed(String),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoHost | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::SignInFirst | Self::SignInAgain(_) => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(..) | Self::Refused(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyKind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ForeignHost(_) | Self::OtherPort(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooManyAnswers => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyStreams => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The page's heading.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::SignInFirst | Self::SignInAgain(_) => "Sign in",
            Self::NoHost | Self::ForeignHost(_) | Self::OtherPort(_) => "Wrong address",
            Self::ForeignOrigin => "Refused",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed | Self::BodyBroken | Self::BodyKind => "Not understood",
            Self::BodyTooLarge { .. } | Self::TooManyStreams | Self::TooManyAnswers => "Too much",
            Self::BodyTooSlow => "Too slow",
            Self::Busy(..) | Self::Refused(_) => "Not done",
            Self::Failed(_) => "Failed",
        }
    }

    /// The problem and the remedy.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        let text = match self {
            Self::NoHost => "The request does not say which address it is for",
            Self::ForeignHost(_) => "This app answers only to its own address on this computer",
            Self::OtherPort(own) => {
                return format!("This app answers only to addresses with its own port, {own}").into();
            }
            Self::ForeignOrigin => {
                "Another page, or a program without the key, asked for this. Open this app in a tab of its \
                 own and use the buttons there."
            }
            Self::SignInFirst => "This browser is not signed in",
            Self::SignInAgain(refusal) => return capitalized(&refusal.to_string()).into(),
            Self::BodyTooLarge { limit } => {
                return match limit >> 10 {
                    0 => format!("More than {limit} bytes were sent"),
                    kib => format!("More than {kib} KiB were sent"),
                }
                .into();
            }
            Self::BodyTooSlow => "What was sent did not arrive in time. Try again.",
            Self::BodyBroken => "What was sent is damaged. Try again.",
            Self::BodyKind => "Only an ordinary form is taken: application/x-www-form-urlencoded",
            Self::NotFound => "There is no such page here",
            Self::MethodNotAllowed => "This address does not take such a request",
            Self::TooManyStreams => "Too many pages of this app are open. Close some.",
            Self::TooManyAnswers => {
                "Answers are being written in other chats already. Wait for one, or stop it."
            }
            Self::Busy(target, verb) => {
                return format!("\"{} {target}\" is under way already. Wait until it is done.", verb.label())
                    .into();
            }
            Self::Refused(reason) | Self::Failed(reason) => return capitalized(reason).into(),
        };
        text.into()
    }
}

/// Attaches the problem to the answer; the guard, which knows the audience, renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NeedsConsent(_) => Self::Refused(error.to_string()),
            ControlError::Refused(reason) => Self::Refused(reason),
            ControlError::Failed(reason) => Self::Failed(reason),
        }
    }
}

impl From<EnvError> for Problem {
    fn from(error: EnvError) -> Self {
        match error {
            EnvError::Io { .. } => Self::Failed(error.to_string()),
            EnvError::Unwritable { .. }
            | EnvError::Symlink { .. }
            | EnvError::NotAFile { .. }
            | EnvError::OtherOwner { .. }
            | EnvError::NotText { .. }
            | EnvError::OpenQuote { .. }
            | EnvError::NoVariable { .. }
            | EnvError::TooLong { .. }
            | EnvError::Told { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Panicked> for Problem {
    fn from(_: Panicked) -> Self {
        Self::Failed("this was interrupted by a bug in Pipulate".to_owned())
    }
}

impl From<NoRandomness> for Problem {
    fn from(error: NoRandomness) -> Self {
        Self::Failed(error.to_string())
    }
}
