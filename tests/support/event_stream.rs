//! Writes `application/vnd.amazon.eventstream`, as Bedrock does.

/// A message of this type (`event`, `exception`, `error`) and name.
pub(crate) fn message(kind: &str, name: &str, payload: &str) -> Vec<u8> {
    let names = match kind {
        "event" => ":event-type",
        "exception" => ":exception-type",
        _ => ":error-code",
    };
    let mut headers = Vec::new();
    for (header, value) in [(names, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(header.len()).unwrap());
        headers.extend(header.bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.bytes());
    }
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let mut out = [word(headers.len() + payload.len() + 16), word(headers.len())].concat();
    out.extend(check_sum(&out));
    out.extend(headers);
    out.extend(payload.bytes());
    out.extend(check_sum(&out));
    out
}

fn check_sum(bytes: &[u8]) -> [u8; 4] {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step));
    (!sum).to_be_bytes()
}
