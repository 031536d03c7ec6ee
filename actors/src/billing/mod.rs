//! Holds and limits of keys.
pub mod messages;

/// The actor; see the module docs.
pub struct BillingActor {}

impl actix::Actor for BillingActor {
    type Context = actix::Context<Self>;
}

impl actix::Handler<messages::Admit> for BillingActor {
    type Result = ();
    fn handle(&mut self, _: messages::Admit, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::HoldsEnded> for BillingActor {
    type Result = ();
    fn handle(&mut self, _: messages::HoldsEnded, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::PermitsReturned> for BillingActor {
    type Result = ();
    fn handle(&mut self, _: messages::PermitsReturned, _: &mut Self::Context) {
        todo!()
    }
}
