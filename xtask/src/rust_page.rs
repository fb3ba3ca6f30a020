//! The example page in Rust, with a mock server to follow.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::needs;
use crate::servers::{Servers, port};
use crate::shell::{Session, cargo, must, program, target_folder};
use crate::web::TARGET;

const PAGE: &str = "examples/rust-page";

/// Builds the page, starts the mock server and serves the page until Ctrl-C.
pub(crate) fn run(session: &mut Session) {
    let result = build().and_then(|page| serve(&page));
    session.check(result);
}

/// Builds the page; the folder it is in.
pub(crate) fn build() -> Result<PathBuf, String> {
    needs::targets(&[TARGET])?;
    let tools = needs::wasm_bindgen()?;
    let target = target_folder()?;
    must(&mut cargo(["build", "--profile", "wasm", "--target", TARGET, "-p", "rust-page"]))?;
    let folder = target.join("rust-page");
    let module = target.join(TARGET).join("wasm/rust-page.wasm");
    let mut bind = program(tools.join("wasm-bindgen"), ["--target", "web", "--no-typescript"]);
    must(bind.arg("--out-dir").arg(&folder).arg(&module))?;
    let copied = std::fs::copy(Path::new(PAGE).join("index.html"), folder.join("index.html"));
    copied.map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn serve(folder: &Path) -> Result<(), String> {
    must(&mut cargo(["build", "-p", "steadfast-mock-server"]))?;
    let server = target_folder()?.join("debug/mock-server");
    let (mock, page) = (port(8090)?, port(5174)?);
    let mut servers = Servers::default();
    let mut command = program(&server, ["serve", "--quiet", "--step=1s", "--set=docproc.clarification=wait"]);
    servers.start(command.arg(format!("--port={mock}")))?;
    servers.listens(mock)?;
    let listener = TcpListener::bind(("127.0.0.1", page)).map_err(|error| error.to_string())?;
    let query = if mock == 8090 { String::new() } else { format!("?mock=http://127.0.0.1:{mock}") };
    println!("\n  the page  http://127.0.0.1:{page}/{query}\n\nCtrl-C ends it and its mock server.");
    for connection in listener.incoming().flatten() {
        // A browser that hangs up half-way is no trouble of ours.
        let _ = answer(connection, folder);
        if !servers.run() {
            return Err("the mock server has ended".into());
        }
    }
    Ok(())
}

/// Three files are all there is.
fn answer(mut connection: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split([' ', '?']).nth(1).unwrap_or_default();
    let (name, kind) = match path {
        "/" => ("index.html", "text/html"),
        "/rust-page.js" => ("rust-page.js", "text/javascript"),
        "/rust-page_bg.wasm" => ("rust-page_bg.wasm", "application/wasm"),
        _ => return connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    };
    let body = std::fs::read(folder.join(name))?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(&body)
}
