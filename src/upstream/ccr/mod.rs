//! ccr
