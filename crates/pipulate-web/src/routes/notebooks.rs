//! `/notebooks/…` and `/outputs/…`: the folder's notebooks to look at, and the way to them in JupyterLab.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;
use pipulate_core::units::size;
use pipulate_store::notebooks::{LARGEST, NotRead};

use crate::form::Fields;
use crate::notebook::{Notebook, title};
use crate::problem::Problem;
use crate::routes::services::lead_to;
use crate::state::AppState;
use crate::views::notebook::{self, NotebookPage};
use crate::world::World;

/// The longest path that is looked for, in bytes.
pub(crate) const LONGEST_PATH: usize = 4 << 10;

/// A notebook to look at.
pub(crate) async fn show(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let path = path.map_err(|_| Problem::NotFound)?.0;
    let _turn = state.turn_to_read().await;
    state
        .ask(move |world| {
            let (notebook, version) = match read(world, &path)? {
                Read::Notebook(notebook, version) => (notebook, version),
                Read::Unreadable(status, why) => {
                    let page = notebook::unreadable(&world.folder, &path, &why);
                    return Ok((status, page).into_response());
                }
            };
            let page = NotebookPage { title: title(&notebook), path, version, notebook };
            Ok(notebook::page(&world.folder, &page).into_response())
        })
        .await?
}

/// One of its images.
pub(crate) async fn image(
    State(state): State<AppState>,
    place: Result<Path<(usize, usize, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (cell, output, path) = place.map_err(|_| Problem::NotFound)?.0;
    let _turn = state.turn_to_read().await;
    state
        .ask(move |world| {
            let Read::Notebook(notebook, _) = read(world, &path)? else { return Err(Problem::NotFound) };
            let image = notebook.image(cell, output).ok_or(Problem::NotFound)?;
            // Its address changes with the file.
            let headers =
                [(CONTENT_TYPE, image.content_type), (CACHE_CONTROL, "private, max-age=31536000, immutable")];
            Ok((headers, image.bytes).into_response())
        })
        .await?
}

/// A notebook's file, or what is wrong with it.
enum Read {
    Notebook(Notebook, i128),
    Unreadable(StatusCode, String),
}

fn read(world: &World, path: &str) -> Result<Read, Problem> {
    if path.len() > LONGEST_PATH {
        return Err(Problem::NotFound);
    }
    let (bytes, changed) = match world.notebooks.read(path) {
        Ok(read) => read,
        Err(NotRead::NotThere) => return Err(Problem::NotFound),
        Err(NotRead::TooLarge(bytes)) => {
            let why = format!(
                "This notebook is {}, and at most {} are shown here. JupyterLab can open it.",
                size(bytes),
                size(LARGEST)
            );
            return Ok(Read::Unreadable(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Err(error @ NotRead::Io(_)) => return Err(Problem::Failed(format!("{}: {error}", printable(path)))),
    };
    Ok(match Notebook::parse(&bytes) {
        Ok(notebook) => Read::Notebook(notebook, changed.as_nanosecond()),
        Err(error) => {
            Read::Unreadable(StatusCode::UNPROCESSABLE_ENTITY, format!("This can't be shown: {error}"))
        }
    })
}

/// Leads to a notebook in JupyterLab, signed in.
pub(crate) async fn open(
    State(state): State<AppState>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let path = fields.take("path").filter(|path| path.len() <= LONGEST_PATH).ok_or(Problem::BodyBroken)?;
    let known = path.clone();
    if !state.ask(move |world| world.notebooks.has(&known)).await? {
        return Err(Problem::NotFound);
    }
    lead_to(&state, &headers, jupyter()?, Some(path)).await
}

/// Makes a notebook and leads to it in JupyterLab.
pub(crate) async fn create(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    let jupyter = jupyter()?;
    // Nothing is made that can't be opened.
    lead_to(&state, &headers, jupyter.clone(), None).await?;
    let path = state
        .ask(|world| world.notebooks.create())
        .await?
        .map_err(|error| Problem::Failed(format!("no notebook was made: {error}")))?;
    lead_to(&state, &headers, jupyter, Some(path)).await
}

fn jupyter() -> Result<ServiceName, Problem> {
    ServiceName::parse(ServiceName::JUPYTER).map_err(|_| Problem::NotFound)
}
