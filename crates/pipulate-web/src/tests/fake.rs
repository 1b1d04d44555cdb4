//! A world made of values, and a browser made of headers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use pipulate_core::identity::Pid;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{LastExit, LiveService, ProjectStatus, ServiceStatus};
use pipulate_store::dotenv::{EnvFile, EnvKey, SecretValue, SetOnce, Written};
use tower::ServiceExt;

use crate::sign::{self, Token};
use crate::state::AppState;
use crate::world::{Control, ControlError, Secrets, SecretsError, StatusSource, Verb, World};

pub(crate) const PORT: u16 = 5001;
pub(crate) const HOST: &str = "127.0.0.1:5001";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:5001";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the test decides, and what it wants to know afterwards.
#[derive(Default)]
pub(crate) struct FakeWorld {
    pub(crate) services: Mutex<Vec<ServiceStatus>>,
    pub(crate) unknown: Mutex<Vec<String>>,
    pub(crate) acts: Mutex<Vec<(String, Verb)>>,
    pub(crate) refusal: Mutex<Option<ControlError>>,
    /// Holds the next action until the sender is dropped.
    pub(crate) hold: Mutex<Option<mpsc::Receiver<()>>>,
    pub(crate) secret: Mutex<String>,
    pub(crate) secret_refusal: Mutex<Option<SecretsError>>,
    pub(crate) saves: AtomicUsize,
}

impl StatusSource for FakeWorld {
    fn status(&self) -> ProjectStatus {
        let (services, unknown) =
            (self.services.lock().unwrap().clone(), self.unknown.lock().unwrap().clone());
        ProjectStatus { name: "demo".to_owned(), root: path("/home/ann/demo"), services, unknown }
    }
}

impl Control for FakeWorld {
    fn act(&self, service: &ServiceName, verb: Verb) -> Result<String, ControlError> {
        self.acts.lock().unwrap().push((service.to_string(), verb));
        let held = self.hold.lock().unwrap().take();
        if let Some(held) = held {
            held.recv().unwrap_err();
        }
        match self.refusal.lock().unwrap().clone() {
            Some(refusal) => Err(refusal),
            None => Ok(format!("{} {service}", verb.label())),
        }
    }
}

impl Secrets for FakeWorld {
    fn has(&self, _: &EnvKey) -> Result<bool, SecretsError> {
        Ok(!self.secret.lock().unwrap().is_empty())
    }

    fn save_once(&self, _: &EnvKey, value: &SecretValue) -> Result<SetOnce, SecretsError> {
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
        let cookie = format!("pipulate_{PORT}={}", state.door().new_session().unwrap());
        Self { app: crate::app(state.clone()), world, state, cookie }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let looks = request.method() == Method::HEAD;
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        if let Some(length) = head.headers.get("content-length").filter(|_| !looks) {
            assert_eq!(length.to_str().unwrap(), body.len().to_string(), "the length is the body's");
        }
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// A signed-in browser looks at a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.signed_in(ask(Method::GET, path)).body(Body::empty()).unwrap()).await
    }

    /// A signed-in browser sends a form of our own page.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(self.form(path).body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The head of what [`Home::post`] sends.
    pub(crate) fn form(&self, path: &str) -> Builder {
        let builder = self.signed_in(ask(Method::POST, path)).header("content-type", FORM);
        builder.header("sec-fetch-site", "same-origin").header("origin", ORIGIN)
    }

    pub(crate) fn signed_in(&self, builder: Builder) -> Builder {
        builder.header("cookie", &self.cookie)
    }

    pub(crate) fn acts(&self) -> usize {
        self.world.acts.lock().unwrap().len()
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn state_over(world: &Arc<FakeWorld>, secrets: Arc<dyn Secrets>) -> AppState {
    let (status, control) = (world.clone(), world.clone());
    let name = ServiceName::parse("server").unwrap();
    AppState::new(name, PORT, token(), World { status, control, secrets })
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

pub(crate) fn service(name: &str, state: ServiceState) -> ServiceStatus {
    let lives = match state {
        ServiceState::Stopped
        | ServiceState::Exited
        | ServiceState::Crashed
        | ServiceState::Backoff
        | ServiceState::Unknown => false,
        ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Stopping
        | ServiceState::Unsupervised => true,
    };
    ServiceStatus {
        name: ServiceName::parse(name).unwrap(),
        state,
        wanted: Wanted::Run,
        live: lives.then(living),
        supervisor_pid: Pid::new(41),
        restarts: 0,
        last_exit: None,
        port: Some(8888),
        url: lives.then(|| "http://127.0.0.1:8888/lab".to_owned()),
        log: path("/home/ann/demo/.pipulate/log/x.log"),
        reason: None,
    }
}

pub(crate) fn last_exit(code: Option<i32>, signal: Option<i32>) -> LastExit {
    LastExit { code, signal, at: "2026-11-22T10:00:00Z".parse().unwrap() }
}

fn living() -> LiveService {
    LiveService {
        pid: Pid::new(42).unwrap(),
        pgid: Pid::new(42).unwrap(),
        started_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        uptime_seconds: 3_725.4,
        cpu_percent: 0.4,
        memory_bytes: 89_128_960,
        processes: Vec::new(),
        kernels: Vec::new(),
    }
}

pub(crate) fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}
