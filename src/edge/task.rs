//! Tasks: what answers a request, and what goes on behind its answer, run by the promises that they wait for.
//!
//! A step of a task runs inside the reaction of the promise that it waited for. The executor of `wasm-bindgen-futures` takes
//! a microtask for each step, and two closures that are registered for finalisation for each promise: a tenth of the CPU that
//! a plain call took. docs/adr/0012 has the figures.
//!
//! A task is of one request, and I/O of the platform belongs to the request that began it: tasks do not wake each other.

use futures_util::FutureExt as _;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::worker_sys;

#[wasm_bindgen(module = "/src/edge/wire.js")]
extern "C" {
    /// A promise that is settled from here.
    type Deferred;
    #[wasm_bindgen(js_name = deferred)]
    fn new_deferred() -> Deferred;
    #[wasm_bindgen(method, getter)]
    fn promise(this: &Deferred) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn resolve(this: &Deferred, value: &JsValue);

    fn watch(core: &JsValue, promise: &js_sys::Promise, slot: u32);
    #[wasm_bindgen(js_name = runSoon)]
    fn run_soon(core: &JsValue);
}

type Work = Pin<Box<dyn Future<Output = JsValue>>>;

thread_local! {
    static TASKS: RefCell<Slab<Task>> = const { RefCell::new(Slab::new()) };
    /// Tasks that were woken.
    static WOKEN: RefCell<VecDeque<usize>> = const { RefCell::new(VecDeque::new()) };
    /// Whoever set this runs the woken tasks, once what it does now is done.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    /// The task that runs.
    static RUNNING: Cell<usize> = const { Cell::new(usize::MAX) };
    static AWAITED: RefCell<Slab<Rc<RefCell<Awaited>>>> = const { RefCell::new(Slab::new()) };
    static CORE: JsValue = wasm_bindgen::exports();
}

struct Task {
    /// `None` while it runs.
    work: Option<Work>,
    outcome: Deferred,
    waker: Waker,
}

/// Answers a request, with the promise of a response.
pub(super) fn answer(answer: impl Future<Output = Response> + 'static) -> js_sys::Promise {
    let (index, promise) = begin(Box::pin(answer.map(JsValue::from)));
    and_run_woken(|| wake(index));
    promise
}

/// Answers the request of the task that runs, which goes on while the client reads: what it gives at its end is no answer any
/// more.
pub(super) fn answer_early(response: &Response) {
    TASKS.with_borrow(|tasks| {
        if let Some(task) = tasks.get(RUNNING.get()) {
            task.outcome.resolve(response);
        }
    });
}

/// Goes on with this when the client has its answer, and even when it has left. It begins once the caller is done.
pub(super) fn behind_the_answer(context: &worker::Context, work: impl Future<Output = ()> + 'static) {
    let (index, promise) = begin(Box::pin(work.map(|()| JsValue::UNDEFINED)));
    let context: &worker_sys::Context = context.as_ref();
    // It refuses where the invocation is over, and then nothing more can be done in it.
    let _ = context.wait_until(&promise);
    wake(index);
}

fn begin(work: Work) -> (usize, js_sys::Promise) {
    let outcome = new_deferred();
    let promise = outcome.promise();
    let index = TASKS.with_borrow_mut(|tasks| {
        let entry = tasks.vacant_entry();
        let (index, waker) = (entry.key(), Waker::from(Arc::new(Alarm(entry.key()))));
        entry.insert(Task { work: Some(work), outcome, waker });
        index
    });
    (index, promise)
}

/// Has a task run as soon as whoever runs now is done.
fn wake(index: usize) {
    WOKEN.with_borrow_mut(|woken| woken.push_back(index));
    if !IS_RUNNING.get() {
        core(run_soon);
    }
}

/// Does something, and then runs the tasks that it woke, until each of them waits.
fn and_run_woken(act: impl FnOnce()) {
    let is_within = IS_RUNNING.replace(true);
    act();
    if is_within {
        return;
    }
    while let Some(index) = WOKEN.with_borrow_mut(VecDeque::pop_front) {
        run(index);
    }
    IS_RUNNING.set(false);
}

fn run(index: usize) {
    let taken = TASKS.with_borrow_mut(|tasks| {
        let task = tasks.get_mut(index)?;
        Some((task.work.take()?, task.waker.clone()))
    });
    let Some((mut work, waker)) = taken else { return };
    RUNNING.set(index);
    match work.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Pending => TASKS.with_borrow_mut(|tasks| {
            if let Some(task) = tasks.get_mut(index) {
                task.work = Some(work);
            }
        }),
        Poll::Ready(value) => {
            if let Some(task) = TASKS.with_borrow_mut(|tasks| tasks.try_remove(index)) {
                task.outcome.resolve(&value);
            }
        }
    }
}

/// Wakes the task of this index. Where that is over, another may have its place: it is polled for nothing.
///
/// A future may wake its task before it is ready itself, so the task runs only when that code is done.
struct Alarm(usize);

impl Wake for Alarm {
    fn wake(self: Arc<Alarm>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Alarm>) {
        wake(self.0);
    }
}

/// `wire.js` calls this when whoever woke a task is done.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn run_woken() {
    and_run_woken(|| {});
}

/// A promise that a task waits for.
pub(super) struct Settled(Rc<RefCell<Awaited>>);

#[derive(Default)]
struct Awaited {
    outcome: Option<Result<JsValue, JsValue>>,
    waker: Option<Waker>,
}

/// Waits for a promise.
pub(super) fn settled(promise: &js_sys::Promise) -> Settled {
    let awaited = Rc::new(RefCell::new(Awaited::default()));
    let slot = AWAITED.with_borrow_mut(|all| all.insert(awaited.clone()));
    core(|core| watch(core, promise, slot_number(slot)));
    Settled(awaited)
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Settled>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut awaited = self.0.borrow_mut();
        match awaited.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                awaited.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// `wire.js` tells what became of a promise, once.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn promise_settled(slot: u32, is_fulfilled: bool, value: JsValue) {
    let Some(awaited) = AWAITED.with_borrow_mut(|all| all.try_remove(slot as usize)) else { return };
    let waker = {
        let mut awaited = awaited.borrow_mut();
        awaited.outcome = Some(if is_fulfilled { Ok(value) } else { Err(value) });
        awaited.waker.take()
    };
    if let Some(waker) = waker {
        and_run_woken(|| waker.wake());
    }
}

/// What `wire.js` calls: the exports of this instance of the wasm.
pub(super) fn core<T>(with: impl FnOnce(&JsValue) -> T) -> T {
    CORE.with(with)
}

/// A slot, as JavaScript has it. An isolate ends long before it has so many.
pub(super) fn slot_number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
