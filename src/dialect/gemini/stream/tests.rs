//! Hard cases of streams, in and out.
