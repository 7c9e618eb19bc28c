//! Forms, whole and cut anywhere, and those that two parsers could read differently.

use super::*;
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=b0";

/// A field, or with a third item a file of that name.
fn form(parts: &[(&str, &str, Option<&str>)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value, file) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body += &format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n");
    }
    (body + "--b0--\r\n").into_bytes()
}

fn scanned(body: &[u8]) -> Result<Scanner, InvalidBody> {
    in_pieces(body, &[])
}

/// Pushes a body cut at these places.
fn in_pieces(body: &[u8], cuts: &[usize]) -> Result<Scanner, InvalidBody> {
    let mut scanner = Scanner::new(TYPE)?.unwrap();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([body.len()]) {
        scanner.push(&body[at..cut])?;
        at = cut;
    }
    scanner.finish().map(|()| scanner)
}

fn spliced(body: &[u8], splice: &Splice) -> Vec<u8> {
    let range = usize::try_from(splice.range.start).unwrap()..usize::try_from(splice.range.end).unwrap();
    [&body[..range.start], &splice.bytes, &body[range.end..]].concat()
}

#[test]
fn the_hash_is_of_the_parts_and_not_of_what_lies_between_them() {
    let parts = [("model", "m", None), ("file", "sound\r\n--b", Some("a.mp3"))];
    let hash = |content_type: &str, body: &[u8], size: usize| {
        let mut scanner = Scanner::new(content_type).unwrap().unwrap();
        scanner.hash();
        let (most, last) = body.split_at(body.len() - "--\r\n".len());
        most.chunks(size).for_each(|chunk| scanner.push(chunk).unwrap());
        assert_eq!(scanner.hashed(), None, "it is not over");
        scanner.push(last).unwrap();
        scanner.hashed().unwrap()
    };
    let body = form(&parts);
    let expected = hash(TYPE, &body, body.len());
    for size in 1..40 {
        assert_eq!(hash(TYPE, &body, size), expected, "in pieces of {size}");
    }
    let renamed = String::from_utf8(form(&parts)).unwrap().replace("--b0", "--another");
    assert_eq!(hash("multipart/form-data; boundary=another", renamed.as_bytes(), 9), expected);
    let others = [
        [("model", "m", None), ("file", "sound\r\n--c", Some("a.mp3"))],
        [("model", "m", None), ("file", "sound\r\n--b", Some("b.mp3"))],
        [("model", "n", None), ("file", "sound\r\n--b", Some("a.mp3"))],
        [("file", "sound\r\n--b", Some("a.mp3")), ("model", "m", None)],
    ];
    for other in others {
        assert_ne!(hash(TYPE, &form(&other), 7), expected, "{other:?}");
    }
    assert_eq!(scanned(&body).unwrap().hashed(), None, "nobody asked for it");
}

#[test]
fn what_is_no_form_is_left_to_others() {
    assert!(Scanner::new("application/json").unwrap().is_none());
    assert!(Scanner::new("multipart/form-data").is_err());
}

#[test]
fn the_fields_are_read_and_the_file_is_not() {
    let file = "\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nevil\r\n-";
    let body = form(&[
        ("model", "whisper-1", None),
        ("stream", "true", None),
        ("n", "2", None),
        ("prompt", "four", None),
        ("file", file, Some("a.mp3")),
    ]);
    let scanner = scanned(&body).unwrap();
    let expected =
        Asked { model: Some("whisper-1".into()), stream: true, n: 2, input_tokens: 1, ..Asked::default() };
    assert_eq!(scanner.form().asked, expected);
}

#[test]
fn what_must_be_held_is_told_by_the_end_of_a_form_of_pictures_and_the_beginning_of_a_recording() {
    let told_at = |endpoint, parts: &[(&str, &str, Option<&str>)]| {
        let (body, mut scanner) = (form(parts), Scanner::new(TYPE).unwrap().unwrap());
        let at = body.iter().position(|byte| {
            scanner.push(&[*byte]).unwrap();
            scanner.is_ready() && scanner.has_told(endpoint)
        });
        (at.unwrap(), body.len(), scanner.form().beside(endpoint))
    };
    let sound = "x".repeat(500);
    let decoy = ("decoy", "x", Some("a"));
    let (at, length, _) =
        told_at(Endpoint::ImageEdits, &[("model", "m", None), ("image", &sound, Some("a"))]);
    assert!(at > length - 5);
    let (at, length, beside) =
        told_at(Endpoint::Transcriptions, &[("model", "m", None), decoy, ("file", &sound, Some("a"))]);
    assert!(at < length - 400 && beside.audio_ms.most > 0, "{at} of {length}: {beside:?}");
    let (at, length, beside) = told_at(
        Endpoint::Translations,
        &[("model", "m", None), ("file", "short", Some("a")), ("prompt", &sound, None)],
    );
    assert!(at < length - 400 && beside.audio_ms.most > 0, "{at} of {length}: {beside:?}");
}

#[test]
fn pictures_that_are_sent_along_and_asked_for_are_counted_wherever_they_stand() {
    let body = form(&[
        ("image[]", "x", Some("1.png")),
        ("model", "m", None),
        ("image[]", "y", Some("2.png")),
        ("mask", "z", Some("m.png")),
        ("image", "no file", None),
        ("partial_images", "2", None),
        ("size", "1024x1024", None),
        ("n", "3", None),
    ]);
    let scanner = scanned(&body).unwrap();
    assert!(scanner.has_told(Endpoint::ImageEdits));
    let expected = Beside { images: 3, image_tokens: 4_362, sources: 3, ..Beside::default() };
    assert_eq!(scanner.form().beside(Endpoint::ImageEdits), expected);
}

#[test]
fn sending_may_begin_with_the_file() {
    let body = form(&[("model", "m", None), ("file", "0123456789", Some("a"))]);
    let file = memchr::memmem::find(&body, b"0123").unwrap();
    let mut scanner = Scanner::new(TYPE).unwrap().unwrap();
    scanner.push(&body[..file - 1]).unwrap();
    assert!(!scanner.is_ready());
    scanner.push(&body[file - 1..file]).unwrap();
    assert!(scanner.is_ready());
}

#[test]
fn a_model_behind_the_file_is_waited_for() {
    let body = form(&[("file", "0123456789", Some("a")), ("model", "m", None)]);
    let mut scanner = Scanner::new(TYPE).unwrap().unwrap();
    let model = memchr::memmem::find(&body, b"\r\nm\r\n").unwrap();
    scanner.push(&body[..model + 3]).unwrap();
    assert!(!scanner.is_ready());
    scanner.push(&body[model + 3..]).unwrap();
    assert!(scanner.is_ready());
}

#[test]
fn the_model_is_put_where_it_was_or_in_front() {
    let of = |body: &[u8], model| {
        let splice = scanned(body).unwrap().form().with_model(model).unwrap();
        splice.map(|splice| spliced(body, &splice))
    };
    let file = ("file", "x", Some("a"));
    let named = form(&[("model", "fast", None), file]);
    assert_eq!(of(&named, "fast"), None);
    assert_eq!(of(&named, "whisper-1"), Some(form(&[("model", "whisper-1", None), file])));
    assert_eq!(of(&form(&[file]), "whisper-1"), Some(form(&[("model", "whisper-1", None), file])));
    let form = scanned(&named).unwrap().form().clone();
    for model in ["a\r\nb", "--b0", "x--b0--"] {
        assert_eq!(form.with_model(model).unwrap_err().field.as_deref(), Some("model"), "{model}");
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let text = |parts: &[(&str, &str, Option<&str>)]| String::from_utf8(form(parts)).unwrap();
    let file = ("file", "x", Some("a"));
    let good = text(&[("model", "m", None), file]);
    for (body, field) in [
        (text(&[("model", "m", None), file, ("model", "dear", None)]), Some("model")),
        (text(&[("model", "m", Some("m.txt")), file]), Some("model")),
        (
            text(&[("model", "m", None), ("n", "1", None), ("image", "x", Some("a")), ("n", "9", None)]),
            Some("n"),
        ),
        (text(&[("model", "m", None), file, file]), Some("file")),
        (text(&[("model", "--b\r\nx", None), file]), Some("model")),
        (text(&[("model", "", None), file]), Some("model")),
        (text(&[("model", &"m".repeat(600), None), file]), Some("model")),
        (text(&[("n", "many", None), file]), Some("n")),
        (text(&[("model", "m", None)]), Some("file")),
        (good.replace("--b0--\r\n", ""), None),
        (good.replace("\r\n", "\n"), None),
        (format!("preamble\r\n{good}"), None),
        (good.replace("\r\n--b0\r\n", "\r\n--b0 \r\n"), None),
        (good.replace("name=\"model\"", "name=\"x\"; name=\"model\""), None),
        (good.replace("name=\"model\"", &format!("name=\"{}\"", "x".repeat(9_000))), None),
        (String::new(), None),
    ] {
        let error = scanned(body.as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{body}");
    }
}

#[test]
fn every_split_reads_the_same() {
    let file = "\r\n-\r\n--b\r\r\n--b1-";
    let body =
        form(&[("prompt", "Hello, world", None), ("model", "whisper-1", None), ("file", file, Some("a"))]);
    let whole = scanned(&body).unwrap();
    for cut in 0..=body.len() {
        let cut = in_pieces(&body, &[cut]).unwrap();
        assert_eq!(cut.form(), whole.form());
    }
    let every: Vec<usize> = (0..body.len()).collect();
    assert_eq!(in_pieces(&body, &every).unwrap().form(), whole.form());
}

proptest! {
    #[test]
    fn any_form_is_read_the_same_however_it_is_cut(
        content in "[ab0\r\n-]{0,60}", prompt in "[a-z \r\n-]{0,20}", model in "[a-z0-9./:-]{1,20}",
        file_first: bool, cuts in prop::collection::vec(0..400_usize, 0..6),
    ) {
        let (content, prompt) = (content.replace("--b0", ""), prompt.replace("--b0", ""));
        let file = ("file", content.as_str(), Some("a"));
        let mut parts = vec![("prompt", prompt.as_str(), None), ("model", model.as_str(), None)];
        parts.insert(if file_first { 0 } else { 2 }, file);
        let body = form(&parts);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.sort_unstable();
        let (whole, cut) = (scanned(&body).unwrap(), in_pieces(&body, &cuts).unwrap());
        prop_assert_eq!(whole.form(), cut.form());
        prop_assert_eq!(whole.form().asked.model.as_deref(), Some(model.as_str()));
        // Put elsewhere, it is still the same form but for that.
        let splice = whole.form().with_model("other").unwrap();
        let again = splice.map(|splice| spliced(&body, &splice)).unwrap_or(body);
        let again = scanned(&again).unwrap();
        prop_assert_eq!(again.form().asked.model.as_deref(), Some("other"));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), begins: bool) {
        let start: &[u8] = if begins { b"--b0\r\n" } else { b"" };
        let _ = scanned(&[start, &bytes].concat());
    }
}
