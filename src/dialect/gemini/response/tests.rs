//! Hard cases of answers, in and out.
