//! Chat adapter of the page: Ollama's address, the folder of the chats, and a service's details.

use pipulate_core::service::ServiceName;
use pipulate_environment::ollama::Place;
use pipulate_ollama::why::Incident;
use pipulate_store::chat::Chats;
use pipulate_web::world::{Chat, Logs as _, NoOllama, Ollama, Probes, StatusSource as _};

use super::home::Home;
use crate::commands::why;
use crate::error::Failure;
use crate::llm_session;

impl Chat for Home {
    fn ollama(&self) -> Result<Ollama, NoOllama> {
        let context = self.context.reread();
        let told = |failure: Failure| NoOllama::Unusable(failure.in_one_line());
        let host = match llm_session::place(&context).map_err(told)? {
            Place::Open(host) => host,
            Place::Unasked(host) => return Err(NoOllama::Unasked(host)),
        };
        let model = context.config().map_err(told)?.ollama.model.clone();
        let absence = llm_session::absence(&host, &context.project.around);
        let start = absence.command().map(|command| command.join(" "));
        Ok(Ollama { host, model, start, advice: absence.advice() })
    }

    fn allow(&self, host: &str) -> Result<(), String> {
        let context = self.context.reread();
        let told = |failure: Failure| failure.in_one_line();
        match llm_session::place(&context).map_err(told)? {
            Place::Open(_) => Ok(()),
            Place::Unasked(asked) if asked.to_string() == host => {
                llm_session::allow(&context, &asked).map_err(told)
            }
            Place::Unasked(_) => Err("pipulate.toml now names another Ollama; reload this page".to_owned()),
        }
    }

    fn chats(&self) -> Chats {
        Chats::new(self.context.project.layout.chats())
    }

    fn incident(&self, service: &ServiceName) -> Result<Incident, String> {
        let status = self.status(Probes::Skip);
        let service =
            status.service(service.as_str()).ok_or_else(|| format!("there is no service {service}"))?;
        why::incident(&self.context, service, &self.masker()).map_err(|error| error.to_string())
    }
}
