//! The guard: checks a request before it reaches any route.
//!
//! In this order: Host (against DNS rebinding) → Origin and Sec-Fetch-Site (against other pages, JupyterLab's
//! port included: cookies and "same site" ignore ports) → session (against other users of this machine) →
//! body. Each check is a pure function of the request's head.
//!
//! Invariants: decisions use the raw path and the raw header bytes, nothing is parsed that is ambiguous, and
//! an answer never has a CORS header.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::addresses;
use crate::form;
use crate::headers;
use crate::htmx::Audience;
use crate::problem::Problem;
use crate::sign::Authenticator;
use crate::state::{AppState, Endpoint};
use crate::views;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The origin that a request was made for: one of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    scheme: &'static str,
    /// In lower case.
    host: String,
}

impl Site {
    /// Returns true if browsers reach it by HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

/// Checks a request, passes it on or answers it, and finishes every answer. Routes find the [`Site`] among
/// the request's extensions.
pub(crate) async fn guard(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let audience = Audience::of(request.headers());
    let checked = check(&state, request.method(), request.uri(), request.headers());
    let is_form = *request.method() == Method::POST;
    let response = match checked {
        Ok(site) => {
            if let Some(site) = site {
                request.extensions_mut().insert(site);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    let mut response = render(response, audience, is_form, &state);
    headers::harden(response.headers_mut());
    response
}

/// Renders the problem in an answer. Its other headers, such as `Allow`, stay.
fn render(mut response: Response, audience: Audience, is_form: bool, state: &AppState) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let markup = match audience {
        Audience::Page => views::problem::page(state.folder(), &problem, state.service(), is_form),
        Audience::Fragment => views::problem::fragment(&problem),
    };
    // The router has set the length of the empty answer.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    *response.body_mut() = Body::from(markup.into_string());
    response
}

/// `None`: a file of the page that shows the right address.
fn check(state: &AppState, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Option<Site>, Problem> {
    let site = match own_site(state.endpoint(), uri, headers) {
        // Without these files, the page that shows the right address would have no style.
        Err(Problem::ForeignHost(_) | Problem::OtherPort(_)) if addresses::is_file(uri.path()) => {
            return Ok(None);
        }
        site => site?,
    };
    let asker = asker(state.authenticator(), headers);
    check_origin(&site, method, headers, &asker)?;
    match asker {
        Asker::SignedIn | Asker::HoldsKey => {}
        Asker::SignedOut if addresses::is_public(uri.path()) => {}
        Asker::SignedOut => return Err(Problem::SignInFirst),
    }
    form::check_head(uri.path(), headers)?;
    Ok(Some(site))
}

/// The site of the Host header, if there is exactly one, with one of our names and our port, or one of the
/// proxy's configured names.
fn own_site(endpoint: &Endpoint, uri: &Uri, headers: &HeaderMap) -> Result<Site, Problem> {
    let host = only(headers, &HOST).map_err(|Several| Problem::NoHost)?.ok_or(Problem::NoHost)?;
    let host = host.to_str().map_err(|_| Problem::NoHost)?.to_ascii_lowercase();
    // Browsers omit HTTP's default port.
    let number = endpoint.port;
    let port = if number == 80 { String::new() } else { format!(":{number}") };
    let own = OWN.map(|name| format!("{name}{port}"));
    // The absolute form, `GET http://name/ HTTP/1.1`, names a host too.
    let named = uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(&host));
    let scheme = match &host {
        host if own.contains(host) => Some("http"),
        host => endpoint.hosts.iter().any(|public| public.as_str() == host).then_some("https"),
    };
    match scheme.filter(|&scheme| named && uri.scheme_str().is_none_or(|said| said == scheme)) {
        Some(scheme) => Ok(Site { scheme, host }),
        None if is_other_port(&host) => Err(Problem::OtherPort(number)),
        None => Err(Problem::ForeignHost(number)),
    }
}

/// The names of this machine to itself.
const OWN: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Returns true if a host is this machine with any port.
fn is_other_port(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(name, _)| name);
    name.is_some_and(|name| OWN.contains(&name))
}

/// The client, by its credentials.
enum Asker {
    SignedIn,
    /// A program of the same user that read the key's file.
    HoldsKey,
    SignedOut,
}

fn asker(authenticator: &Authenticator, headers: &HeaderMap) -> Asker {
    let shown = only(headers, &AUTHORIZATION).ok().flatten();
    if shown
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .is_some_and(|key| authenticator.knows_key(key))
    {
        return Asker::HoldsKey;
    }
    if authenticator.has_session(headers) { Asker::SignedIn } else { Asker::SignedOut }
}

/// Refuses requests that another origin caused.
///
/// Browsers send Sec-Fetch-Site, which no page can set, and Origin. A client that sends neither is no current
/// browser: it may read, and needs the key itself to change anything.
fn check_origin(site: &Site, method: &Method, headers: &HeaderMap, asker: &Asker) -> Result<(), Problem> {
    let refused = || Problem::ForeignOrigin;
    let origin = only(headers, &ORIGIN).map_err(|Several| refused())?;
    let fetched = only(headers, &SEC_FETCH_SITE).map_err(|Several| refused())?;
    if origin.is_some_and(|origin| origin.as_bytes() != site.origin().as_bytes()) {
        return Err(refused());
    }
    let harmless = *method == Method::GET || *method == Method::HEAD;
    let allowed = match fetched.map(HeaderValue::as_bytes) {
        Some(b"same-origin" | b"none") => true,
        // A link on another page may lead here; that page can't read the result.
        Some(b"same-site" | b"cross-site") => harmless && is_visit(headers),
        Some(_) => false,
        None => harmless || origin.is_some() || matches!(asker, Asker::HoldsKey),
    };
    if allowed { Ok(()) } else { Err(refused()) }
}

/// Returns true for a page opened in a tab, not in a frame, and not fetched by a script.
fn is_visit(headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName, word: &str| {
        only(headers, name).is_ok_and(|value| value.is_some_and(|value| value.as_bytes() == word.as_bytes()))
    };
    says(&SEC_FETCH_MODE, "navigate") && says(&SEC_FETCH_DEST, "document")
}

/// A repeated header is ambiguous: one reader would take the first, another the last.
struct Several;

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Several> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Several) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use pipulate_core::web_host::WebHost;

    use super::*;

    #[test]
    fn the_port_of_http_itself_is_in_no_address_and_any_other_one_must_be() {
        for (port, host, is_ours) in [
            (80, "127.0.0.1", true),
            (80, "LOCALHOST", true),
            (80, "127.0.0.1:80", false),
            (80, "127.0.0.1:5001", false),
            (5001, "127.0.0.1:5001", true),
            (5001, "127.0.0.1", false),
            (8080, "127.0.0.1:80", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            let found = own_site(&Endpoint { port, hosts: Vec::new() }, &Uri::from_static("/"), &headers);
            assert_eq!(found.is_ok(), is_ours, "{port} {host}");
        }
    }

    #[test]
    fn a_name_of_the_proxy_is_ours_exactly_as_it_is_configured() {
        let hosts = ["app.example.org", "app.example.org:8443"].map(|name| WebHost::parse(name).unwrap());
        let endpoint = Endpoint { port: 5001, hosts: hosts.to_vec() };
        for (uri, host, scheme) in [
            ("/", "app.example.org", Some("https")),
            ("/", "APP.Example.org", Some("https")),
            ("/", "app.example.org:8443", Some("https")),
            ("/", "app.example.org:443", None),
            ("/", "app.example.org:5001", None),
            ("/", "app.example.org.", None),
            ("/", "app.example.org.evil.example", None),
            ("/", "evil.app.example.org", None),
            ("/", "user@app.example.org", None),
            ("/", "[::ffff:127.0.0.1]:5001", None),
            ("/", "[::1]:5001", Some("http")),
            ("/", "127.0.0.1:5001", Some("http")),
            ("https://app.example.org/", "app.example.org", Some("https")),
            ("http://app.example.org/", "app.example.org", None),
            ("https://app.example.org/", "127.0.0.1:5001", None),
            ("http://127.0.0.1:5001/", "app.example.org", None),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            let found = own_site(&endpoint, &Uri::from_static(uri), &headers);
            assert_eq!(found.ok().map(|site| site.scheme), scheme, "{uri} {host}");
        }
    }
}
