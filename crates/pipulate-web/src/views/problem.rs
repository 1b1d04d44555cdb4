//! The page for a request that was not carried out.

use maud::{Markup, html};
use pipulate_core::service::ServiceName;

use crate::problem::Problem;
use crate::views::layout;
use crate::world::Folder;

/// A page; `service` is the app's name in commands. A page that answers a form can't be loaded again.
pub(crate) fn page(folder: &Folder, problem: &Problem, service: &ServiceName, is_form: bool) -> Markup {
    let (is_outside, next) = match problem {
        Problem::SignInFirst | Problem::SignInAgain(_) => (true, how_to_sign_in(service)),
        Problem::ForeignHost(port) | Problem::OtherPort(port) => (true, right_address(*port)),
        Problem::NoHost | Problem::ForeignOrigin => (true, html! {}),
        Problem::BodyTooLarge { .. }
        | Problem::BodyTooSlow
        | Problem::BodyBroken
        | Problem::BodyKind
        | Problem::NotFound
        | Problem::MethodNotAllowed
        | Problem::TooManyStreams
        | Problem::TooManyAnswers
        | Problem::Busy(..)
        | Problem::Refused(_)
        | Problem::Failed(_) => {
            (false, html! { p { a href="/" data-back[is_form] { "Go to the first page" } } })
        }
    };
    let content = html! {
        article class="problem" {
            h1 { (problem.title()) }
            p role="alert" { (problem.text()) }
            (next)
        }
    };
    match is_outside {
        true => layout::outside(problem.title(), &content),
        false => layout::page(folder, problem.title(), None, &content),
    }
}

/// The plain text, which htmx shows in place of the answer.
pub(crate) fn fragment(problem: &Problem) -> Markup {
    html! { span class="alert" { (problem.text()) } }
}

fn right_address(port: u16) -> Markup {
    let address = format!("http://127.0.0.1:{port}");
    html! {
        p { "On this computer, use:" }
        p { a href={ (address) "/" } { (address) } }
        p { "From another computer, through a tunnel with the same port on both ends, which that address leads to:" }
        pre { code { "ssh -L " (port) ":127.0.0.1:" (port) " USER@HOST" } }
        p { "Behind a reverse proxy that keeps its own name, with HTTPS: write that name into pipulate.toml, and restart this app:" }
        pre { code { "[web]\nhosts = [\"app.example.org\"]" } }
    }
}

fn how_to_sign_in(service: &ServiceName) -> Markup {
    html! {
        p { "In a terminal, in the project's folder, run:" }
        pre { code { "pipulate open " (service) } }
        p { "It opens this page, signed in. To get a link instead, which works once within ten minutes:" }
        pre { code { "pipulate url " (service) } }
        p { "If you signed in a moment ago, reload this page: a link on another site does not bring your sign-in along." }
    }
}
