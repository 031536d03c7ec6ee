//! News of other instances: one subscription, renewed for as long as somebody hears.

use std::time::Duration;

use actors::domain::id::{AccountId, KeyId, UserId};
use actors::fleet::ask::News;
use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedSender;

use super::{CHANNEL, Redis};

/// Pause before a lost subscription is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Listens until nobody hears any more.
pub(super) fn listen(redis: &Redis, tell: UnboundedSender<News>) {
    let redis = redis.clone();
    redis.io().clone().spawn(async move {
        while !tell.is_closed() {
            if let Err(error) = hear(&redis, &tell).await {
                tracing::debug!(kind = ?error.kind(), "news of other instances cannot be heard");
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
}

/// Hears until the connection ends. What was published before is lost, which is news too.
async fn hear(redis: &Redis, tell: &UnboundedSender<News>) -> redis::RedisResult<()> {
    let mut listener = redis.listener().await?;
    listener.subscribe(CHANNEL).await?;
    let _ = tell.send(News::Missed);
    let mut messages = listener.on_message();
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = tell.closed() => return Ok(()),
        };
        let Some(message) = message else { return Ok(()) };
        if let Some(news) = read(&message.get_payload::<String>()?) {
            let _ = tell.send(news);
        }
    }
}

fn read(text: &str) -> Option<News> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "a" => Some(News::AccountSlot(AccountId(rest.parse().ok()?))),
        "s" => Some(News::Standing(AccountId(rest.parse().ok()?))),
        "k" => {
            let (user, key) = rest.split_once(':')?;
            Some(News::KeySlot(UserId(user.parse().ok()?), KeyId(key.parse().ok()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_read_and_noise_is_not() {
        assert_eq!(read("a:7"), Some(News::AccountSlot(AccountId(7))));
        assert_eq!(read("k:3:12"), Some(News::KeySlot(UserId(3), KeyId(12))));
        assert_eq!(read("s:9"), Some(News::Standing(AccountId(9))));
        assert_eq!((read("x:1"), read("a:"), read("")), (None, None, None));
    }
}
