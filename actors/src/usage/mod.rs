//! Usage on its way to SQL.
pub mod messages;

/// The actor; see the module docs.
pub struct UsageActor {}

impl actix::Actor for UsageActor {
    type Context = actix::Context<Self>;
}

impl actix::Handler<messages::RecordUsage> for UsageActor {
    type Result = ();
    fn handle(&mut self, _: messages::RecordUsage, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::Flush> for UsageActor {
    type Result = ();
    fn handle(&mut self, _: messages::Flush, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::FlushFinished> for UsageActor {
    type Result = ();
    fn handle(&mut self, _: messages::FlushFinished, _: &mut Self::Context) {
        todo!()
    }
}
