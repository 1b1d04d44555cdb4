//! The notebooks of the project's folder, for its page.

use std::io;

use jiff::Timestamp;
use pipulate_store::notebooks::{self, Listing, New, NotRead};
use pipulate_web::world::Notebooks;

use super::home::Home;

impl Notebooks for Home {
    fn list(&self) -> Listing {
        notebooks::list(self.context.project.layout.root())
    }

    fn has(&self, path: &str) -> bool {
        notebooks::has(self.context.project.layout.root(), path)
    }

    fn read(&self, path: &str) -> Result<(Vec<u8>, Timestamp), NotRead> {
        notebooks::read(self.context.project.layout.root(), path)
    }

    fn create(&self, new: New) -> io::Result<String> {
        notebooks::create(self.context.project.layout.root(), new)
    }
}
