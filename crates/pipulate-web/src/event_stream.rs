//! Open-ended answers: server-sent events, as htmx reads them.
//!
//! Invariants: an event is one block, regardless of its text; a stream without a reader ends; at most
//! [`MOST`] are open, which bounds their memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::problem::Problem;

/// The number of streams that may be open at once.
pub(crate) const MOST: usize = 1_024;

/// The longest silence of a stream: a vanished peer is noticed by writing to it.
const SILENCE: Duration = Duration::from_secs(15);

/// The free stream slots, and the farewell to open streams.
#[derive(Clone)]
pub(crate) struct StreamSlots {
    slots: Arc<Semaphore>,
    farewell: Arc<watch::Sender<Option<Farewell>>>,
}

/// The extent of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Every service of the project.
    Home,
    /// The app alone.
    Page,
}

impl Farewell {
    /// The word for scripts.
    fn word(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Page => "page",
        }
    }
}

impl StreamSlots {
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(most)), farewell: Arc::new(watch::Sender::new(None)) }
    }

    /// Reports the end to every open stream, and ends it.
    pub(crate) fn say_farewell(&self, farewell: Farewell) {
        self.farewell.send_replace(Some(farewell));
    }

    /// Answers with the events of `produce`, until it returns or the peer disconnects.
    pub(crate) fn answer<F>(&self, produce: impl FnOnce(Sender) -> F) -> Result<Response, Problem>
    where
        F: Future<Output = Result<(), Gone>> + Send + 'static,
    {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Problem::TooManyStreams)?;
        let (sender, receiver) = mpsc::channel(1);
        // A first comment, so that headers are sent and the page knows that it is connected.
        let opening = Bytes::from_static(b":\n\n");
        let producing = produce(Sender(sender.clone()));
        let farewell = self.farewell.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ended = producing => {}
                () = breathe(&sender) => {}
                () = part(&sender, farewell) => {}
            }
        });
        let body = Body::new(Stream { opening: Some(opening), receiver, _slot: Some(slot) });
        Ok(([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response())
    }
}

/// Sends comments during silence; returns when the peer is gone.
async fn breathe(sender: &mpsc::Sender<Bytes>) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(SILENCE) => {
                // A busy stream needs no comment.
                let _full = sender.try_send(Bytes::from_static(b":\n\n"));
            }
        }
    }
}

/// Waits for the farewell and sends it as a named event, which does not change the stream's position.
async fn part(sender: &mpsc::Sender<Bytes>, mut farewell: watch::Receiver<Option<Farewell>>) {
    let said = farewell.wait_for(Option::is_some).await.ok().and_then(|said| *said);
    if let Some(farewell) = said {
        let event = format!("event: stopped\ndata: {}\n\n", farewell.word());
        // The peer may be gone.
        let _gone = sender.send(event.into()).await;
    }
}

/// The sending end of a stream.
pub(crate) struct Sender(mpsc::Sender<Bytes>);

/// The reader is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Sender {
    /// Sends one event, once the peer has read the one before.
    pub(crate) async fn send(&self, id: &str, text: &str) -> Result<(), Gone> {
        self.0.send(event(id, text)).await.map_err(|_| Gone)
    }
}

/// Every line of the text becomes a data line. Ids are ours and have no line break.
fn event(id: &str, text: &str) -> Bytes {
    let mut event = String::with_capacity(text.len() + id.len() + 32);
    event.extend(["id: ", id, "\n"]);
    for line in text.split(['\n', '\r']) {
        event.extend(["data: ", line, "\n"]);
    }
    event.push('\n');
    event.into()
}

/// A body that is written while it is sent, and the sender of its parts.
pub(crate) fn channel() -> (mpsc::Sender<Bytes>, Stream) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Stream { opening: None, receiver, _slot: None })
}

/// A body whose parts come one by one.
pub(crate) struct Stream {
    opening: Option<Bytes>,
    receiver: mpsc::Receiver<Bytes>,
    /// Released at the end.
    _slot: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(Ok(Frame::data(opening))));
        }
        self.receiver.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_24_no_text_gets_out_of_its_event() {
        let hostile = "a\n\nevent: done\ndata: x\r\rid: 9\r\n\r\nretry: 1";
        let event = String::from_utf8(event("7", hostile).to_vec()).unwrap();
        let (id, data) = event.split_once('\n').unwrap();
        assert_eq!(id, "id: 7");
        let lines: Vec<&str> = data.strip_suffix("\n\n").unwrap().split('\n').collect();
        assert!(lines.iter().all(|line| line.starts_with("data: ")), "{lines:?}");
        assert!(!event.contains('\r'));
    }

    #[tokio::test]
    async fn a_farewell_is_the_last_event_of_every_stream() {
        let streams = StreamSlots::new(2);
        let silent = |_sender| std::future::pending();
        let open = [streams.answer(silent).unwrap(), streams.answer(silent).unwrap()];
        streams.say_farewell(Farewell::Home);
        for stream in open {
            let whole = axum::body::to_bytes(stream.into_body(), 1 << 10).await.unwrap();
            assert_eq!(whole, ":\n\nevent: stopped\ndata: home\n\n");
        }
    }

    #[tokio::test]
    async fn a_stream_gives_its_slot_back_when_its_reader_is_gone() {
        let streams = StreamSlots::new(1);
        let silent = |_sender| std::future::pending();
        let open = streams.answer(silent).unwrap();
        assert_eq!(streams.answer(silent).unwrap_err(), Problem::TooManyStreams);
        drop(open);
        assert!(streams.answer(silent).is_ok());
    }
}
