//! The headers of a form and of its parts, read so strictly that every parser reads the same.

/// What a part's `content-disposition` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disposition<'a> {
    pub(super) name: &'a str,
    pub(super) is_file: bool,
}

/// The boundary among the parameters of a `content-type`; `None` where there is not exactly one that is usable.
pub(super) fn boundary(parameters: &str) -> Option<&str> {
    let mut found = None;
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("boundary") && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    let value = found?;
    let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    (matches!(value.len(), 1..=70) && value.bytes().all(is_plain)).then_some(value)
}

/// Reads a part's headers, without the blank line. The error says what is wrong with them.
pub(super) fn disposition(headers: &[u8]) -> Result<Disposition<'_>, &'static str> {
    let headers = std::str::from_utf8(headers).map_err(|_| "the headers of its parts must be UTF-8")?;
    let mut found = None;
    for line in headers.split("\r\n") {
        if line.starts_with([' ', '\t']) || line.chars().any(|char| char.is_control() && char != '\t') {
            return Err("a header of a part must be one line without control characters");
        }
        let (name, value) = line.split_once(':').ok_or("a header of a part has no colon")?;
        if name.eq_ignore_ascii_case("content-disposition") {
            if found.replace(parameters(value)?).is_some() {
                return Err("a part has two content-dispositions");
            }
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            let value = value.trim();
            if !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain)) {
                return Err("its parts must not be encoded");
            }
        }
    }
    found.ok_or("a part has no content-disposition")
}

/// `form-data; name="file"; filename="speech.mp3"`. A name in another notation (a backslash, `name*=`) is one that
/// another parser might read otherwise; a file's name may be in any.
fn parameters(value: &str) -> Result<Disposition<'_>, &'static str> {
    const UNCLEAR: &str = "the content-disposition of a part can be read in several ways";
    let (kind, mut rest) = value.split_once(';').ok_or("a part has no name")?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err("the content-disposition of a part must be form-data");
    }
    let (mut name, mut is_file) = (None, false);
    loop {
        let (key, after) = rest.split_once('=').ok_or(UNCLEAR)?;
        let value;
        (value, rest) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = quoted.split_once('"').ok_or(UNCLEAR)?;
                (value, behind.trim_start())
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (value, behind) = after.split_at(end);
                (value.trim(), behind)
            }
        };
        if value.contains(['\\', '"']) {
            return Err(UNCLEAR);
        }
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if name.is_some() => return Err(UNCLEAR),
            "name" => name = Some(value),
            "filename" | "filename*" => is_file = true,
            _ => return Err(UNCLEAR),
        }
        match rest.strip_prefix(';') {
            Some(behind) if !behind.trim().is_empty() => rest = behind,
            Some(_) => break,
            None if rest.is_empty() => break,
            None => return Err(UNCLEAR),
        }
    }
    Ok(Disposition { name: name.ok_or("a part has no name")?, is_file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_found_where_there_is_one() {
        for (parameters, expected) in [
            (" boundary=----WebKitFormBoundaryAbC", Some("----WebKitFormBoundaryAbC")),
            (" charset=utf-8; Boundary=\"a=b\"", Some("a=b")),
            (" boundary=a; boundary=b", None),
            (" boundary=\"a", None),
            (" boundary=a b", None),
            (" boundary=", None),
            ("", None),
        ] {
            assert_eq!(boundary(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn a_part_says_its_name_in_one_way_only() {
        let name = |name, is_file| Some(Disposition { name, is_file });
        for (headers, expected) in [
            ("Content-Disposition: form-data; name=\"model\"", name("model", false)),
            ("content-disposition:form-data;name=model", name("model", false)),
            (
                "Content-Type: audio/mpeg\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;name=b.mp3\"",
                name("file", true),
            ),
            ("Content-Disposition: form-data; filename*=UTF-8''a%22.mp3; name=\"file\"", name("file", true)),
            ("Content-Disposition: form-data; name=\"a%0D%0Ab\"", name("a%0D%0Ab", false)),
            ("Content-Disposition: form-data; name=\"a\\\"; name=\\\"model\"", None),
            ("Content-Disposition: form-data; name=\"a\"; name=\"model\"", None),
            ("Content-Disposition: form-data; name*=UTF-8''model", None),
            ("Content-Disposition: form-data; name=\"a\" x", None),
            ("Content-Disposition: form-data", None),
            ("Content-Disposition: attachment; name=\"a\"", None),
            ("Content-Disposition: form-data;\r\n name=\"model\"", None),
            ("Content-Disposition: form-data; name=\"a\"\nX: y", None),
            (
                "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
                None,
            ),
            ("Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64", None),
            ("Content-Type: text/plain", None),
            ("", None),
        ] {
            assert_eq!(disposition(headers.as_bytes()).ok(), expected, "{headers}");
        }
    }
}
