//! The edge: the only place that knows the platform. It sorts events, and runs what the core decides.
#![allow(unsafe_code, reason = "the code that #[wasm_bindgen] and #[event] generate")]

mod admission;
mod alert;
mod arrival;
mod attempt;
mod catalog;
mod clock;
mod consumer;
mod count;
mod data_plane;
mod database;
mod demo;
mod fan_out;
mod isolate;
mod key_states;
mod ledger;
mod ledger_object;
mod live;
mod management;
mod models;
mod presence;
mod relay;
mod replay;
mod request_head;
mod response;
mod schedule;
mod sending;
mod settings;
mod settlement;
mod silence;
mod simple;
mod stored;
mod task;
mod telemetry;
mod tokens;
mod upload;
mod upstream;
mod wire;

use crate::call::home;
use crate::call::translation::InPath;
use crate::dialect::Endpoint;
use crate::dialect::simple::Helper;
use crate::error::ApiError;
use crate::surface::{Surface, split, surface};
use arrival::Arrival;
use request_head::RequestHead;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, worker_sys};

/// Once for each isolate.
#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Every HTTP request.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn fetch(request: Request, env: Env, context: worker_sys::Context) -> js_sys::Promise {
    task::answer(serve(request, env, Context::new(context)))
}

/// It never fails: whatever goes wrong is an answer in the caller's dialect.
async fn serve(request: Request, env: Env, context: Context) -> Response {
    let head = RequestHead::of(&request);
    let (method, url) = (head.method().to_owned(), head.url().to_owned());
    let (path, query) = split(&url);
    let arrival = Arrival::now(head, path, env, context);
    match surface(&method, path) {
        Surface::Call(endpoint) => {
            data_plane::serve(Rc::new(arrival), &request, query, endpoint, InPath::default()).await
        }
        Surface::Generate { model, stream } => {
            let in_path = InPath::gemini(model, stream, query);
            data_plane::serve(Rc::new(arrival), &request, query, Endpoint::GenerateContent, in_path).await
        }
        Surface::CountTokens { dialect, model } => {
            count::serve(&arrival, &request, query, dialect, model).await
        }
        Surface::GenerateText => simple::serve(Rc::new(arrival), &request, query, Helper::GenerateText).await,
        Surface::ExtractText => simple::serve(Rc::new(arrival), &request, query, Helper::ExtractText).await,
        Surface::Responses(asked) => stored::serve(&arrival, query, asked).await,
        Surface::Models => models::list(&arrival, query).await,
        Surface::Model(id) => models::get(&arrival, query, id).await,
        Surface::Providers => arrival.json(&home::providers()),
        Surface::Health => match arrival.isolate.variables(&arrival.env) {
            Ok(_) => arrival.json(&crate::json::json!({ "status": "ok" })),
            Err(error) => arrival.refuse(&error),
        },
        Surface::Home => arrival.json(&home::page()),
        Surface::Document => arrival.document(),
        Surface::Docs => arrival.docs(),
        Surface::Management => management::serve(&arrival, &request, method, path, query).await,
        Surface::Live => live::serve(&arrival, &request).await,
        Surface::Preflight => arrival.preflight(),
        Surface::MethodNotAllowed(allowed) => {
            let message = format!("{method} is not allowed here; use {allowed}");
            let head = arrival.head();
            head.set("allow", allowed);
            arrival.refuse_with(&head, &ApiError::new(405, "method_not_allowed", message))
        }
        Surface::Unknown => {
            let message = format!("there is nothing at {method} {path}; see / for what there is");
            arrival.refuse(&ApiError::new(404, "not_found", message))
        }
    }
}

/// A batch of log records. It never fails: a failed queue event would take the whole isolate with it.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub async fn queue(batch: consumer::Batch, env: Env, _: worker_sys::Context) {
    consumer::consume(&batch, &env).await;
}

/// The clock.
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    schedule::run(&event.cron(), &env).await;
}
