//! Calls of the routes about users, their passwords and second factors, and how they come in.

use actors::domain::time::{SECOND, Timestamp};
use quotalane::identity::totp;
use serde_json::{Value, json};

use super::world::{PASSWORD, Walk, World};

/// A person who has a second factor.
struct Enrolled {
    id: i64,
    name: String,
    session: String,
    /// Recovery codes, each of which counts once.
    codes: Vec<Value>,
}

impl World {
    /// A person whose second factor waits to be confirmed: name, id, session, and the code that confirms it.
    async fn enrolling(&self) -> (String, i64, String, Value) {
        let name = self.name();
        let (id, session) = self.person(&name).await;
        let begun = self.data_as(&session, "POST", "/users/me/2fa", &json!({})).await;
        let now = self.app.app().engine.clock.now();
        // A step before now: one that this takes long enough to leave is still taken.
        let code = totp::code_at(begun["secret"].as_str().unwrap(), Timestamp(now.0 - 30 * SECOND)).unwrap();
        (name, id, session, json!({ "code": code }))
    }

    async fn enrolled(&self) -> Enrolled {
        let (name, id, session, code) = self.enrolling().await;
        let done = self.data_as(&session, "POST", "/users/me/2fa/confirm", &code).await;
        let session = done["token"].as_str().unwrap().to_owned();
        Enrolled { id, name, session, codes: done["recovery_codes"].as_array().unwrap().clone() }
    }

    /// The ticket of a login that waits for its second step, and a code for it.
    async fn first_step(&self) -> Value {
        let person = self.enrolled().await;
        let login = json!({"username": person.name, "password": PASSWORD});
        let asked = self.call_as("", "POST", "/auth/login", &login).await.json();
        json!({"ticket": asked["metadata"]["ticket"], "code": person.codes[0]})
    }
}

pub async fn call(world: &World, method: &str, template: &str) -> Option<Walk> {
    Some(match (method, template) {
        ("POST", "/auth/login") => Walk::new(template, json!({"username": "walker", "password": PASSWORD})),
        ("POST", "/auth/register") => {
            world.data("PUT", "/configs", &json!({"registration.mode": "open"})).await;
            let email = format!("{}@example.org", world.name());
            Walk { role: None, ..Walk::new(template, json!({"email": email, "password": PASSWORD})) }
        }
        ("POST", "/auth/second-factor") => Walk::new(template, world.first_step().await),
        ("POST", "/auth/step-up") => Walk::new(template, json!({"password": PASSWORD})),
        ("PUT" | "PATCH", "/invite-codes/{id}") => {
            Walk::new(world.thing("/invite-codes").await, json!({"max_uses": 3}))
        }
        ("PUT" | "PATCH", "/users/{id}") => Walk::new(world.thing("/users").await, json!({"display_name": "W"})),
        ("POST", "/users/{id}/status") => {
            Walk::new(format!("{}/status", world.thing("/users").await), json!({"status": "inactive"}))
        }
        ("POST", "/users/{id}/password") => {
            Walk::new(format!("{}/password", world.thing("/users").await), json!({"password": "another horse"}))
        }
        ("DELETE", "/users/{id}/2fa") => Walk::new(format!("/users/{}/2fa", world.enrolled().await.id), json!({})),
        (_, path) if path.starts_with("/users/me") => return me(world, method, path).await,
        _ => return None,
    })
}

/// What people do to themselves; most of it ends their sessions, so each has a person of its own.
async fn me(world: &World, method: &str, template: &str) -> Option<Walk> {
    let name = world.name();
    Some(match (method, template) {
        ("PUT" | "PATCH", "/users/me") => Walk::new(template, json!({ "display_name": name })),
        ("POST", "/users/me/2fa") | ("DELETE", "/users/me/sessions") => {
            Walk::new(template, json!({})).of(world.person(&name).await.1)
        }
        ("POST" | "PUT", "/users/me/password") => {
            let change = json!({"old_password": PASSWORD, "password": "another horse"});
            Walk::new(template, change).of(world.person(&name).await.1)
        }
        ("POST", "/users/me/2fa/confirm") => {
            let (_, _, session, code) = world.enrolling().await;
            Walk::new(template, code).of(session)
        }
        ("POST", "/users/me/2fa/recovery-codes") | ("DELETE", "/users/me/2fa") => {
            let person = world.enrolled().await;
            Walk::new(template, json!({ "code": person.codes[0] })).of(person.session)
        }
        _ => return None,
    })
}
