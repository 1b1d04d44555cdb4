//! `/examples/…`: the three small apps of the original, in its own words, each with its source beside the
//! FastHTML original.
//!
//! The shown source is the compiled file.

mod counter;
mod hello;
mod secret;
mod tags;

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, Render, html};

pub(crate) use counter::increment;

use crate::form::Fields;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::layout;
use tags::Titled;

/// One of them.
struct Example {
    name: &'static str,
    address: &'static str,
    /// Rendered once: escaping both sources would cost more than the rest of a page.
    sources: LazyLock<Markup>,
}

static HELLO: Example = Example {
    name: "Hello",
    address: "/examples/hello",
    sources: LazyLock::new(|| {
        sources(include_str!("examples/hello.rs"), include_str!("../assets/examples/hello.py"))
    }),
};
static COUNTER: Example = Example {
    name: "Counter",
    address: "/examples/counter",
    sources: LazyLock::new(|| {
        sources(include_str!("examples/counter.rs"), include_str!("../assets/examples/counter.py"))
    }),
};
static SECRET: Example = Example {
    name: "Secret",
    address: "/examples/secret",
    sources: LazyLock::new(|| {
        sources(include_str!("examples/secret.rs"), include_str!("../assets/examples/secret.py"))
    }),
};

pub(crate) async fn hello(State(state): State<AppState>) -> Markup {
    HELLO.show(&state, &hello::get())
}

pub(crate) async fn counter(State(state): State<AppState>) -> Markup {
    COUNTER.show(&state, &counter::home(&state))
}

pub(crate) async fn ask_secret(State(state): State<AppState>) -> Result<Markup, Problem> {
    Ok(SECRET.show(&state, &secret::get(&state).await?))
}

pub(crate) async fn save_secret(
    State(state): State<AppState>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let Some(value) = fields.take("secret") else {
        // Our pages always send the field: a program reads this.
        return Ok((StatusCode::BAD_REQUEST, "Missing required field: secret").into_response());
    };
    let (status, page) = secret::post(&state, value).await?;
    Ok((status, SECRET.show(&state, &page)).into_response())
}

impl Example {
    /// The example's page among its siblings, with its source below it.
    fn show(&self, state: &AppState, page: &Titled) -> Markup {
        let content = html! {
            div class="controls" {
                nav aria-label="Examples" {
                    ul {
                        @for other in [&HELLO, &COUNTER, &SECRET] {
                            li {
                                a href=(other.address) aria-current=[(other.address == self.address).then_some("page")] {
                                    (other.name)
                                }
                            }
                        }
                    }
                }
            }
            article id="example" { (page.render()) }
            (*self.sources)
        };
        layout::page(state.folder(), page.title, Some(self.address), &content)
    }
}

/// The source of an example, in two languages.
fn sources(rust: &str, python: &str) -> Markup {
    html! {
        h2 { "How it is made" }
        p { "Tags are functions, and a page is what a function returns: no template language, and no JavaScript to look at." }
        div class="sources" {
            (source("This page, in Rust", rust))
            (source("The original, in Python with FastHTML", python))
        }
    }
}

fn source(name: &str, text: &str) -> Markup {
    html! {
        figure {
            figcaption { (name) }
            pre tabindex="0" aria-label=(name) role="region" { code { (text) } }
        }
    }
}
