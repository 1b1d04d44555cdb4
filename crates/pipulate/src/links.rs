//! The addresses of services' pages: plain ones, and ones that sign a user in.

use std::net::SocketAddr;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_engine::{jupyter, plan, query};
use pipulate_process::table;
use pipulate_store::record::Record;
use pipulate_store::{files, record};
use pipulate_web::sign;

use crate::context::Context;
use crate::error::Failure;

/// The address of a service's page.
pub(crate) struct Link {
    pub(crate) plain: String,
    /// The address with sign-in, valid for any holder; `None` if no sign-in is needed.
    pub(crate) signed: Option<String>,
}

impl Link {
    /// The address for the user at this terminal.
    pub(crate) fn for_people(&self) -> &str {
        self.signed.as_deref().unwrap_or(&self.plain)
    }
}

/// The link of a running service; `None` if it has no page, or no listener was found.
///
/// # Errors
/// Its token exists and can't be used.
pub(crate) fn link(context: &Context, service: &ServiceName) -> Result<Option<Link>, Failure> {
    let Some(record) = record::read(&context.project.layout, service)? else { return Ok(None) };
    if service.as_str() == ServiceName::JUPYTER
        && let Some(server) = jupyter::server_of(&context.project.layout, &record)
    {
        return Ok(Some(Link { plain: server.url(), signed: server.signed_url() }));
    }
    let Some((address, page)) = query::address(&context.project.layout, &record).zip(record.page.as_ref())
    else {
        return Ok(None);
    };
    let plain = query::url(&record, address, page);
    let signed = if is_app(&record) { app_url(context, address)? } else { None };
    Ok(Some(Link { plain, signed }))
}

/// Returns true if a service currently shows the embedded app, regardless of a changed configuration.
pub(crate) fn shows_the_app(layout: &Layout, service: &ServiceName) -> bool {
    record::read(layout, service).ok().flatten().is_some_and(|record| is_app(&record))
}

fn is_app(record: &Record) -> bool {
    record.main.as_ref().is_some_and(|main| plan::is_app(&table::arguments(main.identity.pid)))
}

fn app_url(context: &Context, address: SocketAddr) -> Result<Option<String>, Failure> {
    let Some(bytes) = files::read_private(&context.project.layout.token())? else { return Ok(None) };
    let token = sign::Token::parse(&bytes)?;
    let code = sign::code(&token, address.port(), Timestamp::now())?;
    Ok(Some(format!("http://{address}/login?code={code}")))
}
