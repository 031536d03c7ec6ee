//! Reads every file and says what is in it; changes nothing, and may run beside the process that writes.

use std::fs;
use std::io;
use std::path::Path;

use super::dir::files;
use super::frame::{self, Found};
use super::line::FileName;
use super::record;
use super::status::FileReport;

/// What is in each journal file of a directory. A torn last record in the last file of a worker is what a crash (or a
/// record that is being written now) leaves; anything else that cannot be read is damage.
pub fn verify(dir: &Path) -> io::Result<Vec<FileReport>> {
    let names: Vec<FileName> = files(dir)?.into_iter().map(|(name, _)| name).collect();
    let followed = |at: usize, name: &FileName| names.get(at + 1).is_some_and(|next| next.line == name.line);
    let mut reports = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let bytes = fs::read(dir.join(name.to_string()))?;
        reports.push(examine(name.to_string(), &bytes, !followed(at, name)));
    }
    Ok(reports)
}

fn examine(file: String, bytes: &[u8], is_last: bool) -> FileReport {
    let mut report = FileReport { file, bytes: bytes.len() as u64, ..FileReport::default() };
    let mut at = 0;
    loop {
        match frame::read(bytes, at) {
            Found::End => return report,
            Found::Frame(payload, end) if record::decode(payload).is_some() => {
                report.records += 1;
                at = end;
            }
            _ => {
                let next = frame::find(bytes, at + 1, record::may_be);
                let place = if next.is_none() && is_last { &mut report.torn_at } else { &mut report.damaged_at };
                place.get_or_insert(at as u64);
                let Some(next) = next else { return report };
                at = next;
            }
        }
    }
}
