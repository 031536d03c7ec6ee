//! The management API of a test's server.

use quotalane::identity::token::Tokens;
use quotalane::store::users::{self, Role, UserConfig};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::app::{JWT_SECRET, TestApp};
use super::client::{Answer, Call};

impl TestApp {
    /// A session of a new super_admin. Skips the password, which takes a second to hash.
    pub async fn super_admin(&self) -> String {
        self.another_super_admin("chief").await
    }

    /// The same under a name of its own.
    pub async fn another_super_admin(&self, name: &str) -> String {
        self.session_of(name, Role::SuperAdmin).await
    }

    /// A session of a new user with a role.
    pub async fn session_of(&self, name: &str, role: Role) -> String {
        let (db, clock) = (&self.app().storage.db, &self.app().engine.clock);
        let config = UserConfig { max_api_keys: 0, max_concurrency: 0, ..UserConfig::new(name, role) };
        let id = users::create(db, config, None, clock.now()).await.unwrap();
        let row = users::get(db, id).await.unwrap().unwrap();
        let tokens = Tokens::new(&JWT_SECRET.to_owned().into(), 3_600, clock.clone()).unwrap();
        self.app().lifecycle.owner_found();
        tokens.issue(&row).unwrap().0.expose_secret().to_owned()
    }

    /// A management call without a body; its data.
    pub async fn admin(&self, method: &str, path: &str, session: &str) -> Value {
        let answer = self.manage(Call::new(method, path), session).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()["data"].clone()
    }

    /// Any management call; `target` is the path behind `/api/v1`.
    pub async fn manage(&self, call: Call, session: &str) -> Answer {
        let target = format!("/api/v1{}", call.target);
        self.send(&Call { target, ..call }.header("authorization", &format!("Bearer {session}"))).await
    }
}
