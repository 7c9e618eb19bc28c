//! A form with a file, read as it comes: what its small fields say, and where its model is, without keeping the file.
//!
//! The upstream reads the same bytes with a parser of its own, so whatever two parsers could read differently is refused:
//! the model that the gateway allowed and prices must be the one that the upstream serves. For the same reason the form
//! is read on to its end while it is sent. Form: RFC 7578; delimiters: RFC 2046, §5.1.1.

mod header;

use crate::dialect::{Asked, Endpoint, InvalidBody};
use crate::secret::hex;
use crate::usage::beside::{Beside, Estimated};
use crate::usage::estimate::Estimate;
use crate::usage::recording::Recording;
use memchr::memmem::Finder;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// The most bytes of one part's headers.
const HEADERS: usize = 8 * 1024;
/// The most bytes of a value that the gateway reads; names of models are shorter.
const VALUE: usize = 512;

/// What the fields say that were read so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// What routing asks for.
    pub asked: Asked,
    boundary: String,
    size: Option<String>,
    partial_images: u64,
    /// Pictures that are sent along.
    sources: u64,
    audio_ms: Estimated,
    /// Where the value of `model` is, in bytes of the body.
    model: Option<Range<u64>>,
}

/// A change of the body on its way: these bytes are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// What goes, in bytes of the body.
    pub range: Range<u64>,
    /// What comes in its place.
    pub bytes: Vec<u8>,
}

/// Reads one form in chunks, cut anywhere.
#[derive(Debug)]
pub struct Scanner {
    form: Form,
    estimate: Estimate,
    finder: Finder<'static>,
    /// The file, where it is sound.
    recording: Recording,
    /// Bytes of the body, as far as that is known: at most.
    most: u64,
    /// What has come and is not understood yet.
    held: Vec<u8>,
    /// Where that begins in the body.
    offset: u64,
    state: State,
    has_file: bool,
    /// Those of [`READ`] and the recording that were there.
    seen: Vec<&'static str>,
    /// Of the parts so far, and how many bytes of the content are in it.
    hash: Option<(Sha256, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Start,
    /// Behind a delimiter: another part, or the end.
    Delimiter,
    Headers,
    Content(Part),
    /// Behind the last delimiter, where nothing means anything.
    Over,
}

/// What the content of a part is to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Read when it is whole; it begins here in the body.
    Value { name: &'static str, begin: u64, value: Vec<u8> },
    /// Weighed.
    Prompt,
    /// Its length is told by its beginning and its size; it begins here in the body.
    Recording { begin: u64 },
    /// Passed over.
    Other,
}

/// The fields whose values are read.
const READ: [&str; 6] = ["model", "stream", "stream_format", "n", "size", "partial_images"];
/// The field whose file is sound, of all forms that have one.
const RECORDING: &str = "file";
/// The fields whose files are pictures.
const SOURCES: [&str; 3] = ["image", "image[]", "mask"];

impl Scanner {
    /// For a body of this `content-type`; `None` where it is no form.
    ///
    /// # Errors
    /// Where it does not say what separates the parts.
    pub fn new(content_type: &str) -> Result<Option<Scanner>, InvalidBody> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Ok(None);
        }
        let boundary = header::boundary(parameters).ok_or_else(|| {
            malformed("its content-type must have one boundary of 1 to 70 plain characters")
        })?;
        let finder = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        let asked = Asked { n: 1, ..Asked::default() };
        Ok(Some(Scanner {
            form: Form { asked, boundary: boundary.to_owned(), ..Form::default() },
            estimate: Estimate::default(),
            recording: Recording::default(),
            most: u64::MAX,
            finder,
            held: Vec::new(),
            offset: 0,
            state: State::Start,
            has_file: false,
            seen: Vec::new(),
            hash: None,
        }))
    }

    /// The body is of so many bytes at most.
    pub fn expect(&mut self, most: u64) {
        self.most = most;
    }

    /// Hashes the parts from now on; nothing may have been pushed.
    pub fn hash(&mut self) {
        self.hash = Some((Sha256::new(), 0));
    }

    /// What hashing came to, once the form is over: the same for the same parts, whatever boundary a client put between them.
    #[must_use]
    pub fn hashed(&self) -> Option<String> {
        let (hash, _) = self.hash.as_ref().filter(|_| self.state == State::Over)?;
        Some(hex(&hash.clone().finalize()))
    }

    /// Takes bytes of a part into the hash; behind its headers, and behind its content, how many they were.
    fn hash_bytes(&mut self, bytes: &[u8], is_last: bool) {
        let Some((hash, length)) = &mut self.hash else { return };
        hash.update(bytes);
        *length += bytes.len() as u64;
        if is_last {
            hash.update(std::mem::take(length).to_le_bytes());
        }
    }

    /// What was read so far.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// All that routing needs is known: the model, and a file has begun, before which clients put what is small.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.form.model.is_some() && self.has_file
    }

    /// What a limit must hold for a call to this endpoint is known. Of pictures only the end of the form tells how many there are and
    /// are asked for: clients put their fields in any order, OpenAI's own in that of its caller. A recording's beginning tells.
    #[must_use]
    pub fn has_told(&self, endpoint: Endpoint) -> bool {
        let is_recording = matches!(self.state, State::Content(Part::Recording { .. }));
        let has_recording = self.seen.contains(&RECORDING);
        match endpoint {
            _ if self.state == State::Over => true,
            endpoint if endpoint.draws() => false,
            _ => has_recording && (self.recording.has_begun() || !is_recording),
        }
    }

    /// Takes a chunk.
    ///
    /// # Errors
    /// Where this is no form, or one that could be read in two ways. The scanner is then beyond use.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), InvalidBody> {
        if self.state == State::Over {
            return Ok(());
        }
        self.held.extend_from_slice(chunk);
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while let Some(read) = self.step(held.get(at..).unwrap_or_default(), self.offset + at as u64)? {
            at += read;
        }
        self.held = held;
        self.held.drain(..at);
        self.offset += at as u64;
        Ok(())
    }

    /// The body is over.
    ///
    /// # Errors
    /// Where the form is not, or has no file.
    pub fn finish(&self) -> Result<(), InvalidBody> {
        match self.state {
            State::Over if self.has_file => Ok(()),
            State::Over => {
                Err(InvalidBody { field: Some("file".into()), message: "the form has no file".into() })
            }
            _ => Err(malformed("it ends before its last part does")),
        }
    }

    /// Understands something at the beginning of `bytes`, which are at `offset` in the body, and tells how many of them
    /// are done with; `None`: more must come.
    fn step(&mut self, bytes: &[u8], offset: u64) -> Result<Option<usize>, InvalidBody> {
        match &mut self.state {
            State::Over => Ok(None),
            State::Start => {
                let delimiter = self.finder.needle().get(2..).unwrap_or_default();
                let compared = bytes.len().min(delimiter.len());
                if bytes.get(..compared) != delimiter.get(..compared) {
                    return Err(malformed("it must begin with its boundary"));
                }
                if compared < delimiter.len() {
                    return Ok(None);
                }
                self.state = State::Delimiter;
                Ok(Some(compared))
            }
            State::Delimiter => match bytes.get(..2) {
                None => Ok(None),
                Some(b"\r\n") => {
                    self.state = State::Headers;
                    Ok(Some(2))
                }
                Some(b"--") => {
                    self.state = State::Over;
                    self.form.asked.input_tokens = self.estimate.tokens();
                    Ok(Some(bytes.len()))
                }
                Some(_) => Err(malformed("a boundary must be followed by a line end, or by two hyphens")),
            },
            State::Headers => {
                let window = bytes.get(..HEADERS.min(bytes.len())).unwrap_or_default();
                let Some(length) = memchr::memmem::find(window, b"\r\n\r\n") else {
                    return match bytes.len() < HEADERS {
                        true => Ok(None),
                        false => Err(malformed("the headers of a part are too long")),
                    };
                };
                let headers = window.get(..length).unwrap_or_default();
                let disposition = header::disposition(headers).map_err(malformed)?;
                let begin = offset + length as u64 + 4;
                self.state = State::Content(self.part(disposition, begin)?);
                self.hash_bytes(headers, true);
                Ok(Some(length + 4))
            }
            State::Content(_) => self.content(bytes),
        }
    }

    /// Begins a part.
    fn part(&mut self, disposition: header::Disposition<'_>, begin: u64) -> Result<Part, InvalidBody> {
        let header::Disposition { name, is_file } = disposition;
        if is_file {
            self.has_file = true;
            self.form.asked.input_tokens = self.estimate.tokens();
        }
        let read = READ.iter().find(|read| **read == name);
        if let Some(name) = read.copied().or_else(|| (name == RECORDING && is_file).then_some(RECORDING)) {
            // Of two models, say, the gateway might take one and the upstream the other.
            if self.seen.contains(&name) {
                let message = format!("`{name}` is there twice");
                return Err(InvalidBody { field: Some(name.into()), message });
            }
            self.seen.push(name);
        }
        self.form.sources += u64::from(is_file && SOURCES.contains(&name));
        match read {
            Some(name) if is_file => Err(InvalidBody::field(*name, "a value, not a file")),
            Some(name) => Ok(Part::Value { name, begin, value: Vec::new() }),
            None if name == "prompt" && !is_file => Ok(Part::Prompt),
            None if name == RECORDING && is_file => Ok(Part::Recording { begin }),
            None => Ok(Part::Other),
        }
    }

    /// Takes a part's content: all of it, or as much as is surely not the beginning of a delimiter.
    fn content(&mut self, bytes: &[u8]) -> Result<Option<usize>, InvalidBody> {
        let end = self.finder.find(bytes);
        let length = end.unwrap_or_else(|| (bytes.len() + 1).saturating_sub(self.finder.needle().len()));
        let content = bytes.get(..length).unwrap_or_default();
        self.hash_bytes(content, end.is_some());
        let State::Content(part) = &mut self.state else { return Ok(None) };
        match part {
            Part::Value { name, value, .. } => {
                if value.len() + content.len() > VALUE {
                    return Err(InvalidBody::field(*name, "at most 512 bytes long"));
                }
                value.extend_from_slice(content);
            }
            Part::Prompt => self.estimate.add_text(content),
            Part::Recording { begin } => {
                self.recording.add(content);
                self.form.audio_ms = match end {
                    Some(_) => self.recording.so_far(),
                    None => self.recording.of_size(self.most.saturating_sub(*begin)),
                };
            }
            Part::Other => {}
        }
        if end.is_none() {
            return Ok(Some(length).filter(|length| *length > 0));
        }
        if let State::Content(Part::Value { name, begin, value }) =
            std::mem::replace(&mut self.state, State::Delimiter)
        {
            self.form.take(name, begin, &value)?;
        }
        Ok(Some(length + self.finder.needle().len()))
    }
}

impl Form {
    /// What is asked for beside text, as far as the form has come: by a call to this endpoint.
    #[must_use]
    pub fn beside(&self, endpoint: Endpoint) -> Beside {
        match endpoint {
            endpoint if endpoint.draws() => Beside {
                sources: self.sources,
                ..Beside::images(self.asked.n.max(1), self.size.as_deref(), self.partial_images)
            },
            endpoint if endpoint.listens() => Beside { audio_ms: self.audio_ms, ..Beside::default() },
            _ => Beside::default(),
        }
    }

    fn take(&mut self, name: &'static str, begin: u64, value: &[u8]) -> Result<(), InvalidBody> {
        let text = std::str::from_utf8(value).map_err(|_| InvalidBody::field(name, "text in UTF-8"))?;
        match name {
            "model" if text.is_empty() || text.chars().any(char::is_control) => {
                return Err(InvalidBody::field(name, "a name on one line"));
            }
            "model" => {
                self.asked.model = Some(text.to_owned());
                self.model = Some(begin..begin + value.len() as u64);
            }
            "size" => self.size = Some(text.to_owned()),
            // What is no number is the upstream's to refuse.
            "partial_images" => self.partial_images = text.parse().unwrap_or_default(),
            "n" => self.asked.n = text.parse().map_err(|_| InvalidBody::field(name, "a whole number"))?,
            "stream" => self.asked.stream = matches!(text, "true" | "True" | "1"),
            _ => self.asked.stream |= text == "sse",
        }
        Ok(())
    }

    /// What makes this the model of the form; `None` where it is that already.
    ///
    /// # Errors
    /// Where the name cannot stand in the form: it would end its own part.
    pub fn with_model(&self, model: &str) -> Result<Option<Splice>, InvalidBody> {
        if model.chars().any(char::is_control) || model.contains(&format!("--{}", self.boundary)) {
            return Err(InvalidBody::field("model", "a name that can stand in a form"));
        }
        Ok(match &self.model {
            Some(_) if self.asked.model.as_deref() == Some(model) => None,
            Some(range) => Some(Splice { range: range.clone(), bytes: model.as_bytes().to_vec() }),
            None => {
                let part = "Content-Disposition: form-data; name=\"model\"";
                let bytes = format!("--{}\r\n{part}\r\n\r\n{model}\r\n", self.boundary).into_bytes();
                Some(Splice { range: 0..0, bytes })
            }
        })
    }
}

fn malformed(what: &'static str) -> InvalidBody {
    InvalidBody { field: None, message: format!("the body is not a form that can be passed on: {what}") }
}

#[cfg(test)]
mod tests;
