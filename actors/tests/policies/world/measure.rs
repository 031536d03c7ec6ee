//! What is noted while a run goes on, and what it comes to at the end.

use actors::domain::time::HOUR;
use actors::testing::START;

use super::{Event, LOOK_MS, World};
use crate::figures::{Figures, jain, percentile};
use crate::vendor::Upstream;

impl World {
    pub(super) fn look(&mut self) {
        let now = self.now;
        self.upstreams.iter_mut().for_each(|upstream| upstream.people(now, LOOK_MS));
        if now <= self.end {
            self.measure();
        }
        if self.is_busy() {
            self.after(LOOK_MS, Event::Look);
        }
    }

    fn measure(&mut self) {
        let dry: Vec<bool> = self.upstreams.iter().map(|upstream| upstream.is_dry(self.now)).collect();
        self.dry.iter_mut().zip(&dry).for_each(|(count, dry)| *count += u64::from(*dry));
        self.looks += 1;
        self.figures.all_dry += f64::from(u8::from(dry.iter().all(|dry| *dry)));
        if dry.iter().any(|dry| *dry) {
            let hour = self.now.since(START) as f64 / HOUR as f64;
            self.figures.first_dry_h = self.figures.first_dry_h.min(hour);
        }
    }

    pub(super) fn conclude(mut self) -> Figures {
        self.waits.sort_unstable();
        let figures = &mut self.figures;
        let looks = self.looks.max(1) as f64;
        let shares: Vec<f64> = self.upstreams.iter().map(Upstream::share_used).collect();
        figures.evenness = jain(&shares).unwrap_or(0.0);
        let parts: Vec<f64> = self.dry.iter().map(|count| *count as f64 / looks).collect();
        figures.dry = parts.iter().sum::<f64>() / parts.len() as f64;
        figures.dry_most = parts.iter().copied().fold(0.0, f64::max);
        figures.all_dry /= looks;
        figures.cost_per_turn = self.spent as f64 / 100.0 / figures.served.max(1) as f64;
        figures.wait_p50 = percentile(&self.waits, 0.5);
        figures.wait_p99 = percentile(&self.waits, 0.99);
        figures.leases_open = self.wards.iter().map(|ward| u64::from(ward.cell.ledger.borrow().slots_used())).sum();
        self.figures
    }
}
