//! Chats with the local LLM, on disk: one private file for each, written whole.
//!
//! Invariants: a file stays below the size limit for reading, and a folder below 500 files: the oldest turns
//! and the oldest chats are dropped first. `wire` has the format on disk.

use std::fs;
use std::path::PathBuf;

use pipulate_core::chat::{Chat, ChatId};
use pipulate_core::fault::FileRefusal;
use pipulate_core::project::AbsPath;

use crate::error::StoreError;
use crate::{files, folders};

mod wire;

/// The size limit of a chat's file, in bytes.
const LIMIT: usize = 900 << 10;
/// The file name suffix of a deleted chat that can be restored.
const ASIDE: &str = "deleted";
/// The number of chats that are kept.
const MOST: usize = 500;

/// The folder of a project's chats.
#[derive(Debug, Clone)]
pub struct Chats {
    folder: AbsPath,
}

impl Chats {
    /// The chats in this folder, which need not exist yet.
    pub fn new(folder: AbsPath) -> Self {
        Self { folder }
    }

    /// Returns the names of all chats, newest first.
    ///
    /// # Errors
    /// The folder is a link, or can't be listed.
    pub fn ids(&self) -> Result<Vec<ChatId>, StoreError> {
        self.refuse_link()?;
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("list the folder", &self.folder)(error)),
        };
        let id = |entry: fs::DirEntry| ChatId::parse(entry.file_name().to_str()?.strip_suffix(".json")?);
        let mut ids: Vec<ChatId> = entries.flatten().filter_map(id).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        Ok(ids)
    }

    /// Reads a chat; one that was never written is empty.
    ///
    /// # Errors
    /// The file can't be read, is refused, or was written by a newer version.
    pub fn read(&self, id: ChatId) -> Result<Chat, StoreError> {
        self.read_with(id, wire::decode)
    }

    /// Returns [`Chat::title`] without reading the rest, which may be long.
    ///
    /// # Errors
    /// As [`Chats::read`].
    pub fn title(&self, id: ChatId) -> Result<String, StoreError> {
        self.read_with(id, wire::decode_title)
    }

    fn read_with<T: Default>(
        &self,
        id: ChatId,
        decode: impl FnOnce(&[u8]) -> Result<T, FileRefusal>,
    ) -> Result<T, StoreError> {
        self.refuse_link()?;
        let path = self.path(id);
        match files::read_private(&path)? {
            None => Ok(T::default()),
            Some(bytes) => decode(&bytes).map_err(|why| StoreError::refused(&path, why)),
        }
    }

    /// Replaces a chat. Turns and chats beyond the limits are removed, the oldest first.
    ///
    /// # Errors
    /// The folder is not writable, or the disk is full.
    pub fn write(&self, id: ChatId, chat: &Chat) -> Result<(), StoreError> {
        folders::make_private(&self.folder)?;
        let mut chat = chat.clone();
        let mut bytes = wire::encode(&chat);
        while bytes.len() > LIMIT && chat.forget_oldest() {
            bytes = wire::encode(&chat);
        }
        files::write_private(&self.path(id), &bytes)?;
        for old in self.ids()?.into_iter().skip(MOST).filter(|&old| old != id) {
            self.remove(old)?;
        }
        Ok(())
    }

    /// Removes a chat; a missing one is no error.
    ///
    /// # Errors
    /// The folder is a link, or not writable.
    pub fn remove(&self, id: ChatId) -> Result<(), StoreError> {
        self.refuse_link()?;
        files::remove(&self.path(id))
    }

    /// Deletes a chat so that it can be restored, until another one is deleted.
    ///
    /// # Errors
    /// The folder is a link, or not writable.
    pub fn set_aside(&self, id: ChatId) -> Result<(), StoreError> {
        self.forget_set_aside()?;
        match fs::rename(self.path(id), self.path_aside(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("rename", &self.path(id))(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Restores a deleted chat. Returns false if it is gone for good, or if a chat of that name exists.
    ///
    /// # Errors
    /// The folder is a link, or not writable.
    pub fn bring_back(&self, id: ChatId) -> Result<bool, StoreError> {
        if !self.is_set_aside(id)? || self.path(id).exists() {
            return Ok(false);
        }
        fs::rename(self.path_aside(id), self.path(id))
            .map_err(StoreError::io("rename", &self.path_aside(id)))?;
        Ok(true)
    }

    /// Returns true if a chat can be restored.
    ///
    /// # Errors
    /// The folder is a link.
    pub fn is_set_aside(&self, id: ChatId) -> Result<bool, StoreError> {
        self.refuse_link()?;
        Ok(self.path_aside(id).is_file())
    }

    /// Removes the deleted chat for good.
    ///
    /// # Errors
    /// The folder is a link, or not writable.
    pub fn forget_set_aside(&self) -> Result<(), StoreError> {
        self.refuse_link()?;
        let is_aside = |path: &PathBuf| path.extension().is_some_and(|end| end == ASIDE);
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_aside(&path) {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    fn path_aside(&self, id: ChatId) -> PathBuf {
        self.folder.join(format!("{id}.{ASIDE}"))
    }

    /// Refuses a folder that is a link: its target is not ours.
    fn refuse_link(&self) -> Result<(), StoreError> {
        let is_link = fs::symlink_metadata(&self.folder).is_ok_and(|meta| meta.is_symlink());
        if is_link {
            return Err(StoreError::refused(self.folder.as_ref(), FileRefusal::Link));
        }
        Ok(())
    }

    fn path(&self, id: ChatId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use pipulate_core::chat::{Effort, LeftOut, Outcome, Turn};

    use super::*;

    fn chats(directory: &tempfile::TempDir) -> Chats {
        Chats::new(AbsPath::new(directory.path().join("chats")).unwrap())
    }

    fn id(number: u64) -> ChatId {
        ChatId::parse(&number.to_string()).unwrap()
    }

    fn turn(question: &str, outcome: Outcome) -> Turn {
        Turn { answer: "A".to_owned(), outcome, ..Turn::new(question.to_owned()) }
    }

    #[test]
    fn a_chat_is_read_as_it_was_written_and_by_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (chats, id) = (chats(&directory), id(17));
        assert_eq!((chats.ids().unwrap(), chats.read(id).unwrap()), (vec![], Chat::default()));
        let effort = Effort { tokens: 7, seconds: 0.5, filled: Some(9) };
        let outcomes = [
            Outcome::Open,
            Outcome::Whole(effort),
            Outcome::CutOff(effort),
            Outcome::Stopped,
            Outcome::Broken("x".to_owned()),
        ];
        let mut turns = outcomes.map(|outcome| turn("Why?\nIndeed", outcome)).to_vec();
        turns[1].left_out = LeftOut { turns: 2, bytes: 3 };
        let mut chat = Chat { name: None, instructions: Some("Be brief.".to_owned()), turns };
        for title in ["Why?", "Mine"] {
            chats.write(id, &chat).unwrap();
            assert_eq!((chats.read(id).unwrap(), chat.title()), (chat.clone(), title));
            assert_eq!(chats.title(id).unwrap(), title);
            chat.name = Some("Mine".to_owned());
        }
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(directory.path().join("chats")), mode(chats.path(id))), (0o700, 0o600));
        chats.remove(id).unwrap();
        chats.remove(id).unwrap();
        assert_eq!(chats.ids().unwrap(), []);
    }

    #[test]
    fn what_is_too_old_or_too_much_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let chats = chats(&directory);
        let large = Chat {
            turns: (0..9).map(|_| turn(&"x".repeat(200 << 10), Outcome::Stopped)).collect(),
            ..Chat::default()
        };
        chats.write(id(0), &large).unwrap();
        assert_eq!(chats.read(id(0)).unwrap().turns.len(), 4);
        for number in 1..=MOST as u64 {
            chats.write(id(number), &Chat::default()).unwrap();
        }
        let ids = chats.ids().unwrap();
        assert_eq!((ids.len(), ids[0], ids.last()), (MOST, id(MOST as u64), Some(&id(1))));
    }

    #[test]
    fn a_folder_that_is_a_link_is_refused_by_every_verb() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("1.json"), "mine").unwrap();
        let chats = chats(&directory);
        std::os::unix::fs::symlink(&elsewhere, &chats.folder).unwrap();
        assert!(chats.ids().is_err() && chats.read(id(1)).is_err() && chats.title(id(1)).is_err());
        assert!(chats.remove(id(1)).is_err() && chats.write(id(2), &Chat::default()).is_err());
        assert_eq!(fs::read_to_string(elsewhere.join("1.json")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    }

    #[test]
    fn a_chat_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (chats, victim) = (chats(&directory), directory.path().join("victim"));
        fs::write(&victim, "mine").unwrap();
        chats.write(id(1), &Chat::default()).unwrap();
        std::os::unix::fs::symlink(&victim, chats.path(id(2))).unwrap();
        chats.write(id(2), &Chat::default()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert!(chats.read(id(2)).is_ok());
    }

    #[test]
    fn a_link_and_a_newer_format_are_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let chats = chats(&directory);
        chats.write(id(1), &Chat::default()).unwrap();
        std::os::unix::fs::symlink(chats.path(id(1)), chats.path(id(2))).unwrap();
        assert!(chats.read(id(2)).is_err());
        fs::write(chats.path(id(3)), r#"{"version":3}"#).unwrap();
        let error = chats.read(id(3)).unwrap_err().to_string();
        assert!(error.contains("newer Pipulate"), "{error}");
        assert_eq!(fs::read_to_string(chats.path(id(3))).unwrap(), r#"{"version":3}"#);
    }
}
