//! The silence of a call that is answered in events: while the call waits for its answer, and then in the answer itself.
//!
//! Whatever stands between client and gateway takes a silent connection for a dead one, and an answer that is tried for at one
//! target after another, or thought about for a minute, may be silent for long. So a stream is opened before there is an answer
//! to put in it. One timer a call is enough: when the answer's stream begins, it takes over the timer that ran for its sake.

use super::clock::{Timer, now};
use super::data_plane::Call;
use super::relay::Pump;
use super::task::{answer_early, settled};
use crate::time::Millis;
use futures_util::future::{Either, select};
use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use web_sys::Response;

/// A call's timer, for whoever keeps the client company at the time.
#[derive(Default)]
pub(super) struct Silence {
    timer: OnceCell<Timer>,
    /// When it rings.
    due: Cell<Option<Millis>>,
    has_rung: Cell<bool>,
    is_broken: Cell<bool>,
    listener: RefCell<Listener>,
}

#[derive(Default)]
enum Listener {
    #[default]
    Nobody,
    /// The call has no answer yet.
    Call(Waker),
    /// It has.
    Stream(Weak<Pump>),
}

impl Silence {
    /// Rings at this time, or sooner.
    pub(super) fn ring_by(self: &Rc<Silence>, at: Millis) {
        if self.due.get().is_some_and(|due| due <= at) {
            return;
        }
        self.due.set(Some(at));
        let timer = self.timer.get_or_init(|| {
            let silence = Rc::downgrade(self);
            Timer::new(move || {
                if let Some(silence) = silence.upgrade() {
                    silence.ring();
                }
            })
        });
        timer.arm(Millis(at.since(now()).0.max(1)));
    }

    /// From now on a stream is told.
    pub(super) fn tell(&self, stream: Weak<Pump>) {
        *self.listener.borrow_mut() = Listener::Stream(stream);
    }

    /// The client reads a stream already.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Rings no more.
    pub(super) fn end(&self) {
        if let Some(timer) = self.timer.get() {
            timer.disarm();
        }
        self.due.set(None);
    }

    fn ring(&self) {
        self.due.set(None);
        let stream = match &mut *self.listener.borrow_mut() {
            Listener::Stream(stream) => stream.upgrade(),
            Listener::Call(waker) => {
                self.has_rung.set(true);
                waker.wake_by_ref();
                None
            }
            Listener::Nobody => None,
        };
        if let Some(stream) = stream {
            stream.on_silence();
        }
    }
}

/// The next ring, unless a stream is told of it.
struct Rings<'a>(&'a Silence);

impl Future for Rings<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let silence = self.0;
        let mut listener = silence.listener.borrow_mut();
        match &*listener {
            Listener::Stream(_) => Poll::Pending,
            _ if silence.has_rung.take() => Poll::Ready(()),
            Listener::Nobody if silence.due.get().is_some() => {
                // A call has one task, from its beginning to its end.
                *listener = Listener::Call(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }
}

/// Awaits a call's answer. Where it is to come in events and does not come for long, the client gets a 200 with an open stream
/// and comments, and what comes then goes into it: the answer's events, or the error in one.
pub(super) async fn broken(call: &Call, mut answer: Pin<&mut impl Future<Output = Response>>) -> Response {
    let (silence, every) = (&call.silence, call.variables.keep_alive);
    let opening = call.accepted.opening();
    if opening.is_some() {
        silence.ring_by(call.arrival.at.plus(every));
    }
    let response = loop {
        match (select(answer.as_mut(), Rings(silence)).await, &opening) {
            (Either::Left((response, _)), _) => break response,
            (Either::Right(_), None) => {}
            (Either::Right(_), Some(opening)) => {
                if !silence.is_broken.replace(true) {
                    let head = call.head();
                    head.set("content-type", opening.stream_type());
                    head.set("cache-control", "no-cache");
                    answer_early(&head.stream(200, &call.wire.open()));
                }
                call.wire.say(&js_sys::Uint8Array::from(opening.keep_alive()));
                silence.ring_by(now().plus(every));
            }
        }
    };
    let Some(opening) = opening.filter(|_| silence.is_broken()) else { return response };
    let content_type = response.headers().get("content-type").ok().flatten();
    if response.status() == 200 && content_type.as_deref() == Some(opening.stream_type()) {
        call.wire.pour(&response);
        return response;
    }
    silence.end();
    let body = match response.array_buffer() {
        Ok(body) => settled(&body).await.unwrap_or_default(),
        Err(error) => error,
    };
    let error = opening.refusal(response.status(), &js_sys::Uint8Array::new(&body).to_vec());
    call.wire.say(&js_sys::Uint8Array::from(&*error));
    call.wire.close();
    response
}
