//! Where sessions live (`scheduling.md` §8): a session stays on its account as long as that can serve it well.

use std::collections::BTreeMap;

use actors::domain::id::{AccountId, AttemptId};
use actors::domain::key::StickyMode;
use actors::domain::route::{RouteRequest, SessionHash};
use actors::domain::settings::Settings;
use actors::domain::time::{MINUTE, Timestamp};

use super::Oracle;

/// Accounts of sessions, as far as they are certain: whoever could not serve may have been left for good or for once.
#[derive(Debug, Default)]
pub struct Homes {
    certain: BTreeMap<SessionHash, (AccountId, Timestamp)>,
}

impl Oracle {
    /// The session of this attempt may have lost its account, or got another.
    pub fn session_unsure(&mut self, attempt: AttemptId) {
        let session = self.asking.get(&attempt).and_then(|asking| asking.request.session);
        match session {
            Some(session) => drop(self.homes.certain.remove(&session)),
            // Its client has gone: it may be any.
            None => self.homes.certain.clear(),
        }
    }

    /// An account was chosen for a request with a session. Where it should have gone, if it went elsewhere.
    pub fn came_home(
        &mut self,
        now: Timestamp,
        request: &RouteRequest,
        account: AccountId,
        settings: &Settings,
    ) -> Option<AccountId> {
        let session = request.session.filter(|_| request.key.sticky_mode != StickyMode::Off)?;
        if request.key.binding(request.platform).is_some() {
            // What the key is bound to comes before its session.
            self.homes.certain.remove(&session);
            return None;
        }
        let lasts = settings.sticky_ttl_min * MINUTE;
        let known = self.homes.certain.get(&session).copied();
        let Some((home, _)) = known.filter(|(_, since)| now.since(*since) < lasts) else {
            // Bound earlier, perhaps, and not certainly over: only what is chosen for an unbound session is certain.
            if known.is_none_or(|(home, _)| home == account) && !self.seen_lately(session, now, lasts) {
                self.homes.certain.insert(session, (account, now));
            }
            return None;
        };
        if home == account {
            return None;
        }
        let good = self.facts.get(&home).is_some_and(super::facts::Facts::is_good_home);
        let could = good && self.able(now, request).any(|able| able == home);
        self.homes.certain.remove(&session);
        could.then_some(home)
    }

    /// True when the session was used so lately that an earlier binding of it may be alive.
    fn seen_lately(&self, session: SessionHash, now: Timestamp, lasts: i64) -> bool {
        let after_death = self.scheduler_died_at.unwrap_or(Timestamp(0));
        self.sessions.get(&session).is_some_and(|at| *at > after_death && now.since(*at) <= lasts)
    }
}
