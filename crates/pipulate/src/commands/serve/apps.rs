//! Apps that are created from the page.

use std::path::Path;

use pipulate_apps::plan::Plan;
use pipulate_core::service::ServiceName;
use pipulate_core::text::shell_word;
use pipulate_environment::app::{self, Request};
use pipulate_web::world::{AppNote, AppPlace, AppPlan, Apps, NoApp};

use super::home::Home;
use super::told::of_failure;
use crate::commands::app::explained;

impl Apps for Home {
    fn app_of(&self, path: &str) -> Option<ServiceName> {
        let context = self.context.reread();
        let app = app::app_of(&context.project.layout, context.config().ok()?, path)?;
        Some(app.0)
    }

    fn plan_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp> {
        self.planned(path, place).map(|plan| self.shown(&plan))
    }

    fn make_app(&self, path: &str, place: &AppPlace) -> Result<AppPlan, NoApp> {
        let plan = self.planned(path, place)?;
        app::write(&self.context.project.layout, &plan)
            .map_err(|error| NoApp(of_failure(&explained(error, &command(path)))))?;
        Ok(self.shown(&plan))
    }
}

impl Home {
    fn planned(&self, path: &str, place: &AppPlace) -> Result<Plan, NoApp> {
        let context = self.context.reread();
        let request = Request {
            layout: &context.project.layout,
            config: context.config().map_err(|failure| NoApp(of_failure(&failure)))?,
            around: &context.project.around,
            notebook: &AsRef::<Path>::as_ref(context.project.layout.root()).join(path),
            output: None,
            name: match place {
                AppPlace::Named(service) => Some(service),
                AppPlace::Usual | AppPlace::BesideServer => None,
            },
            beside_server: *place == AppPlace::BesideServer,
            completes: false,
        };
        app::plan(&request).map_err(|error| NoApp(of_failure(&explained(error, &command(path)))))
    }

    fn shown(&self, plan: &Plan) -> AppPlan {
        AppPlan {
            service: plan.service.clone(),
            files: plan.files.iter().map(|file| file.path.clone()).collect(),
            adds_service: plan.config.is_some(),
            notes: plan
                .notes
                .iter()
                .map(|note| AppNote { text: note.to_string(), is_warning: note.is_warning() })
                .collect(),
            replaces_page: self.is_served_by(&plan.service),
        }
    }
}

/// The command for the same app, without options.
fn command(path: &str) -> String {
    format!("pipulate app {} ", shell_word(path))
}
