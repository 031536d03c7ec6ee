//! One worker's door to the outside.

use std::rc::Rc;
use std::sync::Arc;

use super::call::{OutboundAnswer, OutboundCall};
use super::error::TransportError;
use super::guard::EgressRules;
use super::resolve::Resolve;

/// Sends calls from the thread it was made on. Cheap to clone; not `Send`.
#[derive(Clone)]
pub struct Egress(Rc<Arc<EgressRules>>);

impl Egress {
    /// A door that obeys `rules`. Call inside a `LocalSet` (an actix worker, or the [`super::EgressThread`]).
    pub fn new(rules: Arc<EgressRules>) -> Self {
        Self(Rc::new(rules))
    }

    /// The same with another resolver.
    pub fn with_resolver(rules: Arc<EgressRules>, resolver: Rc<dyn Resolve>) -> Self {
        let _ = resolver;
        Self::new(rules)
    }

    /// Sends one call and waits for the head of its answer. A kept-alive connection that turns out to be dead before any
    /// byte came is replaced once. Dropping the future cancels the call and closes its connection.
    pub async fn send(&self, call: OutboundCall) -> Result<OutboundAnswer, TransportError> {
        let _ = (call, &self.0);
        todo!()
    }
}
