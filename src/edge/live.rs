//! `/api/logs/live`: a WebSocket to the one object that hears of every stored call, and that object.
//!
//! Its sockets hibernate: an object that nobody watches, or where nothing happens, costs nothing.

use super::arrival::Arrival;
use super::clock::now;
use super::database::Database;
use super::management::caller;
use super::response::Head;
use super::task::settled;
use crate::auth::Principal;
use crate::error::ApiError;
use crate::log::live;
use crate::store::Store;
use js_sys::JsString;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::{
    DurableObject, Env, Request, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object,
};

#[wasm_bindgen(module = "/src/edge/live.js")]
extern "C" {
    #[wasm_bindgen(js_name = watch)]
    fn watch_within(env: &JsValue, scope: &str, protocol: Option<&str>) -> js_sys::Promise;
    #[wasm_bindgen(js_name = publish)]
    fn publish_within(env: &JsValue, rows: &JsString) -> js_sys::Promise;
}

/// The subprotocol that is agreed on where another one carries the token.
const PROTOCOL: &str = "edgeway";
/// What that other one begins with: a page cannot set headers of a WebSocket.
const TOKEN: &str = "bearer.";
/// Who may see every call.
const ALL: &str = "all";

/// Answers a watcher. A page names its session's token as a subprotocol: `new WebSocket(url, ["edgeway", "bearer.<token>"])`.
pub(super) async fn serve(arrival: &Arrival, request: &web_sys::Request) -> Response {
    let refuse = |error: &ApiError| Head::new().management_error(error);
    let is_upgrade =
        arrival.headers.get("upgrade").is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
    if !is_upgrade {
        return refuse(&ApiError::new(
            426,
            "upgrade_required",
            "this is a WebSocket: connect with ws:// or wss://",
        ));
    }
    let protocols = arrival.headers.get("sec-websocket-protocol").unwrap_or_default();
    let token = protocols.split(',').find_map(|name| name.trim().strip_prefix(TOKEN));
    let authorization = token.map(|token| format!("Bearer {token}"));
    let principal = match caller(arrival, request, authorization).await {
        Ok(principal) => principal,
        Err(error) => return refuse(&error),
    };
    match settled(&watch_within(&arrival.env, &scope(&principal), token.map(|_| PROTOCOL))).await {
        Ok(response) => response.unchecked_into(),
        Err(_) => {
            refuse(&ApiError::new(503, "live_unavailable", "the binding LIVE is missing or does not answer"))
        }
    }
}

fn scope(principal: &Principal) -> String {
    principal.scope().map_or_else(|| ALL.to_owned(), of_user)
}

fn of_user(id: &str) -> String {
    format!("user:{id}")
}

/// Tells watchers of records that were stored. Whether anybody hears it does not concern the record.
pub(super) async fn publish(env: &Env, rows: &JsString) {
    let _ = settled(&publish_within(env, rows)).await;
}

/// The object.
#[durable_object(websocket)]
pub struct LiveObject {
    state: State,
    env: Env,
}

impl DurableObject for LiveObject {
    fn new(state: State, env: Env) -> Self {
        LiveObject { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<worker::Response> {
        if let Some(scope) = request.headers().get("x-edgeway-scope")? {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            self.state.accept_websocket_with_tags(&server, &[scope.as_str()]);
            return worker::Response::from_websocket(client);
        }
        if !self.state.get_websockets().is_empty() {
            self.tell(&request.text().await?).await;
        }
        worker::Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        match message {
            WebSocketIncomingMessage::String(text) if text == "ping" => socket.send_with_str("pong"),
            _ => Ok(()),
        }
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        socket.close::<String>(Some(1000), None)
    }

    async fn websocket_error(&self, _: WebSocket, _: worker::Error) -> Result<()> {
        Ok(())
    }
}

impl LiveObject {
    async fn tell(&self, rows: &str) {
        let finished = live::finished(rows);
        let mut owners = BTreeSet::new();
        for call in &finished {
            self.send(ALL, &call.message);
            self.send(&of_user(&call.user_id), &call.message);
            owners.insert(call.user_id.as_str());
        }
        if finished.is_empty() {
            return;
        }
        self.send_totals(ALL, None).await;
        for owner in owners {
            self.send_totals(&of_user(owner), Some(owner)).await;
        }
    }

    /// Where somebody watches.
    async fn send_totals(&self, scope: &str, owner: Option<&str>) {
        if self.state.get_websockets_with_tag(scope).is_empty() {
            return;
        }
        let Ok(database) = Database::open(&self.env) else { return };
        if let Ok(Some(row)) = database.first::<Map<String, Value>>(live::sums(owner, now())).await {
            self.send(scope, &live::totals(row));
        }
    }

    /// A socket that does not take it is on its way out.
    fn send(&self, scope: &str, message: &str) {
        for socket in self.state.get_websockets_with_tag(scope) {
            let _ = socket.send_with_str(message);
        }
    }
}
