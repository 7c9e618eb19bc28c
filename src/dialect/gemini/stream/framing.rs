//! How the pieces of a stream are set apart: as events, or as elements of one array.

/// The frame of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    is_array: bool,
    has_begun: bool,
}

impl Framing {
    pub(super) fn new(is_array: bool) -> Framing {
        Framing { is_array, has_begun: false }
    }

    pub(super) fn is_array(self) -> bool {
        self.is_array
    }

    /// Writes what stands before a piece.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        let before: &[u8] = match (self.is_array, self.has_begun) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b",\n",
        };
        out.extend_from_slice(before);
        self.has_begun = true;
    }

    /// Writes what stands behind a piece.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if !self.is_array {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    /// Writes what stands behind the last piece.
    pub(super) fn close(self, out: &mut Vec<u8>) {
        match (self.is_array, self.has_begun) {
            (true, true) => out.push(b']'),
            (true, false) => out.extend_from_slice(b"[]"),
            (false, _) => {}
        }
    }
}
