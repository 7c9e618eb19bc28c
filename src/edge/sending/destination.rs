//! Where an attempt goes: the target with its credential, and what of a call is part of its address and headers.

use super::Sending;
use crate::dialect::Endpoint;
use crate::edge::clock::now;
use crate::edge::settings::{Destination, Remote};
use crate::edge::tokens;
use crate::edge::upstream::Setback;
use crate::error::ApiError;
use crate::log::trace_context::{self, TraceContext};
use crate::provider::sigv4::{self, Credentials};
use crate::provider::table::Auth;
use crate::provider::{ProviderError, outbound};
use crate::route::attempts::Attempt;
use crate::route::retry::Failure;
use crate::secret::Secret;
use std::rc::Rc;

impl Sending<'_> {
    /// Where this attempt goes with a token in place of its key; `None` where this kind takes keys.
    pub(super) async fn exchanged(
        &self,
        candidate: usize,
        attempt: Attempt,
        refused: Option<&Secret>,
    ) -> Result<Option<Rc<Destination>>, Setback> {
        let (call, Auth::Exchanged(exchange)) = (self.call, self.kind.auth_in(self.upstream)) else {
            return Ok(None);
        };
        let key = attempt.key.and_then(|key| self.compiled.secret(candidate, key, &call.variables));
        let Some(key) = key else { return Ok(None) };
        let isolate = &call.arrival.isolate;
        let allow_private = call.variables.allow_private_upstreams;
        let (token, own) =
            tokens::token(isolate, self.provider, exchange, &key, allow_private, refused).await?;
        let endpoint = self.at.get();
        let own = own.as_deref().filter(|_| self.provider.base_url.is_none());
        let base_url = call.compiled.snapshot.key.base_url.as_deref().or(own);
        outbound::outbound(self.provider, self.kind, Some(&token), endpoint, base_url, allow_private)
            .map(|target| Some(Rc::new(Destination::Remote(Remote::post(&target, Some(token.clone()))))))
            .map_err(|error| Setback::failed(fault(&error), error.to_string()))
    }

    /// Where this attempt goes, made once for each target.
    pub(super) fn destination(&self, candidate: usize, attempt: Attempt) -> Result<Rc<Destination>, Setback> {
        let call = self.call;
        let endpoint = self.at.get();
        self.compiled.destination((candidate, attempt.key, endpoint), || {
            if self.kind.quirks.built_in {
                return Ok(Destination::Demo);
            }
            let secret = match attempt.key {
                Some(key) => {
                    Some(self.compiled.secret(candidate, key, &call.variables).ok_or_else(|| {
                        Setback::failed(Failure::NoKey, "its key cannot be opened with this MASTER_KEY")
                    })?)
                }
                None => None,
            };
            let base_url = call.compiled.snapshot.key.base_url.as_deref();
            let allow_private = call.variables.allow_private_upstreams;
            outbound::outbound(self.provider, self.kind, secret.as_deref(), endpoint, base_url, allow_private)
                .map(|target| Destination::Remote(Remote::post(&target, secret.clone())))
                .map_err(|error| Setback::failed(fault(&error), error.to_string()))
        })
    }

    /// The destination with what is this call's own: the model where it is part of the URL, and those of the client's headers
    /// that may travel; `None` where there is nothing of that.
    pub(super) fn own_remote(&self, remote: &Remote, endpoint: Endpoint) -> Result<Option<Remote>, Setback> {
        let call = self.call;
        let mut own: Option<Remote> = None;
        let stream = call.accepted.asked.stream;
        let rest = outbound::rest_of_path(self.provider, self.kind, endpoint, self.model, stream)
            .map_err(|error| Setback::Invalid(ApiError::invalid("model", error.to_string())))?;
        if let Some(rest) = rest {
            own = Some(remote.at(&rest));
        }
        if let Some(upload) = &call.upload {
            let with_boundary = own.as_ref().unwrap_or(remote).copy();
            let _ = with_boundary.headers.set("content-type", &upload.content_type);
            own = Some(with_boundary);
        }
        let caller = call.accepted.endpoint.dialect();
        let mut has_own_headers = own.is_some() && call.upload.is_some();
        for name in outbound::forwarded(self.kind, caller, self.upstream) {
            if let Some(value) = self.forwarded(name) {
                if !has_own_headers {
                    own = Some(own.as_ref().unwrap_or(remote).copy());
                    has_own_headers = true;
                }
                if let Some(own) = &own {
                    let _ = own.headers.set(name, &value);
                }
            }
        }
        Ok(own)
    }

    /// A header of the client's that travels on. Where spans are made, the attempt's own is in its place.
    fn forwarded(&self, name: &str) -> Option<String> {
        let header = |name: &str| self.call.arrival.headers.get(name);
        if self.call.variables.telemetry.is_none() {
            return header(name);
        }
        let traceparent = header("traceparent").unwrap_or_default();
        let caller = TraceContext::read(&traceparent);
        match name {
            "traceparent" => Some(trace_context::traceparent(&self.call.arrival.id, self.count, caller)),
            "tracestate" if caller.is_none() => None,
            _ => header(name),
        }
    }

    /// The same, signed for this body, where its key is a pair of access keys that signs each request (AWS).
    pub(super) fn signed(&self, remote: &Remote, body: &[u8]) -> Option<Remote> {
        let service = self.kind.quirks.aws_service?;
        let credentials = Credentials::read(remote.secret.as_deref()?)?;
        let url = String::from(&remote.url);
        let region = self.provider.config.region.as_deref();
        let request =
            sigv4::Request { method: "POST", url: &url, content_type: Some("application/json"), body };
        let signed = remote.copy();
        for (name, value) in credentials.sign(&request, service, region, now()) {
            let _ = signed.headers.set(name, &value);
        }
        Some(signed)
    }
}

fn fault(error: &ProviderError) -> Failure {
    match error {
        ProviderError::MissingKey(_) | ProviderError::InvalidKey(_) => Failure::NoKey,
        _ => Failure::Misconfigured,
    }
}
