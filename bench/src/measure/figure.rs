//! One line of the table: a measured value beside its goal and floor.

use serde::{Deserialize, Serialize};

/// How a value is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// The value divided by nginx's must not be above.
    RatioToNginx,
    /// The value minus nginx's must not be above.
    AboveNginx,
    /// The value itself must not be above.
    AtMost,
    /// The value itself must not be below.
    AtLeast,
    /// Only shown.
    No,
}

/// A measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `P1` …
    pub id: String,
    /// What, in words.
    pub what: String,
    /// Unit of the values.
    pub unit: String,
    /// Median of the relay.
    pub value: f64,
    /// Median of nginx in the same run.
    pub nginx: Option<f64>,
    /// How to judge.
    pub judged: Judged,
    /// Wanted.
    pub goal: f64,
    /// Not acceptable beyond.
    pub floor: f64,
    /// The relay's value in each repetition.
    pub samples: Vec<f64>,
}

impl Figure {
    /// A figure from samples of the relay and of nginx.
    pub fn new(id: &str, what: &str, unit: &str, samples: Vec<f64>, nginx: Option<Vec<f64>>) -> Self {
        Self {
            id: id.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            value: median(&samples),
            nginx: nginx.map(|samples| median(&samples)),
            judged: Judged::No,
            goal: 0.0,
            floor: 0.0,
            samples,
        }
    }

    /// Sets how it is judged.
    pub fn against(mut self, judged: Judged, goal: f64, floor: f64) -> Self {
        (self.judged, self.goal, self.floor) = (judged, goal, floor);
        self
    }

    /// The number that is compared with goal and floor.
    pub fn compared(&self) -> f64 {
        let nginx = self.nginx.unwrap_or_default();
        match self.judged {
            Judged::RatioToNginx if nginx > 0.0 => self.value / nginx,
            Judged::AboveNginx => self.value - nginx,
            _ => self.value,
        }
    }

    /// `met`, `floor` (between goal and floor) or `MISSED`; `met` when there is no goal.
    pub fn verdict(&self) -> &'static str {
        let compared = self.compared();
        let holds = |limit: f64| match self.judged {
            Judged::No => true,
            Judged::AtLeast => compared >= limit,
            _ => compared <= limit,
        };
        match (holds(self.goal), holds(self.floor)) {
            (true, _) => "met",
            (false, true) => "floor",
            (false, false) => "MISSED",
        }
    }
}

/// The median; 0 of nothing.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let ratio =
            |value| Figure::new("P1", "", "", vec![value], Some(vec![10.0])).against(Judged::RatioToNginx, 2.0, 3.0);
        assert_eq!([20.0, 25.0, 31.0].map(|v| ratio(v).verdict()), ["met", "floor", "MISSED"]);
        let rate = |value| Figure::new("P10", "", "", vec![value], None).against(Judged::AtLeast, 25.0, 15.0);
        assert_eq!([26.0, 20.0, 10.0].map(|v| rate(v).verdict()), ["met", "floor", "MISSED"]);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
