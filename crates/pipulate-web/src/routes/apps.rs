//! `/apps/…`: makes a web app of a notebook, after showing the plan.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pipulate_core::service::ServiceName;

use crate::form::Fields;
use crate::problem::Problem;
use crate::routes::notebooks::LONGEST_PATH;
use crate::routes::services::carry_out;
use crate::state::AppState;
use crate::views::apps;
use crate::world::{AppPlace, AppPlan, Consent, Folder, NoApp, Probes, Target, Verb, World};

/// Shows the plan, and asks. Redirects to an existing app of the notebook, unless another one is requested.
pub(crate) async fn ask(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let path = known(&state, path).await?;
    let wish = Fields::of_query(query.as_deref())?;
    let (is_beside, is_another) = (wish.has("beside"), wish.has("another"));
    let place = if is_beside { AppPlace::BesideServer } else { AppPlace::Usual };
    let _turn = state.turn_to_read().await;
    let answer = state.ask(move |world| {
        let there = world.apps.app_of(&path).filter(|_| !is_beside && !is_another);
        if let Some(service) = there {
            return apps::already(&world.folder, &path, &service).into_response();
        }
        match world.apps.plan_app(&path, &place) {
            Ok(plan) => apps::question(&world.folder, &path, &plan).into_response(),
            Err(refusal) => refused(&world.folder, &path, &refusal),
        }
    });
    Ok(answer.await?)
}

/// Writes the confirmed files, and starts the app.
pub(crate) async fn make(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let path = known(&state, path).await?;
    let service = fields.take("service").and_then(|name| ServiceName::parse(&name).ok());
    let place = AppPlace::Named(service.ok_or(Problem::BodyBroken)?);
    let notebook = path.clone();
    let written = state.ask(move |world| {
        let plan = world.apps.make_app(&notebook, &place)?;
        Ok((verb_for(world, &plan), plan))
    });
    let (verb, plan) = match written.await? {
        Ok(written) => written,
        Err(refusal) => return Ok(refused(state.folder(), &path, &refusal)),
    };
    let target = Target::One(plan.service.clone());
    let started = match carry_out(&state, &target, verb, Consent::NotAsked).await {
        Ok(Ok(notice)) => Ok(notice.text),
        Ok(Err(error)) => Err(error.to_string()),
        // The written files are reported, even if the start failed.
        Err(problem) => Err(problem.text().into_owned()),
    };
    Ok(apps::made(state.folder(), &path, &plan, &started).into_response())
}

/// The verb that makes the new program answer: the service may be running another one.
fn verb_for(world: &World, plan: &AppPlan) -> Verb {
    let status = world.status.status(Probes::Skip);
    let runs = status.service(plan.service.as_str()).is_some_and(|service| service.is_there());
    if runs { Verb::Restart } else { Verb::Start }
}

fn refused(folder: &Folder, path: &str, refusal: &NoApp) -> Response {
    (StatusCode::CONFLICT, apps::refused(folder, path, refusal)).into_response()
}

/// A notebook of the folder; any other path is not found.
async fn known(state: &AppState, path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let path = path.map_err(|_| Problem::NotFound)?.0;
    let sought = path.clone();
    let is_known = path.len() <= LONGEST_PATH && state.ask(move |world| world.notebooks.has(&sought)).await?;
    if is_known { Ok(path) } else { Err(Problem::NotFound) }
}
