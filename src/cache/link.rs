//! One server or a cluster: the same commands to either.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::OnceCell;

/// Scheme of a cluster's address: `redis-cluster://[user:password@]host:port,host:port…`; with TLS `rediss-cluster://`.
pub const CLUSTER: &str = "redis-cluster://";
/// As [`CLUSTER`], over TLS.
pub const CLUSTER_TLS: &str = "rediss-cluster://";

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// An open connection; clones share it.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    One(ConnectionManager),
    /// To a cluster.
    Many(ClusterConnection),
}

impl Link {
    /// Sends commands together and gives their answers in order. In a cluster each goes to the node that has its keys.
    pub(super) async fn all<T: FromRedisValue>(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<T>> {
        match self {
            Self::One(link) => {
                let mut pipe = redis::pipe();
                for command in commands {
                    pipe.add_command(command);
                }
                pipe.query_async(link).await
            }
            Self::Many(link) => {
                let answers = commands.iter().map(|command| {
                    let mut link = link.clone();
                    async move { command.query_async(&mut link).await }
                });
                try_join_all(answers).await
            }
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(link) => link.req_packed_command(cmd),
            Self::Many(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Many(link) => link.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(link) => link.get_db(),
            Self::Many(link) => link.get_db(),
        }
    }
}

/// Where the server is, connected to at first use. A connection reconnects by itself.
pub(super) struct Address {
    /// Of the one server, or of every known node.
    nodes: Vec<String>,
    response: Duration,
    link: OnceCell<Link>,
    one: Option<ConnectionManager>,
}

impl Address {
    /// Reads an address. Must run on the runtime that the connection shall live on.
    pub(super) fn read(url: &str, response: Duration) -> RedisResult<Self> {
        let nodes = nodes(url);
        let one = match nodes.as_slice() {
            [only] if !is_cluster(url) => {
                let config = ConnectionManagerConfig::new()
                    .set_response_timeout(Some(response))
                    .set_connection_timeout(Some(CONNECT))
                    .set_number_of_retries(1)
                    .set_max_delay(Duration::from_millis(500));
                Some(ConnectionManager::new_lazy_with_config(redis::Client::open(only.as_str())?, config)?)
            }
            _ => None,
        };
        Ok(Self { nodes, response, link: OnceCell::new(), one })
    }

    /// The connection.
    pub(super) async fn link(&self) -> RedisResult<Link> {
        if let Some(one) = &self.one {
            return Ok(Link::One(one.clone()));
        }
        let connect = || async {
            let client = ClusterClientBuilder::new(self.nodes.iter().map(String::as_str))
                .connection_timeout(CONNECT)
                .response_timeout(self.response)
                .retries(2)
                .build()?;
            Ok::<_, RedisError>(Link::Many(client.get_async_connection().await?))
        };
        self.link.get_or_try_init(connect).await.cloned()
    }

    /// A client of the first node that answers: news published anywhere in a cluster reaches every node.
    pub(super) async fn listener(&self) -> RedisResult<redis::aio::PubSub> {
        let mut last = RedisError::from((redis::ErrorKind::Client, "no node is known"));
        for node in &self.nodes {
            let client = redis::Client::open(node.as_str())?;
            match client.get_async_pubsub().await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn is_cluster(url: &str) -> bool {
    url.starts_with(CLUSTER) || url.starts_with(CLUSTER_TLS)
}

/// The nodes of a cluster's address as addresses of their own; any other address as it is.
fn nodes(url: &str) -> Vec<String> {
    let (scheme, rest) = match (url.strip_prefix(CLUSTER), url.strip_prefix(CLUSTER_TLS)) {
        (Some(rest), _) => ("redis", rest),
        (None, Some(rest)) => ("rediss", rest),
        (None, None) => return vec![url.to_owned()],
    };
    let (login, hosts) = rest.rsplit_once('@').map_or(("", rest), |(login, hosts)| (login, hosts));
    let at = if login.is_empty() { "" } else { "@" };
    let hosts = hosts.trim_end_matches('/').split(',').filter(|host| !host.is_empty());
    hosts.map(|host| format!("{scheme}://{login}{at}{host}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_s_address_names_its_nodes() {
        assert_eq!(nodes("redis://h:1/0"), ["redis://h:1/0"]);
        assert_eq!(nodes("redis-cluster://a:1,b:2"), ["redis://a:1", "redis://b:2"]);
        assert_eq!(nodes("rediss-cluster://u:p@a:1,b:2/"), ["rediss://u:p@a:1", "rediss://u:p@b:2"]);
    }
}
