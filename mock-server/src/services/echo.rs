//! Echo mode, which is no service: it has no topics and no flow. What it says is in [`super::socketio::echo`].

use axum::Router;
use serde_json::Value;

use super::Personality;
use super::socketio::echo;
use crate::connection::Frame;
use crate::world::World;

/// The server of `--echo`.
pub(crate) struct Echo;

impl Personality for Echo {
    fn routes(&self) -> Router<World> {
        echo::routes()
    }

    fn emitted(&self, _: &str, _: Option<&str>, _: Value) -> Result<Frame, String> {
        Err("echo mode has no topics to emit on: start the server without --echo".to_owned())
    }

    fn complete(&self, _: &str, _: &Value, _: &mut Frame) {}

    fn absorb(&self, _: &mut Value, _: &Frame) {}
}
