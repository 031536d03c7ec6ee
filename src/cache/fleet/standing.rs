//! How accounts stand, and who is alive.

use actors::domain::id::AccountId;
use actors::fleet::ask::StoredStanding;
use redis::RedisResult;

use super::scripts::{BEAT, LEAD, SAVE_STANDING};
use super::{CHANNEL, DEAD_MS, Link, PREFIX};

fn standings() -> String {
    format!("{PREFIX}acct:states")
}

/// Beats an instance's heart. Returns how many live, and the mark that only a flush removes.
pub(super) async fn beat(mut link: Link, instance: &str) -> RedisResult<(u32, String)> {
    let mut call = BEAT.key(format!("{PREFIX}{{instances}}:beats"));
    call.key(format!("{PREFIX}{{instances}}:mark"));
    call.arg(instance).arg(DEAD_MS).arg(hex::encode(rand::random::<[u8; 8]>()));
    call.invoke_async(&mut link).await
}

/// Leads the periodic jobs, if nobody else does.
pub(super) async fn lead(mut link: Link, instance: &str, for_ms: i64) -> RedisResult<bool> {
    let mut call = LEAD.key(format!("{PREFIX}{{instances}}:leader"));
    call.arg(instance).arg(for_ms);
    call.invoke_async::<i64>(&mut link).await.map(|leads| leads == 1)
}

/// The standings of these accounts, or of all when none is named.
pub(super) async fn read(mut link: Link, of: Vec<AccountId>) -> RedisResult<Vec<StoredStanding>> {
    let rows: Vec<(i64, Option<String>)> = match of.is_empty() {
        true => redis::cmd("HGETALL").arg(standings()).query_async(&mut link).await?,
        false => {
            let ids: Vec<i64> = of.iter().map(|id| id.0).collect();
            let texts: Vec<Option<String>> =
                redis::cmd("HMGET").arg(standings()).arg(&ids).query_async(&mut link).await?;
            ids.into_iter().zip(texts).collect()
        }
    };
    let read = |(id, text): (i64, Option<String>)| {
        let (version, text) = text.as_deref()?.split_once('|')?;
        Some(StoredStanding { account: AccountId(id), version: version.parse().ok()?, text: text.to_owned() })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Stores a standing unless another instance was faster: then its version and text come back.
pub(super) async fn save(mut link: Link, id: AccountId, seen: i64, text: String) -> RedisResult<Option<(i64, String)>> {
    let mut call = SAVE_STANDING.key(standings());
    call.arg(id.0).arg(seen).arg(text).arg(CHANNEL).arg(format!("s:{id}"));
    let newer: Vec<redis::Value> = call.invoke_async(&mut link).await?;
    match newer.as_slice() {
        [version, text] => {
            let version = redis::from_redis_value_ref(version)?;
            Ok(Some((version, redis::from_redis_value_ref(text)?)))
        }
        _ => Ok(None),
    }
}
