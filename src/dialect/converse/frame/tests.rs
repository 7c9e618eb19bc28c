//! AWS's own test vectors, headers of every type, and frames cut and changed anywhere.

use super::*;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |it: u8| u8::try_from(char::from(it).to_digit(16).unwrap()).unwrap();
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A message with these headers, each written whole.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let mut out = [word(headers.len() + payload.len() + PRELUDE + SUM), word(headers.len())].concat();
    out.extend(word(check_sum(&out)));
    out.extend([headers, payload].concat());
    out.extend(word(check_sum(&out)));
    out
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let name_length = u8::try_from(name.len()).unwrap();
    [&[name_length][..], name.as_bytes(), &[7], &length, value.as_bytes()].concat()
}

/// A message's name and payload.
type Read = Result<(Vec<u8>, Vec<u8>), Damaged>;

fn all(bytes: &[u8], size: usize) -> Vec<Read> {
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    for chunk in bytes.chunks(size) {
        frames.push(chunk);
        loop {
            match frames.next() {
                Ok(None) => break,
                Ok(Some(message)) => out.push(Ok((message.name.to_vec(), message.payload.to_vec()))),
                Err(damaged) => {
                    out.push(Err(damaged));
                    return out;
                }
            }
        }
    }
    out
}

/// Those that the SDKs of AWS share.
#[test]
fn messages_are_read_as_in_awss_test_vectors() {
    let body = b"{'foo':'bar'}";
    for (name, hex, payload) in [
        ("empty_message", "000000100000000005c248eb7d98c8ff", Ok(&b""[..])),
        (
            "int32_header",
            "0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0",
            Ok(body),
        ),
        ("payload_no_headers", "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", Ok(body)),
        (
            "payload_one_str_header",
            "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
            Ok(body),
        ),
        (
            "corrupted_headers",
            "0000003d0000002007fd83960c636f6e74656e742b747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
            Err(Damaged),
        ),
        (
            "corrupted_header_len",
            "0000003d0000012007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
            Err(Damaged),
        ),
        ("corrupted_length", "0100001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", Err(Damaged)),
        ("corrupted_payload", "0000001d00000000fd528c5a7b27666f6f273a27626172278dc3653936", Err(Damaged)),
    ] {
        let expected = payload.map(|payload| (Vec::new(), payload.to_vec()));
        for size in [1, 3, 1000] {
            assert_eq!(
                all(&bytes(hex), size),
                std::slice::from_ref(&expected),
                "{name}, {size} bytes at a time"
            );
        }
    }
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let others: [&[u8]; 9] = [
        b"\x01a\x00",
        b"\x01b\x01",
        b"\x01c\x02x",
        b"\x01d\x03xx",
        b"\x01e\x04xxxx",
        b"\x01f\x05xxxxxxxx",
        b"\x01g\x06\x00\x03xxx",
        b"\x01h\x08xxxxxxxx",
        b"\x01i\x09xxxxxxxxxxxxxxxx",
    ];
    let headers = [others.concat(), text(":event-type", "metadata"), others.concat()].concat();
    assert_eq!(all(&message(&headers, b"{}"), 7), [Ok((b"metadata".to_vec(), b"{}".to_vec()))]);
    for headers in [&b"\x01a\x0a"[..], b"\x05a", b"\x01a\x07\x00\x09x", b"\x01a"] {
        assert_eq!(all(&message(headers, b"{}"), 7), [Err(Damaged)], "{headers:?}");
    }
}

proptest! {
    #[test]
    fn messages_are_the_same_however_they_are_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6), size in 1..90_usize,
    ) {
        let sent: Vec<u8> =
            payloads.iter().flat_map(|payload| message(&text(":event-type", "x"), payload)).collect();
        let expected: Vec<_> = payloads.into_iter().map(|payload| Ok((b"x".to_vec(), payload))).collect();
        prop_assert_eq!(all(&sent, size), expected);
    }

    #[test]
    fn a_changed_byte_is_found(payload in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let mut sent = message(&text(":event-type", "x"), &payload);
        let at = at.index(sent.len());
        sent[at] ^= by;
        // A greater length only waits for more where it is possible, and its check sum says that it is not.
        prop_assert_eq!(all(&sent, 1000), [Err(Damaged)]);
    }
}
