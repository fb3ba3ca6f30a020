//! A machine and its outputs.

use steadfast::{
    Command, CommandId, Config, Endpoint, HostCaps, Input, Machine, Now, Output, Service, SocketId, Token,
    TokenSource, messages,
};

pub(crate) struct Rig {
    pub(crate) machine: Machine,
    pub(crate) service: Service,
    pub(crate) now: Now,
    pub(crate) outputs: Vec<Output>,
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        let service = config.service;
        let machine = Machine::new(config, HostCaps::NATIVE).unwrap();
        Self { machine, service, now: Now { mono: 1_000, unix: 1_767_225_600_000 }, outputs: Vec::new() }
    }

    pub(crate) fn dev(service: Service) -> Self {
        let mut config = Config::new(service, Endpoint::Development);
        config.token = TokenSource::Static(Token::read("opaque-token-of-some-length-0123456789"));
        Self::new(config)
    }

    pub(crate) fn take(&mut self, input: Input) -> &mut Self {
        self.machine.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> &mut Self {
        while let Some(output) = self.machine.poll() {
            self.outputs.push(output);
        }
        self
    }

    pub(crate) fn frame(&mut self, socket: SocketId, text: &str) -> u32 {
        let verdict = match messages::read(self.service, text) {
            Ok(frame) => self.machine.frame(self.now, socket, text.len(), frame.head, &frame.envelope()).0,
            Err(violation) => {
                self.machine.handle(self.now, Input::Malformed(socket, violation));
                0
            }
        };
        self.drain();
        verdict
    }

    pub(crate) fn pass(&mut self, ms: u64) -> &mut Self {
        self.now.mono += ms;
        self.now.unix += ms;
        self.take(Input::Tick)
    }

    pub(crate) fn subscribe(&mut self, topic: &str) -> &mut Self {
        self.take(Input::Command(CommandId(1), Command::Subscribe { topic: topic.into(), keep: false }))
    }

    /// Opens the socket that was asked for last and shakes hands.
    pub(crate) fn open(&mut self) -> SocketId {
        let socket = self.outputs.iter().rev().find_map(|output| match output {
            Output::Open(socket, _) => Some(*socket),
            _ => None,
        });
        let socket = socket.unwrap();
        self.take(Input::Opened(socket));
        if matches!(self.service, Service::Saga | Service::DocProc) {
            self.frame(
                socket,
                r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#,
            );
            self.frame(socket, r#"40{"sid":"b"}"#);
        }
        socket
    }
}
