//! What tests of the engine and of the product share: fake ports, builders, and an engine in virtual time.
