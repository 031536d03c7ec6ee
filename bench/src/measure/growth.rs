//! Whether the cost of a request grows with the number of accounts (P15).

use super::rig::{Rig, Size};
use super::{Figure, Judged, cpu, median};

/// CPU per JSON request with 1,000 more accounts, divided by the figure before.
pub async fn accounts(rig: &mut Rig, size: Size) -> anyhow::Result<Figure> {
    let few = median(&cpu::relay_json(rig, size).await?);
    let upstream = rig.mock.address;
    for index in 0..1_000 {
        let (name, credential) = (format!("more-{index}"), format!("sk-ant-api03-more-account-{index}"));
        rig.relay.add_account(&name, &credential, upstream).await?;
    }
    let ratios = cpu::relay_json(rig, size).await?.into_iter().map(|us| us / few).collect();
    Ok(Figure::new("P15", "CPU per request with 1,000 more accounts", "×", ratios, None).against(
        Judged::AtMost,
        1.1,
        1.5,
    ))
}
