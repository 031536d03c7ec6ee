//! Puts the table into the READMEs, between their markers, with how it was measured.

use anyhow::Context;

use super::{Results, markdown};

/// Where the table begins and ends in a README.
const MARKERS: (&str, &str) = ("<!-- bench:begin -->\n", "<!-- bench:end -->");

/// The READMEs with the sentence that each says about the method.
const PAPERS: [(&str, &str); 2] = [
    (
        "README.md",
        "Everything is on (key, limits, stickiness, scheduling, hold, journal, usage, prices, metrics, logs), on SQLite and \
         memory. The relay and nginx are pinned to one core, load and mock upstream to the other; medians of interleaved runs. \
         Every answer is checked, and a run whose accounting differs from what was served is void. CPU is user and system \
         time of the process tree; latencies count from the moment a request was due.",
    ),
    (
        "README.zh-CN.md",
        "所有功能均已开启（密钥、限额、会话保持、调度、预留、日志、用量、价格、指标、访问日志），使用 SQLite 和内存。中继与 nginx 绑定到同一个核，\
         负载与模拟上游绑定到另一个核；取交替运行的中位数。每个响应都会被校验，计费记录与实际服务数不一致的运行作废。CPU 为进程树的用户态与内核态\
         时间之和；延迟从请求应当发出的时刻起算。",
    ),
];

/// Replaces what is between the markers of every README in the working directory.
pub fn update(results: &Results) -> anyhow::Result<()> {
    for (path, method) in PAPERS {
        let text = std::fs::read_to_string(path).with_context(|| format!("no {path} here"))?;
        std::fs::write(path, replaced(&text, &format!("{method}\n\n{}", markdown(results)))?)?;
    }
    Ok(())
}

fn replaced(text: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(MARKERS.0).context("no bench:begin marker")?;
    let (_, after) = rest.split_once(MARKERS.1).context("no bench:end marker")?;
    Ok(format!("{before}{}{table}{}{after}", MARKERS.0, MARKERS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_part_changes() {
        let text = "a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nz\n";
        assert_eq!(replaced(text, "new\n").unwrap(), "a\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nz\n");
        assert!(replaced("no markers", "new").is_err());
    }
}
