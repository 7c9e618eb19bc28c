//! *Where and how is it sent?* The provider table, URLs, authentication, outbound requests.
