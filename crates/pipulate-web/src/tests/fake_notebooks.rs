//! A fake world's notebooks, and their apps.

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_store::notebooks::{Found, Listing, New, NotRead};

use super::fake::{FakeWorld, service};
use crate::world::{AppNote, AppPlace, AppPlan, Apps, NoApp, Notebooks};

impl Notebooks for FakeWorld {
    fn list(&self) -> Listing {
        let found = |(path, text, changed): &(String, String, Timestamp)| Found {
            path: path.clone(),
            changed: *changed,
            size: text.len() as u64,
        };
        Listing { notebooks: self.notebooks.lock().unwrap().iter().map(found).collect(), is_cut: false }
    }

    fn has(&self, path: &str) -> bool {
        self.notebooks.lock().unwrap().iter().any(|(known, ..)| known == path)
    }

    fn read(&self, path: &str) -> Result<(Vec<u8>, Timestamp), NotRead> {
        self.notebook_reads.lock().unwrap().push(path.to_owned());
        let notebooks = self.notebooks.lock().unwrap();
        let found = notebooks.iter().find(|(known, ..)| known == path).ok_or(NotRead::NotThere)?;
        Ok((found.1.clone().into_bytes(), found.2))
    }

    fn create(&self, new: New) -> std::io::Result<String> {
        let (path, text) = match new {
            New::Empty => ("Untitled.ipynb", ""),
            New::Code(code) => ("From-chat.ipynb", code),
        };
        let path = path.to_owned();
        self.notebooks.lock().unwrap().push((path.clone(), text.to_owned(), Timestamp::UNIX_EPOCH));
        Ok(path)
    }
}

impl Apps for FakeWorld {
    fn app_of(&self, path: &str) -> Option<ServiceName> {
        let apps = self.apps.lock().unwrap();
        apps.iter().find(|(made, _)| made == path).and_then(|(_, service)| ServiceName::parse(service).ok())
    }

    fn plan_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp> {
        if let Some(refusal) = self.no_app.lock().unwrap().clone() {
            return Err(refusal);
        }
        let service = match place {
            AppPlace::Usual => ServiceName::parse("server").unwrap(),
            AppPlace::BesideServer => ServiceName::parse("analysis").unwrap(),
            AppPlace::Named(service) => service.clone(),
        };
        let is_server = service.as_str() == "server";
        let note = |text: &str, is_warning| AppNote { text: format!("{text} in {path}"), is_warning };
        Ok(AppPlan {
            files: vec![format!("{service}.py")],
            adds_service: !is_server,
            notes: vec![note("The form is cell 2", false), note("Widgets don't move", true)],
            replaces_page: is_server,
            service,
        })
    }

    fn make_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp> {
        let plan = self.plan_app(path, place)?;
        self.apps.lock().unwrap().push((path.to_owned(), plan.service.to_string()));
        let mut made = service(plan.service.as_str(), ServiceState::Stopped);
        (made.live, made.supervisor_pid) = (None, None);
        let mut services = self.services.lock().unwrap();
        if !services.iter().any(|known| known.name == made.name) {
            services.push(made);
        }
        Ok(plan)
    }
}
