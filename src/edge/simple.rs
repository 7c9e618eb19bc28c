//! The simple helpers: a request in their own words goes through the data plane as a conversation, and its answer comes
//! back in their words. Who calls may be a gateway key, as everywhere, or somebody who is signed in.

use super::arrival::Arrival;
use super::settings::Compiled;
use super::{data_plane, management, wire};
use crate::call::translation::InPath;
use crate::config::environment;
use crate::conversation::Losses;
use crate::dialect::translate::Target;
use crate::dialect::{Endpoint, chat, simple};
use crate::error::ApiError;
use std::rc::Rc;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response};

/// Answers a helper's request.
pub(super) async fn serve(
    arrival: Rc<Arrival>,
    request: &Request,
    query: &str,
    helper: simple::Helper,
) -> Response {
    match prepare(&arrival, request, query, helper).await {
        Ok((compiled, request)) => {
            let endpoint = Endpoint::ChatCompletions;
            let response =
                data_plane::serve_as(arrival.clone(), &request, query, endpoint, InPath::default(), compiled)
                    .await;
            answer(response).await.unwrap_or_else(|| {
                arrival.refuse(&ApiError::new(502, "upstream_error", "the answer could not be read"))
            })
        }
        Err(error) => arrival.refuse(&error),
    }
}

/// Who calls, and the same request as a conversation.
async fn prepare(
    arrival: &Arrival,
    request: &Request,
    query: &str,
    helper: simple::Helper,
) -> Result<(Rc<Compiled>, Request), ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    let compiled = match management::signed_in(arrival, request).await? {
        Some(principal) => arrival.settings().of_user(&principal.user_id, &variables).await?,
        None => data_plane::caller(arrival, &variables, query).await?,
    };
    let body = data_plane::body(arrival, request).await?;
    let body = wire::bytes(&body);
    let content_type = arrival.headers.get("content-type").unwrap_or_default();
    let asked = simple::decode(helper, &content_type, &body)?;
    let model = Some(asked.model.clone()).filter(|model| !model.is_empty());
    let of_variables =
        || environment::default_model(&compiled.snapshot, &variables, helper == simple::Helper::ExtractText);
    let Some(model) = model.or_else(|| compiled.snapshot.key.default_model.clone()).or_else(of_variables)
    else {
        let message = "model is required: this caller has no default model, and no variable names one";
        return Err(ApiError::invalid("model", message));
    };
    let target = Target { model: &model, ..Target::default() };
    let body = chat::request::encode(asked, &target, &mut Losses::default());
    let init = RequestInit::new();
    init.set_body(&js_sys::Uint8Array::from(body.as_slice()));
    init.set_signal(Some(&request.signal()));
    let request = Request::new_with_request_and_init(request, &init)
        .map_err(|_| ApiError::new(500, "internal", "the request could not be put in other words"))?;
    Ok((compiled, request))
}

/// A conversation's answer in the helper's words; what is no answer stays as it is.
async fn answer(response: Response) -> Option<Response> {
    if response.status() != 200 {
        return Some(response);
    }
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten().unwrap_or_default();
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    let decoded = chat::response::decode(&js_sys::Uint8Array::new(&buffer).to_vec()).ok()?;
    let body = simple::encode(&decoded, &header("x-edgeway-provider"), &header("x-edgeway-model"));
    let body = js_sys::Uint8Array::from(body.as_slice());
    wire::with_body(&response, &body).ok()
}
