//! Metric families built from a snapshot, and the collector that shows the newest ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Families under construction, by name.
pub struct Families {
    prefix: &'static str,
    families: BTreeMap<&'static str, MetricFamily>,
}

/// The parts of a histogram.
pub struct Distribution<'a> {
    /// Upper bounds, in the unit of the metric.
    pub bounds: &'a [f64],
    /// Observations per bound, not counting lower ones, and a last one for everything above.
    pub counts: &'a [u64],
    /// Sum of the observations.
    pub sum: f64,
}

impl Families {
    /// None yet; `prefix` goes before every name.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, families: BTreeMap::new() }
    }

    /// One gauge.
    #[expect(clippy::cast_precision_loss, reason = "the text format knows only floats")]
    pub fn gauge(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: i64) {
        self.ratio(name, help, labels, value as f64);
    }

    /// One gauge with a fraction.
    pub fn ratio(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        self.add(name, help, MetricType::GAUGE, metric);
    }

    /// One counter.
    #[expect(clippy::cast_precision_loss, reason = "the text format knows only floats")]
    pub fn counter(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, metric);
    }

    /// One histogram.
    pub fn histogram(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], seen: &Distribution<'_>) {
        let mut histogram = Histogram::default();
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(seen.bounds.len());
        for (bound, count) in seen.bounds.iter().zip(seen.counts) {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
        histogram.set_bucket(buckets);
        histogram.set_sample_count(seen.counts.iter().sum());
        histogram.set_sample_sum(seen.sum);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.add(name, help, MetricType::HISTOGRAM, metric);
    }

    fn add(&mut self, name: &'static str, help: &str, kind: MetricType, metric: Metric) {
        let prefix = self.prefix;
        let family = self.families.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(format!("{prefix}_{name}"));
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family
        });
        family.mut_metric().push(metric);
    }
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

/// Shows the families that were published last.
#[derive(Clone)]
pub struct Exposition {
    newest: Arc<Mutex<Vec<MetricFamily>>>,
    /// A registry tells collectors apart by a description; the families themselves come and go.
    marker: Option<Desc>,
}

impl Default for Exposition {
    fn default() -> Self {
        let marker = Desc::new(
            "quotalane_engine".to_owned(),
            "families read from the engine at scrape time".to_owned(),
            Vec::new(),
            std::collections::HashMap::new(),
        );
        Self { newest: Arc::default(), marker: marker.ok() }
    }
}

impl Exposition {
    /// Replaces what is shown.
    pub fn publish(&self, families: Families) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = families.families.into_values().collect();
    }
}

impl Collector for Exposition {
    fn desc(&self) -> Vec<&Desc> {
        self.marker.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
