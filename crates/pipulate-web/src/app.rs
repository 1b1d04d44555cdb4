//! The table of routes.
//!
//! Invariant: the guard wraps the whole table, including the answer to an unknown path, so every route that
//! is added here is guarded.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::addresses;
use crate::examples;
use crate::form;
use crate::guard;
use crate::problem::Problem;
use crate::routes::{apps, assets, chat, login, logs, notebooks, secrets, services, why};
use crate::state::AppState;

/// The app, ready for [`crate::serve`] or for a test without a socket.
pub fn app(state: AppState) -> Router {
    let pages = Router::new()
        .route("/", get(services::show))
        .route("/events", get(services::events))
        .route("/services/{verb}", post(services::act))
        .route("/services/{name}/{verb}", post(services::act))
        .route("/services/{name}/open", post(services::open))
        .route("/services/{name}/why", post(why::ask))
        .merge(chats())
        .route("/notebooks/open", post(notebooks::open))
        .route("/notebooks/new", post(notebooks::create))
        .route("/files/open", post(notebooks::open_file))
        .route("/notebooks/{*path}", get(notebooks::show))
        .route("/apps/{*path}", get(apps::ask).post(apps::make))
        .route("/attachments/{cell}/{name}/{*path}", get(notebooks::attachment))
        .route("/outputs/{cell}/{output}/{*path}", get(notebooks::image))
        .route("/logs", get(logs::show))
        .route("/logs/older", get(logs::older))
        .route("/logs/newer", get(logs::newer))
        .route("/logs/stream", get(logs::stream))
        .route("/logs/download", get(logs::download))
        .route(addresses::SECRETS, get(secrets::show).post(secrets::save))
        .route("/secrets/{name}/forget", get(secrets::ask_forget).post(secrets::forget))
        .route("/examples/hello", get(examples::hello))
        .route("/examples/counter", get(examples::counter))
        .route("/examples/counter/increment", post(examples::increment))
        .route("/examples/secret", get(examples::ask_secret).post(examples::save_secret))
        .route(addresses::LOGIN, get(login::enter).head(login::look))
        .route(addresses::LIFE, get(services::life))
        .route("/static/{name}", get(assets::show))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(form::MAX_BYTES))
        .with_state(state.clone());
    // A router inside a router: the outer one has no routes, so the guard runs before any is chosen.
    Router::new().fallback_service(pages).layer(middleware::from_fn_with_state(state, guard::guard))
}

fn chats() -> Router<AppState> {
    Router::new()
        .route(addresses::CHAT, get(chat::newest).post(chat::ask_anew))
        .route("/chat/new", get(chat::new))
        .route("/chat/allow", post(chat::allow))
        .route("/chat/{id}", get(chat::show).post(chat::ask))
        .route("/chat/{id}/events", get(chat::events))
        .route("/chat/{id}/retry", post(chat::retry))
        .route("/chat/{id}/version", post(chat::show_version))
        .route("/chat/{id}/restore", post(chat::restore))
        .route("/chat/{id}/stop", post(chat::stop))
        .route("/chat/{id}/settings", post(chat::settings))
        .route("/chat/{id}/export", get(chat::export))
        .route("/chat/{id}/delete", post(chat::delete))
        .route("/notebooks/insert", post(notebooks::insert))
        // The innermost limit counts.
        .layer(DefaultBodyLimit::max(form::MAX_CHAT_BYTES))
}
