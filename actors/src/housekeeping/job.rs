//! The jobs, their intervals, and the record of their runs.

use std::time::Duration;

use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, Timestamp};
use crate::ports::PortError;

/// A periodic job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Deletes rows past their retention.
    Sweep,
    /// Stores decision records worth keeping.
    KeepDecisions,
    /// Renews subscriptions, ends orders and quota whose time is over.
    Money,
    /// Beats this instance's heart.
    Heartbeat,
    /// Tests the accounts, when that is wanted.
    TestAccounts,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 5] = [Self::Sweep, Self::KeepDecisions, Self::Heartbeat, Self::Money, Self::TestAccounts];

    /// The name in metrics and the management API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::KeepDecisions => "keep_decisions",
            Self::Money => "money",
            Self::Heartbeat => "heartbeat",
            Self::TestAccounts => "test_accounts",
        }
    }

    /// True for what one instance does for all.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Sweep | Self::Money | Self::TestAccounts)
    }

    /// How often it runs, or, for what has an interval of its own, how often that is looked at. An instance whose heart has
    /// not beaten for 30 s is dead, so two beats may be lost.
    pub const fn interval(self) -> Duration {
        match self {
            Self::Sweep => Duration::from_secs(3_600),
            Self::Money => Duration::from_secs(60),
            Self::KeepDecisions | Self::Heartbeat | Self::TestAccounts => Duration::from_secs(10),
        }
    }

    /// True when the settings want it to run, given when it last did.
    pub(super) fn is_wanted(self, now: Timestamp, settings: &Settings, last: Option<Timestamp>) -> bool {
        match self {
            Self::Sweep | Self::KeepDecisions | Self::Heartbeat | Self::Money => true,
            Self::TestAccounts => {
                let interval = settings.health_check_interval_min.saturating_mul(MINUTE);
                settings.health_check_enabled && last.is_none_or(|last| now.since(last) >= interval)
            }
        }
    }
}

/// How a job has run so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobRuns {
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// What all runs handled together: rows, records or beats.
    pub handled: u64,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// Why the last run failed; `None` when it succeeded.
    pub last_error: Option<String>,
    running: bool,
}

/// The runs of every job. Survives the actor.
#[derive(Debug, Default)]
pub struct JobBook {
    runs: [JobRuns; Job::ALL.len()],
    /// This instance does what one does for all.
    leads: bool,
}

impl JobBook {
    /// The runs of one job.
    pub fn runs(&self, job: Job) -> JobRuns {
        self.runs.get(job as usize).cloned().unwrap_or_default()
    }

    /// True while this instance leads.
    pub fn leads(&self) -> bool {
        self.leads
    }

    pub(super) fn set_leads(&mut self, leads: bool) {
        self.leads = leads;
    }

    /// A new life of the actor: runs of the last one never finish.
    pub(super) fn on_start(&mut self) {
        self.runs.iter_mut().for_each(|runs| runs.running = false);
    }

    /// True when the job may start now; it then counts as running.
    pub(super) fn on_due(&mut self, job: Job) -> bool {
        self.runs.get_mut(job as usize).is_some_and(|runs| !std::mem::replace(&mut runs.running, true))
    }

    /// Records a finished run.
    pub(super) fn on_finished(&mut self, now: Timestamp, job: Job, result: Result<u64, PortError>) {
        let Some(runs) = self.runs.get_mut(job as usize) else { return };
        runs.running = false;
        match result {
            Ok(handled) => {
                runs.succeeded += 1;
                runs.handled += handled;
                runs.last_success = Some(now);
                runs.last_error = None;
            }
            Err(error) => {
                runs.failed += 1;
                runs.last_error = Some(error.to_string());
            }
        }
    }
}
