//! A chat with the local LLM.
//!
//! The messages are in one element, `#turns`. An open page gets it whole, as a morph, when an answer begins
//! and when it ends, and additions meanwhile piece by piece: over the request that asked, or, on every other
//! page, over its one stream. The names of this chat and the others are separate, and are sent when they
//! change. An answer is plain text while it is written, and Markdown afterwards.

mod composer;
pub(super) mod turn;

use maud::{Markup, html};
use pipulate_core::chat::{About, Chat, ChatId, Turn};
use pipulate_core::text::capitalized;

use crate::addresses;
use crate::assets;
use crate::chat::about::Suggestion;
use crate::chat::{self, Generation, PageId, Phase, Progress};
use crate::markdown;
use crate::model_choices::ModelChoices;
use crate::views::layout::{self, Page};
use crate::world::Folder;

/// The longest title in the list, in characters.
const TITLE: usize = 60;

/// The page's view model.
pub(crate) struct ChatPage {
    pub(crate) id: ChatId,
    /// The chat that was just deleted and can be restored.
    pub(crate) deleted: Option<ChatId>,
    /// The possible subjects of a question.
    pub(crate) offers: Vec<About>,
    /// Suggested first questions.
    pub(crate) prompts: Vec<Suggestion>,
    pub(crate) page: PageId,
    pub(crate) chats: Vec<ChatLink>,
    pub(crate) transcript: Transcript,
    pub(crate) choices: ModelChoices,
}

/// A chat in the list of all.
pub(crate) struct ChatLink {
    pub(crate) id: ChatId,
    /// `None` if the chat can't be read. Its page says why.
    pub(crate) title: Option<String>,
}

fn shortened(title: &str) -> String {
    let mut letters = if title.is_empty() { "Nothing said yet" } else { title }.chars();
    let mut title: String = letters.by_ref().take(TITLE).collect();
    if letters.next().is_some() {
        title.push('…');
    }
    title
}

/// The messages, and the running answer.
pub(crate) struct Transcript {
    /// The saved chat, without the turn that is being written.
    kept: Chat,
    progress: Option<Progress>,
}

impl Transcript {
    pub(crate) fn running(generation: &Generation) -> Self {
        Self { kept: generation.before().clone(), progress: Some(generation.listen().borrow().clone()) }
    }

    pub(crate) fn over(chat: Chat) -> Self {
        Self { kept: chat, progress: None }
    }

    /// The running answer's progress.
    pub(crate) fn goes_on(&self) -> Option<&Progress> {
        self.progress.as_ref().filter(|progress| !matches!(progress.phase, Phase::Over(_)))
    }

    /// The model that answered last.
    pub(crate) fn last_model(&self) -> Option<&str> {
        let models = self.all().map(|turn| turn.model.as_str());
        models.filter(|model| !model.is_empty()).last()
    }

    /// All of it as Markdown, for people.
    pub(crate) fn to_markdown(&self) -> String {
        let mut chat = self.kept.clone();
        chat.turns.extend(self.progress.iter().map(|progress| progress.turn.clone()));
        chat::to_markdown(&chat, self.last_model().unwrap_or("a model"))
    }

    fn all(&self) -> impl Iterator<Item = &Turn> {
        self.kept.turns.iter().chain(self.progress.iter().map(|progress| &progress.turn))
    }
}

/// The whole page.
pub(crate) fn page(folder: &Folder, page: &ChatPage) -> Markup {
    let id = page.id;
    let whole = Rendered::of(id, &page.transcript, &page.chats);
    let title = title(&page.transcript);
    let alerts = html! {
        (no_model(page.id, &page.choices))
        (leaves_this_machine(&page.choices))
        (deleted(page.deleted))
    };
    let content = html! {
        link rel="stylesheet" href=(assets::CHAT_STYLE.address());
        div class="headline" {
            h1 id="chat-title" { (title) }
            div class="verbs" {
                a href="#chats" class="to-chats" { "Chats" }
                (settings(page))
                a href="/chat/new" role="button" class="calm" { "New chat" }
            }
        }
        div class="talk" {
            @if !alerts.0.is_empty() {
                // It can be scrolled in a small window.
                div class="alerts" role="region" tabindex="0" aria-label="Before you ask" { (alerts) }
            }
            div id="turns" role="log" aria-label="Conversation" tabindex="0" { (whole.turns) }
            (layout::listener("follow", &format!("/chat/{id}/events?page={}&shown={}", page.page, whole.mark())))
            (composer::suggestions(page))
            p id="chat-status" role="status" { (status(page.transcript.progress.as_ref())) }
            (composer::ask(page))
            form id="stop" method="post" action={ "/chat/" (id) "/stop" } hx-post={ "/chat/" (id) "/stop" } hx-swap="none" {}
            form id=(markdown::INSERT_FORM) method="post" action="/notebooks/insert" target="_blank" {}
        }
        (chats(id, &page.chats))
        script src=(assets::CHAT_SCRIPT.address()) defer {}
    };
    Page {
        folder,
        title: &title,
        here: Some(addresses::CHAT),
        reloads: page.transcript.goes_on().is_some(),
        fills: true,
        listens: true,
        content: &html! { div id="chat" { (content) } },
    }
    .show()
}

/// The notice about a chat that was just deleted.
fn deleted(id: Option<ChatId>) -> Markup {
    html! {
        @if let Some(id) = id {
            div class="alert" role="status" {
                p { "The chat was deleted. It can be brought back until another one is deleted or this app ends." }
                form method="post" action={ "/chat/" (id) "/restore" } { button class="calm" { "Undo" } }
            }
        }
    }
}

/// Names the receiver of the words before any are sent.
fn leaves_this_machine(choices: &ModelChoices) -> Markup {
    let ModelChoices::Models { elsewhere, .. } = choices else { return html! {} };
    html! {
        @if let Some(host) = elsewhere {
            p class="alert" { "What you write leaves this machine, for Ollama at " (host) }
        } @else if let Some(chosen) = choices.in_cloud() {
            p class="alert" { "What you write leaves this machine: " (chosen) " runs in Ollama's cloud" }
        }
    }
}

fn no_model(id: ChatId, choices: &ModelChoices) -> Markup {
    html! {
        @if let ModelChoices::Unasked { host } = choices {
            div class="alert" {
                p { "This folder's pipulate.toml wants to use Ollama on another machine: " (host) }
                p { "What you write and your services' logs would go there. Nothing was sent yet." }
                form method="post" action="/chat/allow" {
                    input type="hidden" name="host" value=(host);
                    input type="hidden" name="chat" value=(id);
                    button { "Allow it" }
                }
            }
        }
        @if let ModelChoices::Nothing { reason, advice, command } = choices {
            div class="alert" {
                p { (capitalized(reason)) }
                @if let Some(advice) = advice { p { (capitalized(advice)) } }
                @if let Some(command) = command { (turn::code(command)) }
            }
        }
    }
}

/// The settings of a chat.
fn settings(page: &ChatPage) -> Markup {
    let id = page.id;
    let chat = &page.transcript.kept;
    html! {
        details class="settings" {
            summary { "This chat" }
            div {
                form method="post" action={ "/chat/" (id) "/settings" } {
                    label { "Name" input name="name" maxlength="200" value=(chat.name.as_deref().unwrap_or_default())
                        placeholder="Its first question" autocomplete="off"; }
                    label { "What the model is told before everything else"
                        textarea name="instructions" rows="3" placeholder="Answer in simple words." {
                            (chat.instructions.as_deref().unwrap_or_default()) } }
                    button class="calm" { "Save" }
                }
                div class="verbs" {
                    a href={ "/chat/" (id) "/export" } download { "Download as Markdown" }
                    form method="post" action={ "/chat/" (id) "/delete" } { button class="calm" { "Delete this chat" } }
                }
            }
        }
    }
}

/// All saved chats; the style sheet hides the list, and the controls of a saved chat, if there are none.
fn chats(here: ChatId, chats: &[ChatLink]) -> Markup {
    html! {
        nav id="chats" aria-labelledby="chats-heading" {
            h2 id="chats-heading" { "Chats" }
            a href="#ask" class="to-chats" { "Back" }
            ul {
                @for link in chats {
                    li { a href={ "/chat/" (link.id) } aria-current=[(link.id == here).then_some("page")] { (link.title.as_deref().map_or_else(|| "Can't be read".to_owned(), shortened)) } }
                }
            }
        }
    }
}

/// The title of a page.
fn title(transcript: &Transcript) -> String {
    let turn = transcript
        .progress
        .as_ref()
        .map(|progress| &progress.turn)
        .filter(|_| transcript.kept.turns.is_empty());
    match (transcript.kept.title(), turn) {
        ("", None) => "Chat".to_owned(),
        ("", Some(turn)) => shortened(&turn.question),
        (title, _) => shortened(title),
    }
}

/// The contents of `#turns`.
fn turns(id: ChatId, transcript: &Transcript) -> Markup {
    let last = transcript.kept.turns.len();
    html! {
        @for (number, turn) in transcript.kept.turns.iter().enumerate() {
            (turn::over(number, turn, transcript.goes_on().is_none().then_some(id), number + 1 == last && transcript.progress.is_none()))
        }
        @if let Some(progress) = &transcript.progress {
            @if transcript.goes_on().is_some() { (turn::open(last, progress)) }
            @else { (turn::over(last, &progress.turn, Some(id), true)) }
        }
        @if transcript.all().next().is_none() { p class="empty" { "Nothing has been said yet" } }
    }
}

/// A hash of shown markup: a page that already shows it gets no update.
fn mark(shown: &Markup) -> String {
    chat::mark(&shown.0)
}

/// The progress in words.
pub(super) fn status(progress: Option<&Progress>) -> String {
    let Some(progress) = progress else { return String::new() };
    let model = &progress.turn.model;
    match &progress.phase {
        Phase::Asking if model.is_empty() => "Asking Ollama…".to_owned(),
        Phase::Asking => format!("Asking {model}…"),
        Phase::Loading => format!("Loading {model} into memory, which can take a while…"),
        Phase::Waiting => format!("Waiting for {model}, which may be busy with something else…"),
        Phase::Writing if progress.turn.answer.is_empty() => format!("{model} is thinking…"),
        Phase::Writing => format!("{model} is answering…"),
        Phase::Over(None) => turn::end(&progress.turn).to_owned(),
        Phase::Over(Some(error)) => format!("The answer could not be kept: {error}"),
    }
}

/// Everything that an open page shows.
pub(crate) struct Rendered {
    turns: Markup,
    status: Option<String>,
    /// The names of this chat and the others.
    names: Markup,
}

impl Rendered {
    pub(crate) fn of(id: ChatId, transcript: &Transcript, chats: &[ChatLink]) -> Self {
        let title = title(transcript);
        let names = html! {
            hx-partial hx-target="title" hx-swap="innerHTML" { (title) }
            hx-partial hx-target="#chat-title" hx-swap="innerHTML" { (title) }
            hx-partial hx-target="#chats" hx-swap="outerMorph" { (self::chats(id, chats)) }
        };
        // The last answer's outcome stays visible.
        let status = transcript.progress.as_ref().map(|progress| status(Some(progress)));
        Self { turns: turns(id, transcript), status, names }
    }

    /// The mark of a page with this content.
    pub(crate) fn mark(&self) -> String {
        format!("{}-{}", mark(&self.turns), mark(&self.names))
    }

    /// The event that updates a page to this content. Parts that it already shows, by their mark, are not
    /// touched, because the user may be working there. `None` if it is up to date.
    pub(crate) fn event(&self, shown: Option<&str>) -> Option<String> {
        let (turns, names) = shown.and_then(|shown| shown.split_once('-')).unwrap_or_default();
        let event = html! {
            @if mark(&self.turns) != turns {
                hx-partial hx-target="#turns" hx-swap="innerMorph" { (self.turns) }
                @if let Some(status) = &self.status { hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (status) } }
            }
            @if mark(&self.names) != names { (self.names) }
        };
        Some(event.into_string()).filter(|event| !event.is_empty())
    }
}

/// A sentence for the status line.
pub(crate) fn said(sentence: &str) -> String {
    html! { hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (sentence) } }.into_string()
}

/// The part of an answer that a page shows.
#[derive(Default, PartialEq)]
pub(crate) struct Shown {
    thinking: usize,
    answer: usize,
    /// The number of the answer's elements.
    blocks: usize,
    status: String,
}

impl Shown {
    pub(crate) fn of(progress: &Progress) -> Self {
        Self {
            thinking: progress.turn.thinking.len(),
            answer: progress.turn.answer.len(),
            blocks: markdown::blocks(&progress.turn.answer).len(),
            status: status(Some(progress)),
        }
    }

    /// The update of a page that shows this much; afterwards `self` is up to date.
    pub(crate) fn more(&mut self, progress: &Progress) -> String {
        let before = std::mem::take(self);
        let Progress { turn, .. } = progress;
        let has_grown = before.answer != turn.answer.len();
        let blocks = if has_grown { markdown::blocks(&turn.answer) } else { Vec::new() };
        *self = Self {
            thinking: turn.thinking.len(),
            answer: turn.answer.len(),
            blocks: if has_grown { blocks.len() } else { before.blocks },
            status: status(Some(progress)),
        };
        let Self { status, .. } = &*self;
        html! {
            (turn::added("open-thinking", &turn.thinking, before.thinking))
            @if has_grown { (turn::grown(&blocks, before.blocks)) }
            @if *status != before.status {
                hx-partial hx-target="#open-model" hx-swap="innerHTML" { (turn::who(turn)) }
                hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (status) }
            }
        }
        .into_string()
    }
}
