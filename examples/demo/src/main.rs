//! Five services followed live, one of them through a dropped connection.
//!
//! It starts a mock server of its own on a free port, follows a topic on each service, has the server drop a
//! connection half-way, answers the questions of two services, and checks at the end that all of it happened.

mod board;
mod interview;
mod scene;
mod screen;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use steadfast_mock_server::{MockServer, Options};

use scene::{Pace, Scene};

/// Follows five services of an embedded mock server, one through a dropped connection; 15 seconds
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Take it slowly, for people who want to look; 40 seconds
    #[arg(long)]
    slow: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let pace = if Args::parse().slow { Pace::SLOW } else { Pace::USUAL };
    match demonstrate(pace).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that was to be shown has happened.
async fn demonstrate(pace: Pace) -> scene::Outcome<bool> {
    // Both wait for a person, whom the demo plays.
    let options = Options { port: 0, quiet: true, step: pace.step, ..Options::default() }
        .with("charisma.ocr_confirm=manual")
        .with("docproc.clarification=wait");
    let server = MockServer::start(options).await?;
    let scene = Scene::new(server, pace);
    scene
        .screen
        .say(None, &format!("a mock server of all five services runs at {}", scene.server.base_url()));
    let trouble = tokio::select! {
        played = services::play(&scene) => played.err(),
        () = scene.screen.keep_moving() => None,
        () = tokio::time::sleep(pace.limit) => Some("it took too long".into()),
    };
    // What the server itself says, not only the client: each fault was applied once.
    let faults = scene.server.faults();
    scene.board().faults_applied = !faults.is_empty() && faults.iter().all(|fault| fault.applied == 1);
    scene.screen.close();
    let all = scene.board().summarise();
    if let Some(trouble) = &trouble {
        println!("  it was cut short: {trouble}");
    }
    println!("  took {:.1} s", scene.screen.elapsed().as_secs_f64());
    let Scene { server, .. } = scene;
    let _ = tokio::time::timeout(Duration::from_secs(4), server.shutdown()).await;
    Ok(all && trouble.is_none())
}
