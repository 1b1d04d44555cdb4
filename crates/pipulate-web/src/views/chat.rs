//! A chat with the local LLM.
//!
//! What is said stands in one element, `#turns`. An open page gets it whole when an answer begins and
//! when it ends, as a morph, and what is added meanwhile piece by piece. While it is written an
//! answer is plain text; then it is Markdown.

mod turn;

use maud::{Markup, html};
use pipulate_store::chat::{Chat, ChatId, Turn};
use pipulate_store::error::StoreError;

use crate::assets;
use crate::chat::{Live, Phase, Running};
use crate::offer::{Offer, Offered};
use crate::problem::capitalized;
use crate::views::layout::Page;
use crate::world::World;

/// How long a title in the list may be, in characters.
const TITLE: usize = 60;

/// The page's view model.
pub(crate) struct ChatPage {
    pub(crate) id: ChatId,
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
        let title = |id| chats.read(id).map_or_else(|_| "Can't be read".to_owned(), |chat| shortened(&chat));
        Ok(chats.ids()?.into_iter().map(|id| Self { id, title: title(id) }).collect())
    }
}

fn shortened(chat: &Chat) -> String {
    let mut letters = chat.title().chars();
    let mut title: String = letters.by_ref().take(TITLE).collect();
    if letters.next().is_some() {
        title.push('…');
    }
    title
}

/// What was said, and what is being said.
pub(crate) struct Talk {
    turns: Vec<Turn>,
    live: Option<Live>,
}

impl Talk {
    pub(crate) fn running(running: &Running) -> Self {
        Self { turns: running.before().turns.clone(), live: Some(running.listen().borrow().clone()) }
    }

    pub(crate) fn over(chat: Chat) -> Self {
        Self { turns: chat.turns, live: None }
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

    fn all(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().chain(self.live.iter().map(|live| &live.turn))
    }
}

/// Whether a page has an element that listens to an answer which goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attach {
    Yes,
    /// What it asked with listens already.
    No,
}

/// The whole page.
pub(crate) fn page(page: &ChatPage) -> Markup {
    let id = page.id;
    let content = html! {
        link rel="stylesheet" href=(assets::CHAT_STYLE.address());
        div class="headline" {
            h1 { "Chat" }
            div class="verbs" { a href="/chat/new" role="button" class="calm" { "New chat" } }
        }
        (earlier(page))
        (no_model(&page.offer))
        div id="turns" role="log" aria-label="Conversation" tabindex="0" { (turns(id, &page.talk, Attach::Yes)) }
        div hx-get={ "/chat/" (id) "/turns" } hx-target="#turns" hx-swap="innerMorph"
            hx-trigger="htmx:sse:error from:body delay:500ms" {}
        p id="chat-status" role="status" { (status(page.talk.live.as_ref())) }
        (ask(id, &page.offer))
        div class="verbs" {
            form id="stop" method="post" action={ "/chat/" (id) "/stop" } hx-post={ "/chat/" (id) "/stop" } hx-swap="none" {
                button class="calm" { "Stop" }
            }
        }
        script src=(assets::CHAT_SCRIPT.address()) defer {}
    };
    Page {
        title: "Chat",
        here: Some("/chat"),
        reloads: page.talk.goes_on().is_some(),
        content: &html! { div id="chat" { (content) } },
    }
    .show()
}

/// The form without which nothing happens. Errors of the request itself go where the status is.
fn ask(id: ChatId, offer: &Offer) -> Markup {
    html! {
        form id="ask" method="post" action={ "/chat/" (id) } hx-post={ "/chat/" (id) } hx-target="#chat-status"
            hx-swap="innerHTML" hx-sync="this:drop" {
            textarea id="question" name="question" rows="3" required aria-label="Your question"
                placeholder="Ask something (Enter sends, Shift+Enter begins a new line)" {}
            div class="verbs" {
                @if let Offer::Models { models, chosen } = offer { (picker(models, chosen)) }
                button id="send" { "Send" }
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

fn no_model(offer: &Offer) -> Markup {
    html! {
        @if let Offer::Nothing { reason, command } = offer {
            div class="alert" {
                p { (capitalized(reason)) }
                @if let Some(command) = command { (turn::code(command)) }
            }
        }
    }
}

fn earlier(page: &ChatPage) -> Markup {
    let is_kept = page.earlier.iter().any(|entry| entry.id == page.id);
    html! {
        @if !page.earlier.is_empty() {
            details class="earlier" {
                summary { "All chats (" (page.earlier.len()) ")" }
                ul {
                    @for entry in &page.earlier {
                        li { a href={ "/chat/" (entry.id) } aria-current=[(entry.id == page.id).then_some("page")] { (entry.title) } }
                    }
                }
                @if is_kept {
                    form method="post" action={ "/chat/" (page.id) "/delete" } { button class="calm" { "Delete this chat" } }
                }
            }
        }
    }
}

/// What stands in `#turns`.
pub(crate) fn turns(id: ChatId, talk: &Talk, attach: Attach) -> Markup {
    let last = talk.turns.len();
    html! {
        @for (number, turn) in talk.turns.iter().enumerate() {
            (turn::over(number, turn, (number + 1 == last && talk.live.is_none()).then_some(id)))
        }
        @if let Some(live) = &talk.live {
            @if talk.goes_on().is_some() {
                (turn::open(last, live))
                @if attach == Attach::Yes {
                    div id="follow" hx-sse:connect={ "/chat/" (id) "/events" } hx-trigger="load, every 2s" hx-sync="this:drop" hx-swap="none"
                        hx-config="sse.reconnectDelay:300 sse.reconnectMaxDelay:2s sse.connectTimeout:5s" {}
                }
            } @else {
                (turn::over(last, &live.turn, Some(id)))
            }
        }
        @if talk.all().next().is_none() { p class="empty" { "Nothing was said yet" } }
    }
}

/// What goes on, in words.
fn status(live: Option<&Live>) -> String {
    let Some(live) = live else { return String::new() };
    let model = &live.turn.model;
    match &live.phase {
        Phase::Asking if model.is_empty() => "Asking Ollama…".to_owned(),
        Phase::Asking => format!("Asking {model}…"),
        Phase::Loading => format!("Loading {model} into memory, which can take a while…"),
        Phase::Writing => format!("{model} is answering…"),
        Phase::Over(None) => turn::end(&live.turn).unwrap_or_else(|| "The answer is complete".to_owned()),
        Phase::Over(Some(trouble)) => format!("The answer could not be kept: {trouble}"),
    }
}

/// What turns an open page into one that shows all of this.
pub(crate) fn whole(id: ChatId, talk: &Talk, attach: Attach) -> String {
    html! {
        hx-partial hx-target="#turns" hx-swap="innerMorph" { (turns(id, talk, attach)) }
        hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (status(talk.live.as_ref())) }
    }
    .into_string()
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
        let added = |target: &str, text: &str| {
            html! { @if !text.is_empty() { hx-partial hx-target=(target) hx-swap="beforeend" { (text) } } }
        };
        let status = status(Some(live));
        html! {
            (added("#open-thinking", live.turn.thinking.get(self.thinking..).unwrap_or_default()))
            (added("#open-answer", live.turn.answer.get(self.answer..).unwrap_or_default()))
            @if status != self.status {
                hx-partial hx-target="#open-model" hx-swap="innerHTML" { (turn::who(&live.turn)) }
                hx-partial hx-target="#chat-status" hx-swap="innerHTML" { (status) }
            }
        }
        .into_string()
    }
}
