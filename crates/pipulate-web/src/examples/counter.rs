//! A counter: the button asks for new words, which replace the old.

use axum::extract::State;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Redirect};

use super::tags::{Titled, button, form, h1, p, title};
use crate::htmx::{self, Audience};
use crate::state::AppState;

const INCREMENT: &str = "/examples/counter/increment";

fn count(x: u64) -> String {
    format!("Count: {x}")
}

pub(super) fn home(state: &AppState) -> Titled {
    let heading = h1("Hello, FastHTML with HTMX!");
    let words = p(count(state.count())).id("count").role("status");
    let button = button("Increment");
    let button = button.hx_post(INCREMENT).hx_target("#count").hx_swap("innerHTML");
    // The form is for browsers without JavaScript.
    let form = form(button).method("post").action(INCREMENT);
    title("FastHTML HTMX Demo", (heading, words, form))
}

pub(crate) async fn increment(
    State(state): State<AppState>, // what the app holds
    audience: Audience,            // htmx, or a browser alone
) -> impl IntoResponse {
    let words = count(state.increment());
    let answer = match audience {
        Audience::Fragment => words.into_response(),
        Audience::Page => Redirect::to("/examples/counter").into_response(),
    };
    ([(VARY, htmx::VARY)], answer)
}
