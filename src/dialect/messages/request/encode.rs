//! A request out of the hub.

use super::{history, settings, tools};
use crate::conversation::{Dialect, Losses, Request};
use crate::dialect::messages::block::{self, Members, Side, Writer, content_value};
use crate::dialect::messages::generation::Generation;
use crate::dialect::translate::Target;
use serde_json::Value;

/// Writes a request for an upstream of this dialect.
///
/// One that was decoded from this dialect is given back as it was, but for thoughts of other providers. Any other is fitted to
/// what the API, and the model by its name, accepts.
pub fn encode(request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    block::bytes(&members(request, target, false, losses))
}

/// The members of the body. `takes_media`: its reader takes more of media than Claude does, and chooses itself.
pub(in crate::dialect) fn members(
    request: Request,
    target: &Target<'_>,
    takes_media: bool,
    losses: &mut Losses,
) -> Members {
    let is_own = request.dialect == Dialect::Messages;
    let model = if target.model.is_empty() { request.model.as_str() } else { target.model };
    let generation = Generation::of(model);
    let mut body = Members::new();
    if !model.is_empty() {
        body.insert("model".into(), model.into());
    }
    let mut writer = Writer { side: Side::Provider, is_own, takes_media, losses, has_lost_thought: false };
    let history = if is_own {
        history::as_said(request.instructions, request.messages, &mut writer)
    } else {
        history::in_turns(request.instructions, request.messages, generation, &mut writer)
    };
    let has_lost_thought = writer.has_lost_thought;
    if !history.system.is_empty() {
        body.insert("system".into(), content_value(history.system));
    }
    body.insert("messages".into(), Value::Array(history.messages));
    let asked = settings::Asked {
        settings: request.settings,
        is_own,
        generation,
        most_tokens: target.max_output_tokens,
        can_think_by_budget: !history.ends_in_unsigned_call,
        has_lost_thought,
    };
    if is_own {
        tools::as_said(request.tools, request.tool_choice, request.parallel_tool_calls, &mut body);
        settings::as_said(asked, &mut body, losses);
        for (name, value) in request.extras {
            block::merge(&mut body, &name, value);
        }
    } else {
        let offered = tools::Offered {
            tools: request.tools,
            choice: request.tool_choice,
            parallel: request.parallel_tool_calls,
        };
        let is_forced = tools::fitted(offered, generation, &mut body, losses);
        settings::fitted(asked, is_forced, request.dialect, &mut body, losses);
        losses.note_extras("", &request.extras);
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    body
}
