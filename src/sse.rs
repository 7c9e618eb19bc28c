//! Server-sent events, incrementally: any chunking, either line ending.
