//! What happened, as a fingerprint; printed line by line when one seed is replayed.

use std::collections::BTreeMap;
use std::fmt::{Arguments, Write};

use actors::domain::time::Timestamp;

/// FNV-1a over every line.
#[derive(Debug, Clone)]
pub struct Trace {
    hash: u64,
    pub lines: u64,
    print: bool,
    /// How often something worth testing happened.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Trace {
    pub fn new(print: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: 0, print, seen: BTreeMap::new() }
    }

    pub fn note(&mut self, now: Timestamp, line: Arguments<'_>) {
        self.lines += 1;
        // Hashing never fails.
        let _ = writeln!(self, "{} {line}", now.0);
        if self.print {
            println!("{:>10} {line}", now.0 - actors::testing::START.0);
        }
    }

    /// Something happened that the faults are there for.
    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn fingerprint(&self) -> u64 {
        self.hash
    }
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        Ok(())
    }
}
