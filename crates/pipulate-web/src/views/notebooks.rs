//! The folder's notebooks as cards.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::text::printable;
use pipulate_core::units::{counted, size};
use sha2::{Digest, Sha256};

use crate::notebook::Run;
use crate::notebook_index::Known;
use crate::observer::Snapshot;

/// The initial number of cards on a page.
const AT_FIRST: usize = 48;

/// The characters of a notebook's path that stay unescaped in an address.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The notebooks that a page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The text to search for in titles and paths, as typed; empty for all.
    pub(crate) text: String,
    /// More than the initial number.
    pub(crate) all: bool,
}

/// The section's view model.
pub(super) struct Notebooks {
    cards: Vec<Card>,
    choice: Choice,
    /// The number of notebooks in the folder.
    total: usize,
    /// The folder has more, which were not searched for.
    is_cut: bool,
}

/// A notebook's card.
pub(super) struct Card {
    path: String,
    title: String,
    changed: String,
    run: Run,
    /// The address of its last image.
    image: Option<String>,
    kernel: Option<Kernel>,
}

/// Its running kernel.
struct Kernel {
    is_busy: bool,
    memory: Option<u64>,
}

impl Notebooks {
    pub(super) fn new(snapshot: &Snapshot, choice: Choice, zone: &TimeZone) -> Self {
        let sought = choice.text.to_lowercase();
        let today = snapshot.at.to_zoned(zone.clone()).date();
        let cards = snapshot.notebooks.known.iter().map(|known| Card::new(known, snapshot, zone, today));
        let chosen = cards.filter(|card| sought.is_empty() || card.has(&sought));
        Self {
            cards: chosen.collect(),
            total: snapshot.notebooks.known.len(),
            is_cut: snapshot.notebooks.is_cut,
            choice,
        }
    }

    pub(super) fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// The section with its heading and the search.
    pub(super) fn section(&self) -> Markup {
        let Choice { text, .. } = &self.choice;
        html! {
            section aria-labelledby="notebooks-title" {
                div class="headline" {
                    h2 id="notebooks-title" { "Notebooks " @if self.total > 0 { small { (self.total) } } }
                    div class="verbs" {
                        @if self.total > 0 {
                            search {
                                form action="/" {
                                    input type="search" name="q" value=(text) maxlength="200" placeholder="Search" aria-label="Search notebooks";
                                    button class="calm" { "Search" }
                                }
                            }
                        }
                        form method="post" action="/notebooks/new" target="_blank" {
                            button class="calm" aria-label="New notebook in JupyterLab" { "New notebook" }
                        }
                    }
                }
                (self.list())
                (self.rest())
            }
        }
    }

    /// The cards. A page with a search keeps its list: updates go to the others only.
    pub(super) fn list(&self) -> Markup {
        let is_chosen = self.choice != Choice::default();
        html! {
            ul id="notebooks" data-chosen[is_chosen] aria-labelledby="notebooks-title" {
                @for card in self.cards.iter().take(self.most()) { li { (card.show()) } }
                @if self.cards.is_empty() {
                    li class="none" {
                        @if self.total == 0 { "No notebooks in this folder yet" }
                        @else { "No notebook's title or path holds \"" (self.choice.text) "\"" }
                    }
                }
            }
        }
    }

    /// The number of shown cards.
    fn most(&self) -> usize {
        if self.choice == Choice::default() { AT_FIRST } else { usize::MAX }
    }

    fn rest(&self) -> Markup {
        let is_chosen = self.choice != Choice::default();
        html! {
            @if is_chosen {
                p class="rest" { a href="/" { "Back to the newest notebooks" } }
            } @else if self.total > self.most() {
                p class="rest" { a href="/?all=1" { "All " (counted(self.total, "notebook")) } }
            }
            @if self.is_cut { p class="rest" { "There are more: this folder has too many files to look through" } }
        }
    }
}

impl Card {
    fn new(known: &Known, snapshot: &Snapshot, zone: &TimeZone, today: Date) -> Self {
        let Known { path, changed, summary, .. } = known;
        // As JupyterLab's sessions name it.
        let name = printable(path);
        let activity = snapshot.kernels.iter().find(|kernel| kernel.name == name);
        let live = || snapshot.status.services.iter().filter_map(|service| service.live.as_ref());
        let memory = |id: &str| {
            let kernel = live().flat_map(|live| &live.kernels).find(|kernel| kernel.id == id)?;
            Some(kernel.memory_bytes)
        };
        let version = changed.as_nanosecond();
        Self {
            title: summary.title.clone().unwrap_or_else(|| stem(path).to_owned()),
            changed: day_and_time(*changed, zone, today),
            run: summary.run.clone(),
            image: summary.image.map(|image| image_address(path, image, version)),
            kernel: activity.map(|kernel| Kernel { is_busy: kernel.is_busy, memory: memory(&kernel.id) }),
            path: path.clone(),
        }
    }

    /// Returns true if its title or its path contains a text, which is in lower case.
    fn has(&self, sought: &str) -> bool {
        self.title.to_lowercase().contains(sought) || self.path.to_lowercase().contains(sought)
    }

    /// The id of its element.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest(&self.path);
        format!("notebook-{}", hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn show(&self) -> Markup {
        let (id, address) = (self.id(), preview_address(&self.path));
        html! {
            article id=(id) class="notebook" aria-labelledby={ "title-" (id) } {
                a class="thumb" href=(address) tabindex="-1" aria-hidden="true" {
                    @match &self.image {
                        Some(image) => img src=(image) alt="" loading="lazy" decoding="async" width="320" height="200";,
                        None => span { "In [ ]:" },
                    }
                }
                h3 id={ "title-" (id) } { a href=(address) { (self.title) } }
                p class="file" { span { (printable(&self.path)) } " " time { (self.changed) } }
                p class="ran" { (ran(&self.run)) " " (self.kernel()) }
                div class="verbs" {
                    (open(&self.path))
                    a href=(address) aria-label={ "Preview of " (self.path) } { "Preview" }
                    (make_app(&self.path))
                }
            }
        }
    }

    fn kernel(&self) -> Markup {
        let Some(Kernel { is_busy, memory }) = &self.kernel else { return html! {} };
        let word = if *is_busy { "busy" } else { "idle" };
        html! {
            span class="kernel" data-kernel=(word) {
                span aria-hidden="true" { (if *is_busy { "◉" } else { "○" }) }
                " kernel " (word)
                @if let Some(memory) = memory { ", " (size(*memory)) }
            }
        }
    }
}

/// Opens it in JupyterLab, signed in.
pub(super) fn open(path: &str) -> Markup {
    html! {
        form method="post" action="/notebooks/open" target="_blank" {
            input type="hidden" name="path" value=(path);
            button aria-label={ "Open " (path) " in JupyterLab" } { "Open" }
        }
    }
}

/// Links to the page that makes it an app.
pub(super) fn make_app(path: &str) -> Markup {
    html! { a href=(app_address(path)) aria-label={ "Make it an app: " (printable(path)) } { "Make it an app" } }
}

/// The result of its last run, as a word and an icon.
fn ran(run: &Run) -> Markup {
    let (state, icon, words) = match run {
        Run::Never => ("empty", "–", "not run".into()),
        Run::Well => ("ready", "✓", "ran well".into()),
        Run::Failed(error) => ("crashed", "✕", std::borrow::Cow::Borrowed(error.as_str())),
        Run::Unread => ("empty", "…", "not read yet".into()),
        Run::TooLarge => ("empty", "–", "too large to preview".into()),
        Run::Broken(_) => ("crashed", "✕", "can't be read".into()),
    };
    html! { span class="state" data-state=(state) { span aria-hidden="true" { (icon) } " " (words) } }
}

/// The address of its preview.
pub(super) fn preview_address(path: &str) -> String {
    format!("/notebooks/{}", utf8_percent_encode(path, IN_PATH))
}

/// The address of the page that makes it an app.
pub(crate) fn app_address(path: &str) -> String {
    format!("/apps/{}", utf8_percent_encode(path, IN_PATH))
}

/// The address of one of its images. With its version in it, it can be cached forever.
pub(super) fn image_address(path: &str, (cell, output): (usize, usize), version: i128) -> String {
    format!("/outputs/{cell}/{output}/{}?v={version}", utf8_percent_encode(path, IN_PATH))
}

/// The address of an image that was attached to a cell.
pub(super) fn attachment_address(path: &str, cell: usize, name: &str, version: i128) -> String {
    let path = utf8_percent_encode(path, IN_PATH);
    format!("/attachments/{cell}/{}/{path}?v={version}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// The address of a notebook in the JupyterLab with this address: `…/lab` with or without a query.
pub(crate) fn at_notebook(lab: &str, path: &str) -> String {
    let (page, query) = lab.split_once('?').map_or((lab, ""), |(page, query)| (page, query));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{page}/tree/{}{mark}{query}", utf8_percent_encode(path, IN_PATH))
}

/// The file's name without its ending.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".ipynb").unwrap_or(name)
}

/// `today 14:02`, `yesterday 14:02`, `28 Nov 14:02`, `28 Nov 2025`: words that stay true
/// while a page is open.
fn day_and_time(at: Timestamp, zone: &TimeZone, today: Date) -> String {
    let at = at.to_zoned(zone.clone());
    let days = at.date().until((Unit::Day, today)).map_or(i32::MAX, |span| span.get_days());
    let format = match days {
        0 => "today %H:%M",
        1 => "yesterday %H:%M",
        _ if at.year() == today.year() => "%-d %b %H:%M",
        _ => "%-d %b %Y",
    };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_by_its_day() {
        let today: Date = "2026-11-30".parse().unwrap();
        for (at, expected) in [
            ("2026-11-30T00:05:00Z", "today 00:05"),
            ("2026-11-29T23:55:00Z", "yesterday 23:55"),
            ("2026-11-28T10:00:00Z", "28 Nov 10:00"),
            ("2025-12-31T10:00:00Z", "31 Dec 2025"),
            ("2026-12-01T10:00:00Z", "1 Dec 10:00"),
        ] {
            assert_eq!(day_and_time(at.parse().unwrap(), &TimeZone::UTC, today), expected);
        }
    }

    #[test]
    fn an_address_holds_any_name() {
        assert_eq!(preview_address("a b/ü?#%.ipynb"), "/notebooks/a%20b/%C3%BC%3F%23%25.ipynb");
        assert_eq!(
            at_notebook("http://h:1/lab?token=x", "a b.ipynb"),
            "http://h:1/lab/tree/a%20b.ipynb?token=x"
        );
        assert_eq!(at_notebook("http://h:1/lab", "c.ipynb"), "http://h:1/lab/tree/c.ipynb");
        assert_eq!((stem("deep/er/b.c.ipynb"), stem("x")), ("b.c", "x"));
    }
}
