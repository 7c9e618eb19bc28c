//! Raw JSON without a tree: peek at the fields of an object, splice some, leave every other byte as it came.
