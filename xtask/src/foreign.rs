//! Other people's programs against our server, and our client against their server: `tests/foreign`.

use std::path::Path;

use crate::needs;
use crate::shell::{Session, cargo, program, target_folder};

const FOLDER: &str = "tests/foreign";

pub(crate) fn check(session: &mut Session) {
    let folder = Path::new(FOLDER);
    let Some(target) = session.check(target_folder()) else { return };
    let node = session.check(needs::node_modules(folder));
    let python =
        session.check(needs::python(&folder.join("requirements.txt"), &target.join("foreign-python")));
    if session.run(&mut cargo(["build", "-p", "steadfast-mock-server"])).is_none() {
        return;
    }
    let server = target.join("debug/mock-server");
    if node.is_some() {
        session.run(&mut cargo([
            "test",
            "-p",
            "steadfast-tests",
            "--features",
            "foreign",
            "--test",
            "official",
        ]));
        let mut command = program("npm", ["test", "--silent"]);
        session.run(command.current_dir(folder).env("MOCK_SERVER", &server));
    }
    if let Some(python) = python {
        let mut command = program(&python, ["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        session.run(command.current_dir(folder).env("MOCK_SERVER", &server));
    }
}
