//! How long a recording is, by its size and its first bytes: for upstreams that do not say how much they listened to, and for
//! what is held before they do.
//!
//! WAV and FLAC say it exactly, an MP3 by the rate of its first frame; of anything else the size alone tells, by the rates of
//! common encoders. Formats: <https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html>, RFC 9639 §8.2, ISO 11172-3 §2.4.2.3.

use super::beside::Estimated;

/// As much of a file as tells: a FLAC's `STREAMINFO` ends here.
const HEAD: usize = 42;
/// A voice at 48 kbit/s, bytes a second: between what telephones and studios keep.
const LIKELY_RATE: u64 = 6_000;
/// 16 kbit/s: hardly anything that a transcriber takes is smaller.
const LOWEST_RATE: u64 = 2_000;
/// Frames of an MP3 may be this much smaller than its first.
const VARIATION: u64 = 4;

/// A recording, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    head: Vec<u8>,
    bytes: u64,
}

impl Recording {
    /// Takes bytes of the file.
    pub fn add(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    /// Its first bytes have come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.head.len() >= HEAD
    }

    /// How long what has come is, ms.
    #[must_use]
    pub fn so_far(&self) -> Estimated {
        self.of_size(self.bytes)
    }

    /// How long it is where it is of so many bytes, ms.
    #[must_use]
    pub fn of_size(&self, bytes: u64) -> Estimated {
        let lasting = |rate: u64| bytes.saturating_mul(1000).div_ceil(rate.max(1));
        let exactly = |ms: u64| Estimated { likely: ms, most: ms };
        match self.head.get(..4) {
            Some(b"RIFF") => match wav_rate(&self.head) {
                Some(rate) => exactly(lasting(rate)),
                None => Estimated { likely: lasting(LIKELY_RATE), most: lasting(LOWEST_RATE) },
            },
            Some(b"fLaC") if flac_ms(&self.head).is_some() => {
                exactly(flac_ms(&self.head).unwrap_or_default())
            }
            _ => {
                let rate = mp3_rate(&self.head);
                let lowest = rate.map_or(LOWEST_RATE, |rate| (rate / VARIATION).max(LOWEST_RATE));
                Estimated { likely: lasting(rate.unwrap_or(LIKELY_RATE)), most: lasting(lowest) }
            }
        }
    }
}

/// Bytes a second of a WAV whose format comes first, as it does.
fn wav_rate(head: &[u8]) -> Option<u64> {
    let is_wave = head.get(8..16) == Some(b"WAVEfmt ");
    let rate = head.get(28..32)?.try_into().ok().map(u32::from_le_bytes)?;
    // Beyond eight channels of 192 kHz in 32 bits nobody records.
    Some(u64::from(rate)).filter(|rate| is_wave && (1_000..=6_144_000).contains(rate))
}

/// The length that a FLAC's first block says; a stream may leave it open.
fn flac_ms(head: &[u8]) -> Option<u64> {
    let packed: [u8; 8] = head.get(18..26)?.try_into().ok()?;
    let packed = u64::from_be_bytes(packed);
    let (rate, samples) = (packed >> 44, packed & 0xf_ffff_ffff);
    (rate > 0 && samples > 0).then(|| (samples * 1000).div_ceil(rate))
}

/// Bytes a second by an MP3's first frame.
fn mp3_rate(head: &[u8]) -> Option<u64> {
    const FIRST: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const SECOND: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [first, second, third] = head.get(..3)?.try_into().ok()?;
    let is_layer_3 = first == 0xff && second & 0xe6 == 0xe2;
    let table = if second & 0x18 == 0x18 { FIRST } else { SECOND };
    let kilobits = table.get(usize::from(third >> 4)).copied().filter(|rate| *rate > 0);
    kilobits.filter(|_| is_layer_3).map(|rate| rate * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &[u8], bytes: u64) -> Estimated {
        let mut recording = Recording::default();
        recording.add(head);
        recording.of_size(bytes)
    }

    #[test]
    fn what_says_its_length_is_believed() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(16_000_u32.to_le_bytes());
        wav.extend(32_000_u32.to_le_bytes());
        assert_eq!(of(&wav, 320_000), Estimated { likely: 10_000, most: 10_000 });

        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        flac.extend(((44_100_u64 << 44) | (0xff_u64 << 36) | (44_100 * 3)).to_be_bytes());
        assert_eq!(of(&flac, 5), Estimated { likely: 3_000, most: 3_000 });
    }

    #[test]
    fn an_mp3_is_about_as_long_as_its_first_frame_says() {
        assert_eq!(of(&[0xff, 0xfb, 0x90, 0], 160_000), Estimated { likely: 10_000, most: 40_000 });
        assert_eq!(of(&[0xff, 0xf3, 0x40, 0], 40_000), Estimated { likely: 10_000, most: 20_000 });
    }

    #[test]
    fn anything_else_is_weighed_and_nothing_is_endless() {
        for head in [&b"OggS"[..], b"", b"\xff\xff\xff\xff", b"RIFF", b"fLaC"] {
            assert_eq!(of(head, 60_000), Estimated { likely: 10_000, most: 30_000 }, "{head:?}");
        }
        let mut recording = Recording::default();
        recording.add(&[0; 30]);
        assert!(!recording.has_begun());
        recording.add(&[0; 30]);
        assert_eq!((recording.has_begun(), recording.so_far().likely), (true, 10));
    }
}
