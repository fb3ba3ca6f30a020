//! The demo page of the npm package, with a mock server to follow.

use std::path::Path;
use std::time::SystemTime;

use crate::servers::{Servers, port};
use crate::shell::{Session, cargo, program, root, target_folder};
use crate::{needs, npm};

const PAGE: &str = "sdk-wasm/npm/examples/react-vite";
/// What the packed package is made from.
const SOURCES: &[&str] = &["sdk-core/src", "sdk-wasm/src", "sdk-wasm/npm/src", "sdk-wasm/npm/package.json"];
/// Slower than usual, so that there is time to press buttons; and a server that is heard from every 2 s, because the
/// page takes 6 s of silence for a dead connection. Who looks at the page answers when it suits them.
const SERVER: &[&str] = &[
    "--step=1800ms",
    "--ping-interval=2s",
    "--ping-timeout=4s",
    "--set=charisma.heartbeat=json",
    "--set=charisma.ping_interval=2s",
    "--set=therapybridge.ping_interval=2s",
    "--set=docproc.auth=on",
    "--set=docproc.clarification=wait",
];

/// Starts the mock server and the page, and stays until one of them ends.
pub(crate) fn run(session: &mut Session) {
    if session.run(&mut cargo(["build", "-p", "steadfast-mock-server"])).is_none() || !installed(session) {
        return;
    }
    let Some(target) = session.check(target_folder()) else { return };
    let result = serve(&target.join("debug/mock-server"));
    session.check(result);
}

/// Packs the package if it is missing or older than its sources; installs it and what else the page needs.
fn installed(session: &mut Session) -> bool {
    let page = Path::new(PAGE);
    let tarball = npm::tarball();
    let packed = std::fs::metadata(&tarball).and_then(|file| file.modified()).ok();
    let fresh = packed.is_some_and(|packed| SOURCES.iter().all(|folder| newest(Path::new(folder)) <= packed));
    if !fresh && !npm::build(session, &["--no-budget"]) {
        return false;
    }
    if session.check(needs::node_modules(page)).is_none() {
        return false;
    }
    let mut install = program("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--silent"]);
    session.run(install.arg(&tarball).current_dir(page)).is_some()
}

/// Builds the page for its tests.
pub(crate) fn built(session: &mut Session) -> bool {
    let mut build = program("npm", ["run", "build", "--silent"]);
    installed(session) && session.run(build.current_dir(PAGE)).is_some()
}

fn serve(server: &Path) -> Result<(), String> {
    let (mock, page) = (port(8090)?, port(5173)?);
    let address = format!("http://127.0.0.1:{mock}");
    let mut servers = Servers::default();
    let words = ["serve", "--quiet", &format!("--port={mock}")];
    servers.start(program(server, words).args(SERVER))?;
    let vite = root().join(PAGE).join("node_modules/.bin/vite");
    let words = ["--strictPort", "--logLevel=warn", &format!("--port={page}")];
    let mut vite = program(&vite, words);
    servers.start(vite.current_dir(root().join(PAGE)).env("VITE_MOCK", &address))?;
    println!(
        "\n  the page         http://127.0.0.1:{page}/\n  the mock server  {address}/_mock/\n\nCtrl-C ends both."
    );
    servers.wait();
    Err("the mock server or the page has ended".into())
}

/// When anything in there was last changed. What a build writes is no source.
fn newest(path: &Path) -> SystemTime {
    let begin = SystemTime::UNIX_EPOCH;
    let Ok(folder) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).and_then(|file| file.modified()).unwrap_or(begin);
    };
    let sources =
        folder.flatten().map(|entry| entry.path()).filter(|path| !path.ends_with("generated/wasm.ts"));
    sources.map(|path| newest(&path)).fold(begin, SystemTime::max)
}
