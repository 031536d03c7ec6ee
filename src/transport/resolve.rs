//! Names to addresses: the system's resolver on the blocking pool, cached for a minute per worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

/// Answers are believed this long.
const LIFE: Duration = Duration::from_secs(60);
/// The cache is emptied at this many names; a relay calls a few dozen.
const MOST_NAMES: usize = 1_024;

/// How names are resolved; the system's resolver unless a test brings its own.
pub trait Resolve {
    /// Every address of `host`.
    fn resolve<'a>(&'a self, host: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
pub(super) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// The cache in front of a resolver. Addresses are checked after it, so a change of the rules needs no new answer.
pub(super) struct Names {
    resolver: Rc<dyn Resolve>,
    known: RefCell<HashMap<String, Answer>>,
}

/// When it came, and the addresses.
type Answer = (Instant, Rc<[IpAddr]>);

impl Names {
    pub(super) fn new(resolver: Rc<dyn Resolve>) -> Self {
        Self { resolver, known: RefCell::default() }
    }

    /// Every address of a name, at least one.
    pub(super) async fn lookup(&self, host: &str) -> io::Result<Rc<[IpAddr]>> {
        if let Some((at, addresses)) = self.known.borrow().get(host)
            && at.elapsed() < LIFE
        {
            return Ok(Rc::clone(addresses));
        }
        let found = self.resolver.resolve(host).await?;
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let addresses: Rc<[IpAddr]> = found.into();
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        known.insert(host.to_owned(), (Instant::now(), Rc::clone(&addresses)));
        Ok(addresses)
    }

    /// Asks anew next time: what the name stands for could not be reached.
    pub(super) fn forget(&self, host: &str) {
        self.known.borrow_mut().remove(host);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::advance;

    use super::*;

    struct Counting(Cell<u8>);

    impl Resolve for Counting {
        fn resolve<'a>(&'a self, host: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<IpAddr>>> {
            self.0.set(self.0.get() + 1);
            let found = if host == "none" { Vec::new() } else { vec![IpAddr::from([9, 9, 9, self.0.get()])] };
            Box::pin(async move { Ok(found) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_believed_for_a_minute() {
        let names = Names::new(Rc::new(Counting(Cell::new(0))));
        let first = names.lookup("a").await.unwrap();
        advance(LIFE - Duration::from_millis(1)).await;
        assert_eq!(names.lookup("a").await.unwrap(), first);
        advance(Duration::from_millis(1)).await;
        let second = names.lookup("a").await.unwrap();
        assert_ne!(second, first);
        names.forget("a");
        assert_ne!(names.lookup("a").await.unwrap(), second);
        assert_eq!(names.lookup("none").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
