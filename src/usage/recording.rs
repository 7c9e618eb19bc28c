//! How long a recording is, by its size and its first bytes: for upstreams that do not say how much they listened to, and for
//! what is held before they do.
//!
//! WAV and FLAC say it exactly, and are believed as far as it can be; an MP3 tells by the rate of its first frame; of anything else
//! the size alone does, by the rates of common encoders. Formats: <https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html>, RFC 9639 §8.2, ISO 11172-3 §2.4.2.3.

use super::beside::Estimated;

/// As much of a file as tells: a FLAC's `STREAMINFO` ends here.
const HEAD: usize = 42;
/// A voice at 48 kbit/s, bytes a second: between what telephones and studios keep.
const LIKELY_RATE: u64 = 6_000;
/// 16 kbit/s: hardly anything that a transcriber takes is smaller.
const LOWEST_RATE: u64 = 2_000;
/// Frames of an MP3 may be this much smaller than its first.
const VARIATION: u64 = 4;
/// What stands before the first chunk of a WAV.
const RIFF: usize = 12;

/// A recording, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Its first bytes, without what says nothing of its length.
    head: Vec<u8>,
    /// So many bytes are to be passed over before the head goes on.
    passing: u64,
    bytes: u64,
}

impl Recording {
    /// Takes bytes of the file.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() && self.head.len() < HEAD {
            let passed = rest.len().min(usize::try_from(self.passing).unwrap_or(usize::MAX));
            self.passing -= passed as u64;
            rest = rest.get(passed..).unwrap_or_default();
            let taken = rest.len().min(HEAD.saturating_sub(self.head.len()));
            self.head.extend_from_slice(rest.get(..taken).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
            while let Some((begin, length)) = says_nothing(&self.head) {
                let here =
                    self.head.len().saturating_sub(begin).min(usize::try_from(length).unwrap_or(usize::MAX));
                self.head.drain(begin..begin + here);
                self.passing = length - here as u64;
                if self.passing > 0 {
                    break;
                }
            }
        }
    }

    /// As much of it has come as tells.
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
        let of_wav = || wav_rate(&self.head).map(lasting);
        // Whatever it says, it is no shorter than the same bytes would be uncompressed.
        let of_flac = || flac(&self.head).map(|(ms, rate)| ms.max(lasting(rate)));
        if let Some(ms) = of_wav().or_else(of_flac) {
            return exactly(ms);
        }
        let rate = mp3_rate(&self.head);
        let lowest = rate.map_or(LOWEST_RATE, |rate| (rate / VARIATION).max(LOWEST_RATE));
        Estimated { likely: lasting(rate.unwrap_or(LIKELY_RATE)), most: lasting(lowest) }
    }
}

/// What is to be passed over in a head, where it begins and how long it is: the tags in front of an MP3
/// (<https://id3.org/id3v2.4.0-structure>, §3.1), the chunks in front of a WAV's format.
fn says_nothing(head: &[u8]) -> Option<(usize, u64)> {
    if head.starts_with(b"ID3") {
        let size = head.get(6..10)?.iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
        return Some((0, 10 + size));
    }
    let is_wave = head.starts_with(b"RIFF") && head.get(8..RIFF) == Some(b"WAVE");
    let name = head.get(RIFF..RIFF + 4).filter(|name| is_wave && *name != b"fmt ")?;
    let size = u64::from(u32::from_le_bytes(head.get(RIFF + name.len()..RIFF + 8)?.try_into().ok()?));
    Some((RIFF, 8 + size + size % 2))
}

/// Bytes a second of a WAV, as whoever plays it reckons them; the rate that it says besides is read by nobody. `None` where it is
/// compressed otherwise than by a table.
fn wav_rate(head: &[u8]) -> Option<u64> {
    const LINEAR: [u64; 5] = [1, 3, 6, 7, 0xfffe];
    let is_wave = head.starts_with(b"RIFF") && head.get(8..16) == Some(b"WAVEfmt ");
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let [format, channels, bits] = [number(20, 2)?, number(22, 2)?, number(34, 2)?];
    let rate = number(24, 4)?.saturating_mul(channels).saturating_mul(bits) / 8;
    // Beyond eight channels of 192 kHz in 32 bits nobody records.
    Some(rate).filter(|rate| is_wave && LINEAR.contains(&format) && (1_000..=6_144_000).contains(rate))
}

/// The length that a FLAC's first block says, ms, and the bytes a second of its sound when it is uncompressed; a stream may leave
/// its length open.
fn flac(head: &[u8]) -> Option<(u64, u64)> {
    let packed: [u8; 8] = head.get(18..26)?.try_into().ok()?;
    let packed = u64::from_be_bytes(packed);
    let (rate, samples) = (packed >> 44, packed & 0xf_ffff_ffff);
    let (channels, bits) = ((packed >> 41 & 0x7) + 1, (packed >> 36 & 0x1f) + 1);
    let is_told = head.starts_with(b"fLaC") && rate > 0 && samples > 0;
    is_told.then(|| ((samples * 1000).div_ceil(rate), rate * channels * bits.div_ceil(8)))
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

    /// Mono, 16 bit, 16 kHz, whatever rate it says.
    fn wav(says: u32) -> Vec<u8> {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(16_000_u32.to_le_bytes());
        wav.extend(says.to_le_bytes());
        wav.extend(b"\x02\0\x10\0data\0\0");
        wav
    }

    fn flac(samples: u64) -> Vec<u8> {
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        flac.extend(((44_100_u64 << 44) | (0xf_u64 << 36) | samples).to_be_bytes());
        flac
    }

    #[test]
    fn what_says_its_length_is_believed() {
        assert_eq!(of(&wav(32_000), 320_000), Estimated { likely: 10_000, most: 10_000 });
        assert_eq!(of(&flac(44_100 * 3), 5), Estimated { likely: 3_000, most: 3_000 });
    }

    #[test]
    fn what_says_that_it_is_shorter_than_it_can_be_is_not() {
        assert_eq!(of(&wav(6_144_000), 320_000).likely, 10_000);
        assert_eq!(of(&flac(1), 882_000).likely, 10_000);
        let mut compressed = wav(6_144_000);
        compressed[20] = 0x55;
        assert_eq!(of(&compressed, 60_000), Estimated { likely: 10_000, most: 30_000 });
    }

    #[test]
    fn what_stands_in_front_is_passed_over_wherever_it_is_cut() {
        let mp3 =
            [b"ID3\x04\0\0\0\0\x01\x02".as_slice(), &[7; 130], &[0xff, 0xfb, 0x90, 0], &[0; 60]].concat();
        let plain = wav(32_000);
        let (riff, rest) = plain.split_at(RIFF);
        let wav = [riff, b"JUNK\x03\0\0\0abc\0", b"bext\0\0\0\0", rest, &[0; 60]].concat();
        for (file, likely) in [(mp3, 10_000), (wav, 5_000)] {
            for size in 1..file.len() {
                let mut recording = Recording::default();
                file.chunks(size).for_each(|chunk| recording.add(chunk));
                assert_eq!(recording.of_size(160_000).likely, likely, "in pieces of {size}");
            }
        }
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
