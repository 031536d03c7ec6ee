//! The results file, `bench/results/<date>-<commit>.json`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::measure::Figure;

/// One run of the benchmark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Day, `YYYY-MM-DD`.
    pub date: String,
    /// Commit that was measured.
    pub commit: String,
    /// Machine, in one line.
    pub machine: String,
    /// Share of the machine's CPU that other programs used meanwhile, in percent.
    pub others_percent: f64,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Results {
    /// Writes the file into `folder`; its path.
    pub fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}-{}.json", self.date, self.commit));
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(path)
    }

    /// The newest results of a commit in `folder`; a prefix of the commit is enough.
    pub fn find(folder: &Path, commit: &str) -> anyhow::Result<Self> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| format!("no results in {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().contains(&format!("-{commit}")))
            .collect();
        paths.sort();
        let path = paths.pop().with_context(|| format!("no results of {commit} in {}", folder.display()))?;
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }
}
