//! A world made of values, and a browser made of headers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use pipulate_core::answer::Alert;
use pipulate_core::env_error::EnvError;
use pipulate_core::layout::Layout;
use pipulate_core::resources::Resources;
use pipulate_core::secret::EnvKey;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{Doubt, KernelActivity, ProjectStatus, ServiceStatus};
use pipulate_core::web_host::WebHost;
use pipulate_ollama::host::Host;
use pipulate_ollama::why::Incident;
use pipulate_store::chat::Chats;
use pipulate_store::dotenv::{EnvFile, SecretValue, SetOnce, Unset, Written};
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, Stretch};
use pipulate_store::log::read;
use pipulate_store::own_log::ServiceEvent;
use tower::ServiceExt;

pub(crate) use super::values::{last_exit, path, service};

use super::news::{Bell, Events, Listener, Printed};
use crate::sign::{self, Token};
use crate::state::{AppState, Endpoint};
use crate::world::{
    Chat, Consent, Control, ControlError, Folder, Logs, NoApp, NoOllama, Ollama, Probes, Reply, Secrets,
    StatusSource, Target, Verb, Watching, World,
};

pub(crate) const PORT: u16 = 5001;
pub(crate) const HOST: &str = "127.0.0.1:5001";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:5001";
/// The name behind a reverse proxy.
pub(crate) const PUBLIC: &str = "app.example.org";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
const FORM: &str = "application/x-www-form-urlencoded";

/// The test's settings, and a record of the actions.
#[derive(Default)]
pub(crate) struct FakeWorld {
    pub(crate) services: Mutex<Vec<ServiceStatus>>,
    /// Replaces the services for the next look only.
    pub(crate) seen_once: Mutex<Option<Vec<ServiceStatus>>>,
    pub(crate) unknown: Mutex<Vec<Doubt>>,
    pub(crate) looks: Mutex<Vec<Probes>>,
    pub(crate) kernels: Mutex<Vec<KernelActivity>>,
    pub(crate) resources: Mutex<Resources>,
    pub(crate) resource_reads: AtomicUsize,
    pub(crate) alerts: Mutex<Vec<Alert>>,
    /// The actions, with their consent.
    pub(crate) acts: Mutex<Vec<(Target, Verb, Consent)>>,
    pub(crate) refusal: Mutex<Option<ControlError>>,
    /// Blocks the next action until the sender is dropped.
    pub(crate) hold: Mutex<Option<mpsc::Receiver<()>>>,
    pub(crate) address: Mutex<Option<String>>,
    /// Wakes all watchers.
    pub(crate) bell: Arc<Bell>,
    /// The logs' place; without it there are none.
    pub(crate) layout: Mutex<Option<Layout>>,
    pub(crate) hidden: Mutex<Vec<String>>,
    pub(crate) events: Mutex<Vec<ServiceEvent>>,
    pub(crate) required: Mutex<Vec<String>>,
    pub(crate) secret: Mutex<String>,
    pub(crate) secret_refusal: Mutex<Option<EnvError>>,
    pub(crate) saves: AtomicUsize,
    /// Ollama's address; nothing listens there unless the test starts it.
    pub(crate) ollama: Mutex<Option<Ollama>>,
    /// A host that the user hasn't allowed.
    pub(crate) unasked: Mutex<Option<Host>>,
    /// The chats' place; without it they can't be saved.
    pub(crate) chats: Mutex<Option<Chats>>,
    /// Path, text and time of change of each notebook.
    pub(crate) notebooks: Mutex<Vec<(String, String, Timestamp)>>,
    /// The created apps: path and service.
    pub(crate) apps: Mutex<Vec<(String, String)>>,
    /// The reason why no app is made.
    pub(crate) no_app: Mutex<Option<NoApp>>,
    pub(crate) notebook_reads: Mutex<Vec<String>>,
    /// Blocks the next access to the chats until the sender is dropped.
    pub(crate) hold_chats: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Chat for FakeWorld {
    fn allow(&self, host: &str) -> Result<(), String> {
        let mut unasked = self.unasked.lock().unwrap();
        match unasked.take_if(|asked| asked.to_string() == host) {
            Some(_) => Ok(()),
            None => Err("another one by now".to_owned()),
        }
    }

    fn ollama(&self) -> Result<Ollama, NoOllama> {
        if let Some(host) = self.unasked.lock().unwrap().clone() {
            return Err(NoOllama::Unasked(host));
        }
        let host = Host::parse("127.0.0.1:1").unwrap();
        let nobody = || Ollama { host, model: None, start: Some("ollama serve".to_owned()), advice: None };
        Ok(self.ollama.lock().unwrap().clone().unwrap_or_else(nobody))
    }

    fn chats(&self) -> Chats {
        let held = self.hold_chats.lock().unwrap().take();
        if let Some(held) = held {
            held.recv().unwrap_err();
        }
        self.chats.lock().unwrap().clone().unwrap_or_else(|| Chats::new(path("/nowhere/chats")))
    }

    fn incident(&self, service: &ServiceName) -> Result<Incident, String> {
        Ok(Incident {
            service: service.clone(),
            state: "crashed: code 1".to_owned(),
            log: vec!["NameError".to_owned()],
        })
    }
}

impl StatusSource for FakeWorld {
    fn kernels(&self) -> Vec<KernelActivity> {
        self.kernels.lock().unwrap().clone()
    }

    fn resources(&self) -> Resources {
        self.resource_reads.fetch_add(1, Ordering::Relaxed);
        *self.resources.lock().unwrap()
    }

    fn alerts(&self) -> Vec<Alert> {
        self.alerts.lock().unwrap().clone()
    }

    fn watch(&self) -> Box<dyn Watching> {
        Listener::to(&self.bell)
    }

    fn status(&self, probes: Probes) -> ProjectStatus {
        self.looks.lock().unwrap().push(probes);
        let seen_once = self.seen_once.lock().unwrap().take();
        let services = seen_once.unwrap_or_else(|| self.services.lock().unwrap().clone());
        let unknown = self.unknown.lock().unwrap().clone();
        ProjectStatus { name: "demo".to_owned(), root: path("/home/ann/demo"), services, unknown }
    }
}

impl Control for FakeWorld {
    fn signed_address(&self, _: &ServiceName) -> Result<Option<String>, ControlError> {
        Ok(self.address.lock().unwrap().clone())
    }

    fn act(&self, target: &Target, verb: Verb, consent: Consent) -> Result<Reply, ControlError> {
        self.acts.lock().unwrap().push((target.clone(), verb, consent));
        let held = self.hold.lock().unwrap().take();
        if let Some(held) = held {
            held.recv().unwrap_err();
        }
        match self.refusal.lock().unwrap().clone() {
            Some(ControlError::NeedsConsent(_)) if consent == Consent::Given => {
                Ok(Reply::Asked { is_slow: false })
            }
            Some(refusal) => Err(refusal),
            None => Ok(Reply::Asked { is_slow: false }),
        }
    }
}

impl Logs for FakeWorld {
    fn services(&self) -> Result<Vec<ServiceName>, StoreError> {
        let layout = self.layout.lock().unwrap();
        Ok(layout.as_ref().map_or(Vec::new(), |layout| read::services(layout).unwrap().into_iter().collect()))
    }

    fn open(&self, stretches: &[Stretch]) -> Result<Merged, StoreError> {
        let nowhere = Layout::new(path("/nowhere"));
        Merged::open_stretches(self.layout.lock().unwrap().as_ref().unwrap_or(&nowhere), stretches)
    }

    fn masker(&self) -> Masker {
        Masker::new(self.hidden.lock().unwrap().iter())
    }

    fn file(&self, named: &str) -> Option<String> {
        let below = named.strip_prefix("/home/ann/demo/").unwrap_or(named);
        ["worker.py", "lib/prices.py"].contains(&below).then(|| below.to_owned())
    }

    fn events(&self, since: Timestamp) -> Vec<ServiceEvent> {
        self.events.lock().unwrap().iter().filter(|event| event.at >= since).cloned().collect()
    }

    fn watch(&self) -> Box<dyn Watching> {
        Listener::to(&self.bell)
    }
}

impl Secrets for FakeWorld {
    fn required(&self) -> Vec<String> {
        self.required.lock().unwrap().clone()
    }

    fn names(&self) -> Result<Vec<String>, EnvError> {
        let is_set = !self.secret.lock().unwrap().is_empty();
        Ok(is_set.then(|| "SECRET".to_owned()).into_iter().collect())
    }

    fn save(&self, _: &EnvKey, value: &SecretValue) -> Result<Written, EnvError> {
        if let Some(refusal) = self.secret_refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        value.expose().clone_into(&mut self.secret.lock().unwrap());
        self.saves.fetch_add(1, Ordering::Relaxed);
        Ok(Written { warning: None })
    }

    fn forget(&self, _: &str) -> Result<Unset, EnvError> {
        self.secret.lock().unwrap().clear();
        Ok(Unset::Removed)
    }

    fn filled(&self) -> Result<BTreeSet<String>, EnvError> {
        Ok(self.names()?.into_iter().collect())
    }

    fn save_once(&self, _: &EnvKey, value: &SecretValue) -> Result<SetOnce, EnvError> {
        if let Some(refusal) = self.secret_refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let mut secret = self.secret.lock().unwrap();
        if !secret.is_empty() {
            return Ok(SetOnce::AlreadySet);
        }
        value.expose().clone_into(&mut secret);
        self.saves.fetch_add(1, Ordering::Relaxed);
        Ok(SetOnce::Saved(Written { warning: None }))
    }
}

/// An app in its world, and the cookie of a browser that signed in.
pub(crate) struct Home {
    pub(crate) world: Arc<FakeWorld>,
    pub(crate) state: AppState,
    pub(crate) app: Router,
    pub(crate) cookie: String,
}

impl Home {
    /// One service, `web`, that is ready.
    pub(crate) fn new() -> Self {
        let world = Arc::new(FakeWorld::default());
        world.services.lock().unwrap().push(service("web", ServiceState::Ready));
        let secrets = world.clone();
        Self::with_secrets(world, secrets)
    }

    /// Secrets in a real file, everything else as in [`Home::new`].
    pub(crate) fn with_env_file(file: EnvFile) -> Self {
        Self::with_secrets(Self::new().world, Arc::new(file))
    }

    fn with_secrets(world: Arc<FakeWorld>, secrets: Arc<dyn Secrets>) -> Self {
        let state = state_over(&world, secrets);
        let cookie = format!("pipulate_{PORT}={}", state.authenticator().new_session().unwrap());
        Self { app: crate::app(state.clone()), world, state, cookie }
    }

    /// Sends a request unchanged.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let looks = request.method() == Method::HEAD;
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let whole = tokio::time::timeout(Duration::from_secs(60), to_bytes(body, 1 << 20)).await;
        let body = whole.expect("an answer that ends").unwrap();
        if let Some(length) = head.headers.get("content-length").filter(|_| !looks) {
            assert_eq!(length.to_str().unwrap(), body.len().to_string(), "the length is the body's");
        }
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Requests a page with a signed-in browser's headers.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.signed_in(ask(Method::GET, path)).body(Body::empty()).unwrap()).await
    }

    /// [`Home::get`] for binary answers.
    pub(crate) async fn raw(&self, path: &str) -> (HeaderMap, Vec<u8>) {
        let request = self.signed_in(ask(Method::GET, path)).body(Body::empty()).unwrap();
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        (head.headers, to_bytes(body, 1 << 20).await.unwrap().to_vec())
    }

    /// Sends a form of our own page with a signed-in browser's headers.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(self.form(path).body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The head of [`Home::post`]'s request.
    pub(crate) fn form(&self, path: &str) -> Builder {
        let builder = self.signed_in(ask(Method::POST, path)).header("content-type", FORM);
        builder.header("sec-fetch-site", "same-origin").header("origin", ORIGIN)
    }

    pub(crate) fn signed_in(&self, builder: Builder) -> Builder {
        builder.header("cookie", &self.cookie)
    }

    /// A home with logs in a folder, which is removed with the second value.
    pub(crate) fn with_logs() -> (Self, Printed) {
        let home = Self::new();
        let printed = Printed::new(&home.world);
        (home, printed)
    }

    /// Opens a stream as htmx does; `more` are headers.
    pub(crate) async fn stream(&self, path: &str, more: &[(&str, &str)]) -> Events {
        let mut request = self.signed_in(ask(Method::GET, path)).header("sec-fetch-site", "same-origin");
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let response = self.app.clone().oneshot(empty(request)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Events(response.into_body(), String::new())
    }

    pub(crate) fn acts(&self) -> usize {
        self.world.acts.lock().unwrap().len()
    }
}

/// The answer to a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The visible part of an example's page, without its source below.
    pub(crate) fn example(&self) -> &str {
        let (_, after) = self.body.split_once(r#"<article id="example">"#).unwrap_or(("", &self.body));
        after.split_once("</article>").map_or(after, |(example, _)| example)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn state_over(world: &Arc<FakeWorld>, secrets: Arc<dyn Secrets>) -> AppState {
    let (status, control, logs, chat) = (world.clone(), world.clone(), world.clone(), world.clone());
    let (notebooks, apps) = (world.clone(), world.clone());
    let name = ServiceName::parse("server").unwrap();
    let folder = folder();
    AppState::new(
        name,
        Endpoint { port: PORT, hosts: vec![WebHost::parse(PUBLIC).unwrap()] },
        crate::sign::always(token()),
        World { status, control, secrets, logs, chat, notebooks, apps, folder },
    )
}

pub(crate) fn folder() -> Arc<Folder> {
    Arc::new(Folder { name: "demo".to_owned(), path: "/home/ann/demo".to_owned() })
}

pub(crate) fn token() -> Token {
    Token::parse(KEY.as_bytes()).unwrap()
}

pub(crate) fn fresh_code() -> String {
    sign::code(&token(), PORT, Timestamp::now()).unwrap()
}

/// A request with our Host and nothing else.
pub(crate) fn ask(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", HOST)
}

pub(crate) fn empty(builder: Builder) -> Request<Body> {
    builder.body(Body::empty()).unwrap()
}
