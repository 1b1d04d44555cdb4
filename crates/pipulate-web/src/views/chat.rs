//! A chat with the local LLM.
//!
//! What is said stands in one element, `#turns`. An open page gets it whole when an answer begins and
//! when it ends, as a morph, and what is added meanwhile piece by piece: over the request that asked,
//! or, on every other page, over its one stream. What names this chat and the others stands beside it,
//! and comes when it has changed. While it is written an answer is plain text; then it
//! is Markdown.

mod turn;

use maud::{Markup, html};
use pipulate_core::text::capitalized;
use pipulate_store::chat::{Chat, ChatId, Turn};
use pipulate_store::error::StoreError;

use crate::assets;
use crate::chat::{self, Live, PageId, Phase, Running, conversation};
use crate::offer::{Offer, Offered};
use crate::views::layout::{self, Page};
use crate::world::World;

/// How long a title in the list may be, in characters.
const TITLE: usize = 60;

/// The page's view model.
pub(crate) struct ChatPage {
    pub(crate) id: ChatId,
    pub(crate) page: PageId,
    pub(crate) earlier: Vec<Entry>,
    pub(crate) talk: Talk,
    pub(crate) offer: Offer,
}

/// A chat in the list of all.
pub(crate) struct Entry {
    id: ChatId,
    title: String,
}

impl Entry {
    /// All chats, newest first. One that can't be read is listed all the same: its page says why.
    pub(crate) fn all(world: &World) -> Result<Vec<Self>, StoreError> {
        let chats = world.chat.chats();
        let title =
            |id| chats.title(id).map_or_else(|_| "Can't be read".to_owned(), |title| shortened(&title));
        Ok(chats.ids()?.into_iter().map(|id| Self { id, title: title(id) }).collect())
    }
}

fn shortened(title: &str) -> String {
    let mut letters = if title.is_empty() { "Nothing said yet" } else { title }.chars();
    let mut title: String = letters.by_ref().take(TITLE).collect();
    if letters.next().is_some() {
        title.push('…');
    }
    title
}

/// What was said, and what is being said.
pub(crate) struct Talk {
    /// What is on disk, without the turn that is being written.
    kept: Chat,
    live: Option<Live>,
}

impl Talk {
    pub(crate) fn running(running: &Running) -> Self {
        Self { kept: running.before().clone(), live: Some(running.listen().borrow().clone()) }
    }

    pub(crate) fn over(chat: Chat) -> Self {
        Self { kept: chat, live: None }
    }

    /// What goes on, if anything does.
    pub(crate) fn goes_on(&self) -> Option<&Live> {
        self.live.as_ref().filter(|live| !matches!(live.phase, Phase::Over(_)))
    }

    /// Who answered last.
    pub(crate) fn last_model(&self) -> Option<&str> {
        let models = self.all().map(|turn| turn.model.as_str());
        models.filter(|model| !model.is_empty()).last()
    }

    /// All of it as Markdown, for people.
    pub(crate) fn to_markdown(&self) -> String {
        let mut chat = self.kept.clone();
        chat.turns.extend(self.live.iter().map(|live| live.turn.clone()));
        conversation(&chat).to_markdown(self.last_model().unwrap_or("a model"))
    }

    fn all(&self) -> impl Iterator<Item = &Turn> {
        self.kept.turns.iter().chain(self.live.iter().map(|live| &live.turn))
    }
}

/// The whole page.
pub(crate) fn page(page: &ChatPage) -> Markup {
    let id = page.id;
    let whole = Whole::of(id, &page.talk, &page.earlier);
    let title = title(&page.talk);
    let content = html! {
        link rel="stylesheet" href=(assets::CHAT_STYLE.address());
        div class="headline" {
            h1 id="chat-title" { (title) }
            div class="verbs" {
                a href="#chats" class="to-chats" { "All chats" }
                a href="/chat/new" role="button" class="calm" { "New chat" }
            }
        }
        div class="talk" {
            (no_model(page.id, &page.offer))
            (leaves_this_machine(&page.offer))
            div id="turns" role="log" aria-label="Conversation" tabindex="0" { (whole.turns) }
            (layout::listener("follow", &format!("/chat/{id}/events?page={}&shown={}", page.page, whole.mark())))
            p id="chat-status" role="status" { (status(page.talk.live.as_ref())) }
            (ask(page))
            form id="stop" method="post" action={ "/chat/" (id) "/stop" } hx-post={ "/chat/" (id) "/stop" } hx-swap="none" {}
            (settings(page))
        }
        (chats(id, &page.earlier))
        script src=(assets::CHAT_SCRIPT.address()) defer {}
    };
    Page {
        title: &title,
        here: Some("/chat"),
        reloads: page.talk.goes_on().is_some(),
        content: &html! { div id="chat" { (content) } },
    }
    .show()
}

/// The form without which nothing happens. Errors of the request itself go where the status is.
fn ask(page: &ChatPage) -> Markup {
    let id = page.id;
    html! {
        form id="ask" method="post" action={ "/chat/" (id) } hx-post={ "/chat/" (id) } hx-target="#chat-status"
            hx-swap="innerHTML" hx-sync="this:drop" {
            input type="hidden" name="page" value=(page.page);
            textarea id="question" name="question" rows="3" required aria-label="Your question"
                placeholder="Ask something (Enter sends, Shift+Enter begins a new line)" {}
            div class="verbs" {
                @if let Offer::Models { models, chosen, .. } = &page.offer { (picker(models, chosen)) }
                button id="send" { "Send" }
                button form="stop" class="calm" { "Stop" }
            }
        }
    }
}

fn picker(models: &[Offered], chosen: &str) -> Markup {
    let (cloud, local): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.is_cloud);
    let option = |model: &Offered, more: &str| {
        html! { option value=(model.name) selected[model.name == chosen] { (model.name) (more) } }
    };
    html! {
        select name="model" aria-label="Model" {
            @for model in local { (option(model, &format!(", {}", size(model.size)))) }
            @if !cloud.is_empty() {
                optgroup label="In the cloud: what you write leaves this machine" {
                    @for model in cloud { (option(model, ", cloud")) }
                }
            }
        }
    }
}

/// With one decimal, as `ollama list` says it.
fn size(bytes: u64) -> String {
    let megabytes = bytes / 1_000_000;
    if megabytes < 1000 {
        format!("{megabytes} MB")
    } else {
        format!("{}.{} GB", megabytes / 1000, megabytes % 1000 / 100)
    }
}

/// Says where the words go, before there are any.
fn leaves_this_machine(offer: &Offer) -> Markup {
    let Offer::Models { elsewhere, .. } = offer else { return html! {} };
    html! {
        @if let Some(host) = elsewhere {
            p class="alert" { "What you write leaves this machine, for Ollama at " (host) }
        } @else if let Some(chosen) = offer.in_cloud() {
            p class="alert" { "What you write leaves this machine: " (chosen) " runs in Ollama's cloud" }
        }
    }
}

/// The question before a service's log is sent to the cloud.
pub(crate) fn question_why(service: &str, model: &str) -> Markup {
    let title = format!("Ask {model} about {service}?");
    let question = html! {
        article class="question" aria-labelledby="question" tabindex="-1" autofocus {
            h2 id="question" { (title) }
            p { "It runs in Ollama's cloud: the end of the service's log would leave this machine." }
            div class="verbs" {
                form method="post" action={ "/services/" (service) "/why" } {
                    input type="hidden" name="consent" value="given";
                    button { "Ask" }
                }
                a href="/" role="button" class="calm" { "Don't ask" }
            }
        }
    };
    layout::page(&title, Some("/"), &question)
}

fn no_model(id: ChatId, offer: &Offer) -> Markup {
    html! {
        @if let Offer::Unasked { host } = offer {
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
        @if let Offer::Nothing { reason, advice, command } = offer {
            div class="alert" {
                p { (capitalized(reason)) }
                @if let Some(advice) = advice { p { (capitalized(advice)) } }
                @if let Some(command) = command { (turn::code(command)) }
            }
        }
    }
}

/// What concerns all of a chat.
fn settings(page: &ChatPage) -> Markup {
    let id = page.id;
    let chat = &page.talk.kept;
    html! {
        details class="settings" {
            summary { "This chat" }
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

/// All that are kept; the style sheet shows them, and what concerns a kept chat, where there are any.
fn chats(here: ChatId, chats: &[Entry]) -> Markup {
    html! {
        nav id="chats" aria-labelledby="chats-heading" {
            h2 id="chats-heading" { "Chats" }
            ul {
                @for entry in chats {
                    li { a href={ "/chat/" (entry.id) } aria-current=[(entry.id == here).then_some("page")] { (entry.title) } }
                }
            }
        }
    }
}

/// What a page is called.
fn title(talk: &Talk) -> String {
    let turn = talk.live.as_ref().map(|live| &live.turn).filter(|_| talk.kept.turns.is_empty());
    match (talk.kept.title(), turn) {
        ("", None) => "Chat".to_owned(),
        ("", Some(turn)) => shortened(&turn.question),
        (title, _) => shortened(title),
    }
}

/// What stands in `#turns`.
fn turns(id: ChatId, talk: &Talk) -> Markup {
    let last = talk.kept.turns.len();
    html! {
        @for (number, turn) in talk.kept.turns.iter().enumerate() {
            (turn::over(number, turn, (number + 1 == last && talk.live.is_none()).then_some(id)))
        }
        @if let Some(live) = &talk.live {
            @if talk.goes_on().is_some() { (turn::open(last, live)) }
            @else { (turn::over(last, &live.turn, Some(id))) }
        }
        @if talk.all().next().is_none() { p class="empty" { "Nothing was said yet" } }
    }
}

/// Names what a page shows: a page that shows it already is not told.
fn mark(shown: &Markup) -> String {
    chat::mark(&shown.0)
}

/// What goes on, in words.
fn status(live: Option<&Live>) -> String {
    let Some(live) = live else { return String::new() };
    let model = &live.turn.model;
    match &live.phase {
        Phase::Asking if model.is_empty() => "Asking Ollama…".to_owned(),
        Phase::Asking => format!("Asking {model}…"),
        Phase::Loading => format!("Loading {model} into memory, which can take a while…"),
        Phase::Waiting => format!("Waiting for {model}, which may be busy with something else…"),
        Phase::Writing if live.turn.answer.is_empty() => format!("{model} is thinking…"),
        Phase::Writing => format!("{model} is answering…"),
        Phase::Over(None) => turn::end(&live.turn).to_owned(),
        Phase::Over(Some(trouble)) => format!("The answer could not be kept: {trouble}"),
    }
}

/// All that an open page shows.
pub(crate) struct Whole {
    turns: Markup,
    status: Option<String>,
    /// What names this chat and the others.
    names: Markup,
}

impl Whole {
    pub(crate) fn of(id: ChatId, talk: &Talk, chats: &[Entry]) -> Self {
        let title = title(talk);
        let names = html! {
            hx-partial hx-target="title" hx-swap="innerHTML" { (title) }
            hx-partial hx-target="#chat-title" hx-swap="innerHTML" { (title) }
            hx-partial hx-target="#chats" hx-swap="outerMorph" { (self::chats(id, chats)) }
        };
        // How the last answer ended stays to be read.
        let status = talk.live.as_ref().map(|live| status(Some(live)));
        Self { turns: turns(id, talk), status, names }
    }

    /// Names what a page shows then.
    pub(crate) fn mark(&self) -> String {
        format!("{}-{}", mark(&self.turns), mark(&self.names))
    }

    /// Turns a page into one that shows all of this. What it shows already, by its mark, is left alone,
    /// for somebody may be at work there. `None` when nothing is left.
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

/// A sentence for the place where it says what goes on.
pub(crate) fn said(sentence: &str) -> String {
    html! { hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (sentence) } }.into_string()
}

/// How much of an answer a page shows.
#[derive(Default, PartialEq)]
pub(crate) struct Shown {
    thinking: usize,
    answer: usize,
    status: String,
}

impl Shown {
    pub(crate) fn of(live: &Live) -> Self {
        Self {
            thinking: live.turn.thinking.len(),
            answer: live.turn.answer.len(),
            status: status(Some(live)),
        }
    }

    /// What is missing from a page that shows this much.
    pub(crate) fn more(&self, live: &Live) -> String {
        let status = status(Some(live));
        html! {
            (turn::added("open-thinking", &live.turn.thinking, self.thinking))
            (turn::added("open-answer", &live.turn.answer, self.answer))
            @if status != self.status {
                hx-partial hx-target="#open-model" hx-swap="innerHTML" { (turn::who(&live.turn)) }
                hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (status) }
            }
        }
        .into_string()
    }
}
