//! A small `multipart/form-data` body (RFC 7578), whole in memory: the form in which a browser or `curl -F` sends an image.

use memchr::memmem;

/// One field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its media type; `None` where the form does not say, which is text.
    pub content_type: Option<&'a str>,
    /// It is a file.
    pub is_file: bool,
    /// Its value.
    pub value: &'a [u8],
}

/// The fields of a body of this `content-type`; `None` where it is no such form.
#[must_use]
pub fn fields<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Field<'a>>> {
    let (media_type, parameters) = content_type.split_once(';')?;
    let boundary = parameters.split(';').find_map(|one| one.trim().strip_prefix("boundary="))?;
    let boundary = boundary.trim_matches('"');
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") || boundary.is_empty() {
        return None;
    }
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n{opening}");
    let mut rest = body.get(memmem::find(body, opening.as_bytes())? + opening.len()..)?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n")?;
        let end = memmem::find(part, delimiter.as_bytes())?;
        let (whole, after) = part.split_at_checked(end)?;
        fields.push(field(whole)?);
        rest = after.get(delimiter.len()..)?;
    }
    Some(fields)
}

fn field(part: &[u8]) -> Option<Field<'_>> {
    let at = memmem::find(part, b"\r\n\r\n")?;
    let (head, value) = (part.get(..at)?, part.get(at + 4..)?);
    let mut field = Field { name: "", content_type: None, is_file: false, value };
    for line in std::str::from_utf8(head).ok()?.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-type") {
            field.content_type = Some(value.trim());
        } else if name.eq_ignore_ascii_case("content-disposition") {
            for parameter in value.split(';').map(str::trim) {
                field.is_file |= parameter.starts_with("filename");
                field.name =
                    parameter.strip_prefix("name=").map_or(field.name, |name| name.trim_matches('"'));
            }
        }
    }
    (!field.name.is_empty()).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_taken_apart() {
        let body = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nWhat?\r\n--b\r\n\
            content-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
            \x89PNG\r\n\r\n\0\r\n--b--\r\n";
        let fields = fields("multipart/form-data; boundary=\"b\"", body).unwrap();
        let text = Field { name: "prompt", content_type: None, is_file: false, value: b"What?" };
        let file = Field {
            name: "image",
            content_type: Some("image/png"),
            is_file: true,
            value: b"\x89PNG\r\n\r\n\0",
        };
        assert_eq!(fields, [text, file]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_form_or_not(body in prop::collection::vec(prop::sample::select(b"--b\r\n:x".to_vec()), 0..200)) {
            let _ = fields("multipart/form-data; boundary=b", &body);
        }
    }
}
