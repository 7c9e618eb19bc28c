//! The decoder gives the same events however a stream is cut.

use super::*;
use proptest::prelude::*;

/// Name, id and data of every event.
type Seen = Vec<(Option<String>, Option<String>, String)>;

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut decoder = Decoder::default();
    let mut seen = Seen::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = |event: Event<'_>| (event.name.map(text), event.id.map(text), text(&event.data));
    for chunk in chunks {
        decoder.push(chunk).unwrap();
        while let Some(event) = decoder.next_event() {
            seen.push(own(event));
        }
    }
    seen.extend(decoder.finish().map(own));
    seen
}

const STREAM: &str = "\u{feff}: comment\n\ndata: one\n\nevent: error\nid: 7\ndata:two\ndata:  lines\n\n\n: x\ndata\n\nretry: 3\n\ndata: end";

fn expected() -> Seen {
    let of = |name: Option<&str>, id: Option<&str>, data: &str| {
        (name.map(str::to_owned), id.map(str::to_owned), data.to_owned())
    };
    vec![
        of(None, None, "one"),
        of(Some("error"), Some("7"), "two\n lines"),
        of(None, None, ""),
        of(None, None, "end"),
    ]
}

#[test]
fn every_line_ending_gives_the_same_events() {
    for ending in ["\n", "\r\n", "\r"] {
        assert_eq!(decode([STREAM.replace('\n', ending).as_bytes()]), expected(), "{ending:?}");
    }
}

#[test]
fn every_two_cuts_give_the_same_events() {
    for ending in ["\n", "\r\n", "\r"] {
        let stream = STREAM.replace('\n', ending);
        let stream = stream.as_bytes();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(decode(chunks), expected(), "{ending:?} {first} {second}");
            }
        }
        assert_eq!(decode(stream.chunks(1)), expected());
    }
}

#[test]
fn an_event_without_an_end_is_refused() {
    let mut decoder = Decoder::default();
    let chunk = vec![b'x'; MAX_EVENT / 4];
    let pushed = std::iter::from_fn(|| {
        let pushed = decoder.push(&chunk);
        assert!(decoder.next_event().is_none());
        Some(pushed)
    });
    assert!(pushed.take(8).any(|pushed| pushed == Err(TooLarge)));
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(
        stream in "(data: [a-c:]{0,3}|event: x|: c|id|é)?(\n|\r\n|\r)((data:[a-c ]{0,3}|: c)?(\n|\r\n|\r)){0,8}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(chunks), decode([bytes]));
    }

    #[test]
    fn what_is_encoded_is_decoded(name in "[a-z_.]{1,9}", text in "[a-c\n:é ]{0,12}") {
        let stream = [data(text.as_bytes()), KEEP_ALIVE.to_vec(), named(&name, text.as_bytes())].concat();
        let seen = decode([&stream[..]]);
        prop_assert_eq!(seen, vec![(None, None, text.clone()), (Some(name), None, text)]);
    }
}
