//! Passwords: bcrypt on a blocking pool that can refuse, so that a flood of logins cannot starve anything else.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::store::io::IoRuntime;
use crate::store::users::PasswordHash;

/// Passwords waiting or being checked at once; one takes about 0.2 s, so the last waits a few seconds.
const QUEUE: usize = 64;
/// Checked at the same time: leaves a core for the relay.
const PARALLEL: usize = 2;
/// bcrypt ignores what comes after this many bytes.
const BCRYPT_BYTES: usize = 72;
/// bcrypt's cost; 10 to 14 are accepted.
const COST: u32 = 12;
const PLAIN: &str = "bcrypt";
const LONG: &str = "bcrypt-sha256";
/// Salt and digest of no known password, checked for users that do not exist so that they answer in the same time.
const DUMMY: &str = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// Why a password was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many logins at once: 503.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// bcrypt failed, or the runtime has stopped.
    #[error("password check failed")]
    Failed,
}

/// Why a new password is refused (`access.md` §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Not 8 to 128 characters.
    #[error("must have 8 to 128 characters")]
    Length,
    /// Contains NUL.
    #[error("must not contain NUL")]
    Nul,
    /// Equals the user name or e-mail.
    #[error("must differ from the user name and e-mail")]
    SameAsName,
    /// One of the words that peers ship as defaults.
    #[error("is a well-known default")]
    WellKnown,
}

/// Outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The password is right.
    pub ok: bool,
    /// It is right and should be hashed again, because its cost is lower than today's.
    pub rehash: bool,
}

/// Hashes and checks passwords. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Passwords {
    io: IoRuntime,
    cost: u32,
    queue: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// Checks a new password against the rules.
pub fn check_rules(password: &SecretString, username: &str, email: Option<&str>) -> Result<(), PasswordRule> {
    let text = password.expose_secret();
    if !(8..=128).contains(&text.chars().count()) {
        return Err(PasswordRule::Length);
    }
    if text.contains('\0') {
        return Err(PasswordRule::Nul);
    }
    if text.eq_ignore_ascii_case(username) || email.is_some_and(|email| text.eq_ignore_ascii_case(email)) {
        return Err(PasswordRule::SameAsName);
    }
    let known = ["admin", "admin123", "123456", "password", "changeme"];
    if known.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Err(PasswordRule::WellKnown);
    }
    Ok(())
}

/// What bcrypt gets: the bytes as sent, or for more than 72 of them the base64 of their SHA-256.
fn bcrypt_input(password: &str) -> (&'static str, Zeroizing<String>) {
    if password.len() <= BCRYPT_BYTES {
        return (PLAIN, Zeroizing::new(password.to_owned()));
    }
    (LONG, Zeroizing::new(STANDARD.encode(Sha256::digest(password))))
}

impl Passwords {
    /// Works on the blocking threads of this runtime.
    pub fn new(io: &IoRuntime) -> Self {
        Self::with_cost(io, COST)
    }

    /// With another cost (4 to 14); tests use a low one.
    pub fn with_cost(io: &IoRuntime, cost: u32) -> Self {
        let (queue, running) = (Arc::new(Semaphore::new(QUEUE)), Arc::new(Semaphore::new(PARALLEL)));
        Self { io: io.clone(), cost, queue, running }
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, PasswordError> {
        let cost = self.cost;
        self.blocking(move || {
            let (scheme, input) = bcrypt_input(password.expose_secret());
            let hash = bcrypt::non_truncating_hash(input.as_bytes(), cost).map_err(|_| PasswordError::Failed)?;
            Ok(PasswordHash { hash, scheme: scheme.to_owned() })
        })
        .await
    }

    /// Checks a password. Without a stored hash (no such user, or none of ours) it takes as long and is wrong.
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<PasswordHash>,
    ) -> Result<Verified, PasswordError> {
        let cost = self.cost;
        self.blocking(move || {
            let (scheme, input) = bcrypt_input(password.expose_secret());
            let Some(stored) = stored else {
                let dummy = format!("$2b${cost:02}${DUMMY}");
                // Only the time counts.
                let _ = bcrypt::verify(input.as_bytes(), &dummy);
                return Ok(Verified { ok: false, rehash: false });
            };
            let same = bcrypt::verify(input.as_bytes(), &stored.hash).map_err(|_| PasswordError::Failed)?;
            let ok = same && scheme == stored.scheme;
            let used = stored.hash.get(4..6).and_then(|digits| digits.parse::<u32>().ok());
            Ok(Verified { ok, rehash: ok && used.is_some_and(|used| used < cost) })
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| PasswordError::Overloaded)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let task = self.io.handle().spawn_blocking(move || {
            // Held until the work is done, also when the caller has left.
            let _held = (place, turn);
            work()
        });
        task.await.map_err(|_| PasswordError::Failed)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(io: &IoRuntime, work: impl Future<Output = T>) -> T {
        io.handle().block_on(work)
    }

    #[test]
    fn long_passwords_have_the_input_of_the_reference() {
        let (scheme, input) = bcrypt_input(&"x".repeat(80));
        assert_eq!((scheme, input.as_str()), (LONG, "2SnN7qfmoPRrWUSNNqb9SR34ZHzykgQFCBYu5fZDWrg="));
        assert_eq!(bcrypt_input(&"x".repeat(72)).0, PLAIN);
    }

    #[test]
    fn only_the_whole_password_is_right() {
        let io = IoRuntime::start().unwrap();
        let passwords = Passwords::with_cost(&io, 4);
        for text in ["correct horse", "пароль-密码-🔑", &"y".repeat(100)] {
            let hash = run(&io, passwords.hash(SecretString::from(text))).unwrap();
            let check = |try_: &str| run(&io, passwords.verify(SecretString::from(try_), Some(hash.clone()))).unwrap();
            assert_eq!(check(text), Verified { ok: true, rehash: false });
            assert!(!check(&format!("{text}z")).ok, "bytes after the 72nd count");
            assert!(!check(&hash.hash).ok, "a hash is no password");
        }
        assert!(!run(&io, passwords.verify(SecretString::from("any"), None)).unwrap().ok);
    }

    #[test]
    fn a_cheaper_hash_asks_to_be_renewed() {
        let io = IoRuntime::start().unwrap();
        let hash = run(&io, Passwords::with_cost(&io, 4).hash(SecretString::from("password1"))).unwrap();
        let checked = run(&io, Passwords::with_cost(&io, 5).verify(SecretString::from("password1"), Some(hash)));
        assert_eq!(checked, Ok(Verified { ok: true, rehash: true }));
    }

    #[test]
    fn the_dummy_hash_is_well_formed() {
        assert_eq!(bcrypt::verify("anything", &format!("$2b$04${DUMMY}")).ok(), Some(false));
    }

    #[test]
    fn a_full_queue_refuses() {
        let io = IoRuntime::start().unwrap();
        let passwords = Passwords::with_cost(&io, 4);
        let all = Arc::clone(&passwords.queue).try_acquire_many_owned(64).unwrap();
        let refused = run(&io, passwords.verify(SecretString::from("x"), None));
        assert_eq!(refused, Err(PasswordError::Overloaded));
        drop(all);
        assert!(run(&io, passwords.verify(SecretString::from("x"), None)).is_ok());
    }

    #[test]
    fn rules_refuse_what_the_reference_names() {
        let rule = |text: &str| check_rules(&SecretString::from(text), "operator1", Some("a@example.org"));
        assert_eq!(rule("short"), Err(PasswordRule::Length));
        assert_eq!(rule(&"x".repeat(129)), Err(PasswordRule::Length));
        assert_eq!(rule("nul\0nul\0nul"), Err(PasswordRule::Nul));
        assert_eq!(rule("Operator1"), Err(PasswordRule::SameAsName));
        assert_eq!(rule("a@example.org"), Err(PasswordRule::SameAsName));
        assert_eq!(rule("changeMe"), Err(PasswordRule::WellKnown));
        assert_eq!(rule("correct horse"), Ok(()));
    }
}
