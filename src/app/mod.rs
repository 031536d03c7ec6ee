//! Puts the product together: builds every part, starts and stops them in order.

pub mod signals;
