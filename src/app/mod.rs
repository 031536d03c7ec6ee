//! Puts the product together: builds every part, starts and stops them in order.
// LEAD: src/app is being written on branch main right now (see NOTE_FROM_LEAD.md); do not write it here, merge main instead.

pub mod signals;
