//! `/notebooks/…` and `/outputs/…`: previews of the folder's notebooks, and redirects to JupyterLab.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;
use pipulate_core::units::size;
use pipulate_store::notebooks::{LARGEST, New, NotRead};

use crate::form::Fields;
use crate::notebook::{Image, Notebook, SVG, title};
use crate::problem::Problem;
use crate::routes::services::lead_to;
use crate::state::AppState;
use crate::views::notebook::{self, NotebookPage};
use crate::world::World;

/// The longest path that is accepted, in bytes.
pub(crate) const LONGEST_PATH: usize = 4 << 10;

/// The preview of a notebook.
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

/// An image that was attached to one of its cells.
pub(crate) async fn attachment(
    State(state): State<AppState>,
    place: Result<Path<(usize, String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (cell, name, path) = place.map_err(|_| Problem::NotFound)?.0;
    one_image(&state, path, move |notebook| notebook.attachment(cell, &name)).await
}

/// One of its images.
pub(crate) async fn image(
    State(state): State<AppState>,
    place: Result<Path<(usize, usize, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (cell, output, path) = place.map_err(|_| Problem::NotFound)?.0;
    one_image(&state, path, move |notebook| notebook.image(cell, output)).await
}

async fn one_image(
    state: &AppState,
    path: String,
    find: impl FnOnce(&Notebook) -> Option<Image> + Send + 'static,
) -> Result<Response, Problem> {
    let _turn = state.turn_to_read().await;
    state
        .ask(move |world| {
            let Read::Notebook(notebook, _) = read(world, &path)? else { return Err(Problem::NotFound) };
            let image = find(&notebook).ok_or(Problem::NotFound)?;
            // Its address changes with the file.
            let headers =
                [(CONTENT_TYPE, image.content_type), (CACHE_CONTROL, "private, max-age=31536000, immutable")];
            let mut answer = (headers, image.bytes).into_response();
            if image.content_type == SVG {
                // Opened as a page, it is inactive, too.
                let policy =
                    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            Ok(answer)
        })
        .await?
}

/// A notebook's file, or the error.
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

/// Redirects to a notebook in JupyterLab, signed in.
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

/// Redirects to a file of the folder in JupyterLab.
pub(crate) async fn open_file(
    State(state): State<AppState>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let path = fields.take("path").filter(|path| path.len() <= LONGEST_PATH).ok_or(Problem::BodyBroken)?;
    let none = Problem::Refused(format!("there is no file {} in this folder", printable(&path)));
    let path = state.ask(move |world| world.logs.file(&path)).await?.ok_or(none)?;
    lead_to(&state, &headers, jupyter()?, Some(path)).await
}

/// Creates an empty notebook and redirects to it in JupyterLab.
pub(crate) async fn create(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    make(&state, &headers, None).await
}

/// Creates a notebook from an answer's code, and redirects to it in JupyterLab.
pub(crate) async fn insert(
    State(state): State<AppState>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let code = fields.take("code").ok_or(Problem::BodyBroken)?;
    // Forms send CRLF line breaks.
    make(&state, &headers, Some(code.replace("\r\n", "\n").trim_end().to_owned())).await
}

async fn make(state: &AppState, headers: &HeaderMap, code: Option<String>) -> Result<Response, Problem> {
    let jupyter = jupyter()?;
    // Only create a notebook that can be opened.
    lead_to(state, headers, jupyter.clone(), None).await?;
    let path = state
        .ask(move |world| world.notebooks.create(code.as_deref().map_or(New::Empty, New::Code)))
        .await?
        .map_err(|error| Problem::Failed(format!("no notebook was made: {error}")))?;
    lead_to(state, headers, jupyter, Some(path)).await
}

fn jupyter() -> Result<ServiceName, Problem> {
    ServiceName::parse(ServiceName::JUPYTER).map_err(|_| Problem::NotFound)
}
