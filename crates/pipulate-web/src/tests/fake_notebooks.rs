//! Notebooks that a world is given.

use jiff::Timestamp;
use pipulate_store::notebooks::{Found, Listing, NotRead};

use super::fake::FakeWorld;
use crate::world::Notebooks;

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

    fn create(&self) -> std::io::Result<String> {
        let path = "Untitled.ipynb".to_owned();
        self.notebooks.lock().unwrap().push((path.clone(), String::new(), Timestamp::UNIX_EPOCH));
        Ok(path)
    }
}
