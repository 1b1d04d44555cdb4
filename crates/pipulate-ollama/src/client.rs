//! Requests to one Ollama server.
//!
//! Connections to this machine never go through a proxy, and no redirect is followed: a prompt goes to
//! [`Host`] or nowhere.

use std::time::Duration;

use pipulate_core::chat::LeftOut;
use pipulate_core::text::is_harmless;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::error::{Error, ErrorBody, excerpt};
use crate::host::{Host, Scheme};
use crate::lines::MAX_LINE;
use crate::model::{Description, Loaded, Model, or_default};
use crate::proxy;
use crate::request::ChatRequest;

/// How much of an error's text is read, in bytes.
const MAX_ERROR: usize = 64 << 10;

/// Timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection is established.
    pub connect: Duration,
    /// Until the whole answer to a query about models.
    pub question: Duration,
    /// Until the first piece of an answer: a model that is not in memory is loaded first, without output.
    pub first_word: Duration,
    /// Between two pieces of an answer.
    pub next_word: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            question: Duration::from_secs(10),
            // Ollama itself gives up a load that stalls for five minutes.
            first_word: Duration::from_secs(330),
            next_word: Duration::from_secs(120),
        }
    }
}

/// A client of one server, with kept-alive connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    host: Host,
    limits: Limits,
    /// The variable that names the proxy, if there is one.
    proxy: Option<&'static str>,
}

/// The JSON body of a request. An old server ignores unknown fields.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    request: &'a ChatRequest,
    /// True to let the server drop the beginning of a prompt that is too long.
    truncate: bool,
    /// True to let it do that while the answer grows; otherwise the answer is cut off, which is reported.
    shift: bool,
}

impl Client {
    /// Returns a client with the default timeouts.
    ///
    /// # Errors
    /// The system's certificates, which https needs, can't be read.
    pub fn new(host: &Host) -> Result<Self, Error> {
        Self::with_limits(host, Limits::default())
    }

    /// Returns a client with other timeouts.
    ///
    /// # Errors
    /// The system's certificates, which https needs, can't be read.
    pub fn with_limits(host: &Host, limits: Limits) -> Result<Self, Error> {
        // Once per process; a second installation fails and does no harm.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::none());
        builder = match host.scheme() {
            // The system has many certificates: don't read them for plain http.
            Scheme::Http => builder.tls_certs_only([]),
            Scheme::Https => builder,
        };
        if host.is_loopback() {
            builder = builder.no_proxy();
        }
        if let Some((name, addresses)) = host.addresses_by_rule() {
            builder = builder.resolve_to_addrs(name, &addresses);
        }
        let activity = "get ready";
        let http = builder.build().map_err(|e| Error::from_request(host, activity, limits.connect, &e))?;
        Ok(Self { http, host: host.clone(), limits, proxy: proxy::in_between(host) })
    }

    /// Handles an unsuccessful status: if the body is not in Ollama's format, it is the proxy's, if there is
    /// one.
    fn refused(&self, model: &str, status: u16, body: &[u8]) -> Error {
        match self.proxy {
            Some(variable) if ErrorBody::read(body).is_none() => Error::Proxy {
                host: self.host.to_string(),
                variable,
                status,
                name: self.host.name().to_owned(),
            },
            Some(_) | None => Error::from_answer(&self.host, model, status, body),
        }
    }

    /// Handles a request without an answer.
    fn failed(&self, activity: &'static str, error: &reqwest::Error) -> Error {
        match (Error::from_request(&self.host, activity, self.limits.connect, error), self.proxy) {
            (Error::Unreachable { host, reason }, Some(variable)) => Error::Unreachable {
                host,
                reason: format!("{reason}, through the proxy that {variable} names"),
            },
            (error, _) => error,
        }
    }

    /// Returns the server's address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the server's version, which also proves that it is an Ollama.
    ///
    /// # Errors
    /// It can't be reached, or is something else.
    pub async fn version(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Reply {
            version: String,
        }
        let reply: Reply = self.get("/api/version", "tell its version").await?;
        Ok(excerpt(reply.version.as_bytes()))
    }

    /// Returns the installed models, newest first.
    ///
    /// # Errors
    /// It can't be reached, or gives no such list.
    pub async fn models(&self) -> Result<Vec<Model>, Error> {
        #[derive(Deserialize)]
        struct Reply {
            #[serde(default, deserialize_with = "or_default")]
            models: Vec<Model>,
        }
        let reply: Reply = self.get("/api/tags", "list its models").await?;
        // Names are shown, and typed after `ollama pull`: Ollama itself has none with control characters.
        let is_a_name = |model: &Model| model.name.chars().all(is_harmless);
        Ok(reply.models.into_iter().filter(is_a_name).collect())
    }

    /// Returns the models that are in memory.
    ///
    /// # Errors
    /// It can't be reached, or gives no such list.
    pub async fn loaded(&self) -> Result<Vec<Loaded>, Error> {
        #[derive(Deserialize)]
        struct Reply {
            #[serde(default, deserialize_with = "or_default")]
            models: Vec<Loaded>,
        }
        let reply: Reply = self.get("/api/ps", "list the models in memory").await?;
        Ok(reply.models)
    }

    /// Returns the capabilities of a model.
    ///
    /// # Errors
    /// The server can't be reached, or has no such model.
    pub async fn show(&self, model: &str) -> Result<Description, Error> {
        #[derive(Serialize)]
        struct Question<'a> {
            model: &'a str,
        }
        let request = self.http.post(self.host.url("/api/show")).json(&Question { model });
        self.ask(request, model, "describe a model").await
    }

    /// Returns true if a model has a reasoning phase. If the server lists its models without capabilities, it
    /// is asked about this one; without an answer, false.
    pub async fn thinks(&self, model: &Model) -> bool {
        match &model.capabilities {
            Some(_) => model.can_think(),
            None => self.show(&model.name).await.is_ok_and(|description| description.can_think()),
        }
    }

    /// Returns the context length of a model in memory, in tokens, as far as the server reports it.
    pub async fn context_of(&self, model: &Model) -> Option<u64> {
        let loaded = self.loaded().await.ok()?;
        loaded.iter().find(|loaded| model.is_named(&loaded.name))?.context_length
    }

    /// Continues a conversation, and returns when the answer begins. Parts of a request that is too long for
    /// the model are left out, which [`crate::answer::Piece::LeftOut`] reports first. Dropping the answer
    /// stops its generation.
    ///
    /// # Errors
    /// The server can't be reached, refuses, or sends nothing in time.
    pub async fn chat(&self, request: &ChatRequest) -> Result<Answer, Error> {
        let mut request = request.clone();
        let mut left_out = LeftOut::default();
        loop {
            match self.begin(&request).await {
                Err(Error::TooLong { model, reason }) => match request.shorten(&reason) {
                    Some(more) => left_out += more,
                    None => return Err(Error::TooLong { model, reason }),
                },
                begun => return Ok(begun?.without(left_out)),
            }
        }
    }

    /// Sends the request once.
    async fn begin(&self, request: &ChatRequest) -> Result<Answer, Error> {
        let activity = "answer";
        let limit = self.limits.first_word;
        let body = Body { request, truncate: false, shift: false };
        let sending = self.http.post(self.host.url("/api/chat")).json(&body).send();
        let slow = |_| Error::Slow { host: self.host.to_string(), activity, limit };
        let response = tokio::time::timeout(limit, sending)
            .await
            .map_err(slow)?
            .map_err(|error| self.failed(activity, &error))?;
        let status = response.status();
        if !status.is_success() {
            let reading = tokio::time::timeout(self.limits.question, read_up_to(response, MAX_ERROR));
            let body = reading.await.ok().and_then(Result::ok).unwrap_or_default();
            return Err(self.refused(&request.model, status.as_u16(), &body));
        }
        Answer::new(response, &self.host, limit, self.limits.next_word).begun(&request.model).await
    }

    async fn get<T: DeserializeOwned>(&self, endpoint: &str, activity: &'static str) -> Result<T, Error> {
        self.ask(self.http.get(self.host.url(endpoint)), "", activity).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        model: &str,
        activity: &'static str,
    ) -> Result<T, Error> {
        let limit = self.limits.question;
        let exchange = async {
            let failed = |error| self.failed(activity, &error);
            let response = request.send().await.map_err(failed)?;
            let status = response.status();
            if !status.is_success() {
                let body = read_up_to(response, MAX_ERROR).await.unwrap_or_default();
                return Err(self.refused(model, status.as_u16(), &body));
            }
            read_up_to(response, MAX_LINE).await.map_err(failed)
        };
        let slow = |_| Error::Slow { host: self.host.to_string(), activity, limit };
        let body = tokio::time::timeout(limit, exchange).await.map_err(slow)??;
        self.decode(&body)
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        let foreign = |_| Error::NotOllama { host: self.host.to_string(), excerpt: excerpt(body) };
        let value: serde_json::Value = serde_json::from_slice(body).map_err(foreign)?;
        if let Some(said) = ErrorBody::of(&value) {
            return Err(Error::Refused { status: 200, message: said.message });
        }
        serde_json::from_value(value).map_err(foreign)
    }
}

/// Reads the body, cut off at `limit` bytes: no JSON of Ollama is longer.
async fn read_up_to(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        if body.len() == limit {
            break;
        }
    }
    Ok(body)
}
