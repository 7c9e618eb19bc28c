//! Hard cases of requests, in and out.
