//! A call for several answers at a target that gives one: its parts are calls of their own, some at a time, each with its own
//! attempts, and the call waits for them as for one upstream.

use super::attempt::{self, Outcome};
use super::clock::now;
use super::data_plane::Call;
use super::relay::{self, Opened, Pace, Pump};
use super::response::Head;
use super::settings::Compiled;
use super::task::{behind_the_answer, settled};
use super::upstream::Setback;
use super::wire::{self, Reader, Wire};
use crate::call::fan_out::{self, AT_ONCE, MOST, Merge};
use crate::call::patience::Patience;
use crate::call::trace::{Finish, Metered};
use crate::conversation::StreamError;
use crate::dialect::Endpoint;
use crate::dialect::relay::Relay;
use crate::error::ApiError;
use crate::log::End;
use crate::route::attempts::Attempts;
use crate::time::Millis;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, Response};

#[wasm_bindgen(module = "/src/edge/fan_out.js")]
extern "C" {
    #[derive(Clone)]
    type Parts;
    #[wasm_bindgen(constructor)]
    fn new(count: u32) -> Parts;
    #[wasm_bindgen(method, getter)]
    fn over(this: &Parts) -> bool;
    #[wasm_bindgen(method)]
    fn began(this: &Parts, wire: &Wire);
    #[wasm_bindgen(method)]
    fn ended(this: &Parts);
    #[wasm_bindgen(method)]
    fn stream(this: &Parts, mark: &js_sys::Uint8Array, stream: &ReadableStream) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn read(this: &Parts) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn abort(this: &Parts, last: Option<js_sys::Uint8Array>);
}

/// What an answer says of its target, as a part's answer has it.
const HEADERS: [&str; 4] =
    ["x-edgeway-provider", "x-edgeway-model", "x-edgeway-attempts", "x-edgeway-dropped-params"];

/// The parts of one call.
struct FanOut {
    parts: Parts,
    /// Those that have not begun, by number, the next one last.
    waiting: RefCell<Vec<(usize, Call)>>,
    compiled: Rc<Compiled>,
    attempts: Attempts,
    patience: Patience,
    endpoint: Endpoint,
    /// What [`HEADERS`] are of the first that was answered, a line each.
    head: OnceCell<String>,
    /// Whole answers, by number.
    answers: RefCell<Vec<Vec<u8>>>,
    /// Why one has failed, and with it the call.
    failure: RefCell<Option<Outcome>>,
}

/// Makes each answer that is asked for a call of its own. They begin where the call stands in its attempts.
pub(super) async fn run(
    call: &Call,
    compiled: &Rc<Compiled>,
    attempts: &Attempts,
    patience: &Patience,
    waited: Millis,
) -> Outcome {
    let answers = call.accepted.answers();
    let (Ok(count), true) = (u32::try_from(answers), answers <= MOST) else {
        let error = too_many(call.accepted.endpoint, answers);
        return Outcome::Failed { error, end: End::Done, attempts: attempts.count(), waited };
    };
    let began = now();
    let parts = Parts::new(count);
    let numbers = 0..count as usize;
    let fan = Rc::new(FanOut {
        parts: parts.clone(),
        waiting: RefCell::new(numbers.clone().rev().map(|number| (number, call.part(number))).collect()),
        compiled: compiled.clone(),
        attempts: attempts.clone(),
        patience: *patience,
        endpoint: call.accepted.endpoint,
        head: OnceCell::new(),
        answers: RefCell::new(vec![Vec::new(); numbers.len()]),
        failure: RefCell::default(),
    });
    call.wire.take(&parts);
    for _ in numbers.take(AT_ONCE) {
        behind_the_answer(&call.arrival.context, lane(fan.clone()));
    }
    let overhead = || now().since(call.arrival.at).since(now().since(began).plus(waited));
    if call.accepted.asked.stream {
        let watch = call.accepted.own_exchange().watch();
        let merge = Merge::new(fan.endpoint, watch, count as usize);
        let reader: Reader = parts.clone().unchecked_into();
        let opened = relay::open(&call.wire, reader, Relay::new(Box::new(merge))).await;
        return match opened {
            Ok(opened) => Outcome::Answered(fan.answer_stream(call, opened, overhead())),
            Err(setback) => fan.failed(call, &setback, waited),
        };
    }
    let _ = settled(&parts.read()).await; // there is nothing to read: this is their end
    let failed = |detail: &str| Setback::failed(crate::route::retry::Failure::Empty, detail);
    if parts.over() {
        return fan.failed(call, &failed("it was stopped"), waited);
    }
    match fan_out::whole(fan.endpoint, &fan.answers.take()) {
        Ok(body) => Outcome::Answered(fan.answer_whole(call, &body, overhead())),
        Err(error) => fan.failed(call, &failed(&error.to_string()), waited),
    }
}

/// Serves one part after the other.
async fn lane(fan: Rc<FanOut>) {
    loop {
        let next = fan.waiting.borrow_mut().pop();
        let Some((number, part)) = next else { return };
        fan.serve(number, &part).await;
        fan.parts.ended();
    }
}

impl FanOut {
    async fn serve(&self, number: usize, part: &Call) {
        if self.parts.over() {
            return part.meter.settle(Finish::default());
        }
        self.parts.began(&part.wire);
        let outcome = attempt::walk(part, &self.compiled, self.attempts.clone(), &self.patience).await;
        match outcome {
            Outcome::Answered(response) => self.answered(number, part, &response).await,
            Outcome::Refused { response, finish } => {
                part.meter.settle(finish.clone());
                let error = StreamError {
                    status: Some(finish.status),
                    code: None,
                    message: finish.error.clone().unwrap_or_default(),
                };
                self.fail(Outcome::Refused { response, finish }, &error);
            }
            Outcome::Failed { error, end, attempts, waited } => {
                part.meter.settle(Finish::refused(&error, end));
                let said = StreamError {
                    status: Some(error.status),
                    code: Some(error.code.into()),
                    message: error.message.clone(),
                };
                self.fail(Outcome::Failed { error, end, attempts, waited }, &said);
            }
            Outcome::ClientLeft { was_sent } => {
                let metered = if was_sent { part.unknown() } else { Metered::default() };
                part.meter.settle(Finish::client_left(metered));
                self.parts.abort(None);
            }
        }
    }

    async fn answered(&self, number: usize, part: &Call, response: &Response) {
        self.head.get_or_init(|| {
            let names: js_sys::Array = HEADERS.iter().map(|name| JsValue::from_str(name)).collect();
            wire::pick(&response.headers(), &names)
        });
        if part.accepted.asked.stream {
            if let Some(stream) = response.body() {
                let mark = js_sys::Uint8Array::from(fan_out::mark(number).as_bytes());
                let _ = settled(&self.parts.stream(&mark, &stream)).await; // how it ended its meter knows
            }
            if part.meter.end() != Some(End::Done) {
                self.parts.abort(None);
            }
        } else if let Ok(body) = response.array_buffer()
            && let Ok(body) = settled(&body).await
            && let Some(answer) = self.answers.borrow_mut().get_mut(number)
        {
            *answer = js_sys::Uint8Array::new(&body).to_vec();
        }
    }

    /// One part has failed for good: the others are of no use.
    fn fail(&self, outcome: Outcome, error: &StreamError) {
        if self.parts.over() {
            return;
        }
        self.failure.borrow_mut().get_or_insert(outcome);
        let last = fan_out::error_event(self.endpoint, error);
        self.parts.abort(Some(js_sys::Uint8Array::from(last.as_slice())));
    }

    /// What becomes of a call of which nothing has gone to the client.
    fn failed(&self, call: &Call, setback: &Setback, waited: Millis) -> Outcome {
        self.parts.abort(None);
        if call.wire.left() {
            return Outcome::ClientLeft { was_sent: true };
        }
        let failure = self.failure.borrow_mut().take();
        failure.unwrap_or_else(|| {
            let detail = match setback {
                Setback::Failed { failure, detail, .. } => super::sending::describe(*failure, detail),
                _ => String::new(),
            };
            let error = ApiError::new(502, "upstream_error", format!("no answer could be made: {detail}"));
            let attempts = call.meter.trace(|trace| trace.attempts()).unwrap_or_default();
            Outcome::Failed { error, end: End::UpstreamError, attempts, waited }
        })
    }

    fn head(&self, call: &Call, overhead: Millis) -> Head {
        let head = call.head();
        let values = self.head.get().map_or("", String::as_str).lines();
        for (name, value) in HEADERS.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
            head.set(name, value);
        }
        head.set("x-edgeway-overhead-ms", &overhead.0.to_string());
        head
    }

    fn answer_stream(&self, call: &Call, opened: Opened, overhead: Millis) -> Response {
        call.meter.trace(|trace| trace.first_content(now()));
        let exchange = call.accepted.own_exchange();
        let head = self.head(call, overhead);
        head.set("content-type", exchange.stream_type());
        head.set("cache-control", "no-cache");
        let pace = Pace::of(call, &exchange, &self.patience);
        head.stream(200, &Pump::start(opened, call, None, pace))
    }

    fn answer_whole(&self, call: &Call, body: &[u8], overhead: Millis) -> Response {
        let head = self.head(call, overhead);
        head.set("content-type", "application/json");
        let meter = &call.meter;
        meter.trace(|trace| {
            head.cost(trace.cost(&Metered::default()));
            head.set("x-edgeway-attempts", &trace.attempts().to_string());
            trace.response_body(body);
            trace.first_content(now());
        });
        meter.settle(Finish::answered(200, Metered::default()));
        head.buffer(200, &js_sys::Uint8Array::from(body))
    }
}

fn too_many(endpoint: Endpoint, answers: u64) -> ApiError {
    let field = if endpoint == Endpoint::GenerateContent { "generationConfig.candidateCount" } else { "n" };
    let message = format!(
        "this model gives one answer a call: the gateway makes at most {MOST} calls of one, and `{field}` asks for {answers} answers"
    );
    ApiError::invalid(field, message)
}
