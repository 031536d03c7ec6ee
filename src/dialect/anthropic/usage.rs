//! Folds Anthropic's usage objects into normalised usage (`metering.md` §2.1).
