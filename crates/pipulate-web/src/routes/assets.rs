//! `/static/…`: the embedded files, cached by browsers if the address has their version.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};

use crate::addresses;
use crate::assets;
use crate::problem::Problem;

/// An embedded file, by its exact name: no name reaches a file system.
pub(crate) async fn show(uri: axum::http::Uri, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(asset) = uri.path().strip_prefix(addresses::STATIC).and_then(assets::find) else {
        return Problem::NotFound.into_response();
    };
    let known_version = query.is_some_and(|query| query == asset.version());
    let keep = if known_version { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = asset.etag();
    let kept = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let shared = [(CACHE_CONTROL, keep.to_owned()), (ETAG, tag)];
    if kept {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (shared, [(CONTENT_TYPE, asset.content_type)], asset.content).into_response()
}
