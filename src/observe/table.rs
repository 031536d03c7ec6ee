//! Metric families over closed labels: the handle of each series is resolved once and then found by its number.

use std::marker::PhantomData;
use std::sync::OnceLock;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::labels::LabelSet;

/// Families with at most this many series show them all from the start, as 0.
const SHOWN_FROM_START: usize = 200;

/// A kind of metric with its family.
pub trait Series: Clone + Send + Sync + 'static {
    /// The family of such series.
    type Family: Collector + Clone + 'static;
    /// Makes the family.
    fn family(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self::Family>;
    /// One series of the family.
    fn series(family: &Self::Family, values: &[&str]) -> Self;
}

macro_rules! series {
    ($($type:ty, $family:ty;)*) => {$(
        impl Series for $type {
            type Family = $family;

            fn family(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<$family> {
                <$family>::new(Opts::new(name, help), labels)
            }

            fn series(family: &$family, values: &[&str]) -> Self {
                family.with_label_values(values)
            }
        }
    )*};
}

series! {
    IntCounter, IntCounterVec;
    IntGauge, IntGaugeVec;
    Gauge, GaugeVec;
}

impl Series for Histogram {
    type Family = HistogramVec;

    fn family(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<HistogramVec> {
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }

    fn series(family: &HistogramVec, values: &[&str]) -> Self {
        family.with_label_values(values)
    }
}

/// A family whose series are found by number.
pub struct Table<M: Series, L: LabelSet> {
    family: M::Family,
    series: Box<[OnceLock<M>]>,
    labels: PhantomData<fn(L)>,
}

impl<M: Series, L: LabelSet> Table<M, L> {
    /// Makes and registers the family. `name` comes without the product's prefix.
    pub fn register(
        registry: &Registry,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<Self> {
        let family = M::family(&format!("quotalane_{name}"), help, labels, buckets)?;
        registry.register(Box::new(family.clone()))?;
        let series = (0..L::size()).map(|_| OnceLock::new()).collect();
        let table = Self { family, series, labels: PhantomData };
        if L::size() <= SHOWN_FROM_START {
            for index in 0..L::size() {
                table.at(index);
            }
        }
        Ok(table)
    }

    /// The series with these labels.
    pub fn get(&self, labels: L) -> &M {
        self.at(labels.index())
    }

    fn at(&self, index: usize) -> &M {
        let last = self.series.len().saturating_sub(1);
        let slot = &self.series[index.min(last)];
        slot.get_or_init(|| M::series(&self.family, &L::values(index)))
    }
}
