//! A counter: the button asks for new words, and they replace the old ones in place.

use axum::extract::State;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Redirect};

use super::tags::{Titled, button, form, h1, p, title};
use crate::htmx::{self, Audience};
use crate::state::AppState;

pub(super) fn home(state: &AppState) -> Titled {
    let increment =
        button("Increment").hx_post("/examples/counter/increment").hx_target("#count").hx_swap("innerHTML");
    title(
        "FastHTML HTMX Demo",
        (
            h1("Hello, FastHTML with HTMX!"),
            p(format!("Count: {}", state.count())).id("count").role("status"),
            // The form is for browsers without JavaScript.
            form(increment).method("post").action("/examples/counter/increment"),
        ),
    )
}

pub(crate) async fn increment(State(state): State<AppState>, audience: Audience) -> impl IntoResponse {
    let words = format!("Count: {}", state.increment());
    let answer = match audience {
        Audience::Fragment => words.into_response(),
        Audience::Page => Redirect::to("/examples/counter").into_response(),
    };
    ([(VARY, htmx::VARY)], answer)
}
