//! What depends on what: the rules of ARCHITECTURE.md that a compiler does not check.

use std::collections::BTreeSet;

use crate::parts::packages;
use crate::shell::{Session, cargo, output};

/// The list stands between these two lines of ARCHITECTURE.md, an item for each package: "- `name`: why".
const FILE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- dependencies of the core: begin -->";
const END: &str = "<!-- dependencies of the core: end -->";

pub(crate) fn check(session: &mut Session) {
    session.check(core());
    session.check(mock_server());
    session.check(nobody_is_left_out());
}

/// A package that is new in the workspace is one that the other parts must learn about.
fn nobody_is_left_out() -> Result<(), String> {
    let mut command = cargo(["tree", "--workspace", "--depth", "0", "--prefix", "none", "--format", "{p}"]);
    let text = output(&mut command)?;
    let members: BTreeSet<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let unknown: Vec<_> =
        members.into_iter().filter(|name| !packages().any(|known| known == *name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("`cargo xtask test` does not know {}: add it to xtask/src/parts.rs", unknown.join(", ")))
}

/// The core without features depends on nothing beyond the list, and the list holds nothing else.
fn core() -> Result<(), String> {
    let text = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let allowed = listed(&text)?;
    let mut found = tree(&["-p", "steadfast", "--no-default-features", "-e", "normal,build"])?;
    found.remove("steadfast");
    let surplus: Vec<_> = found.difference(&allowed).map(String::as_str).collect();
    if !surplus.is_empty() {
        return Err(format!(
            "the core without features depends on {}, which the list in {FILE} does not name: make it optional, or \
             argue for it there",
            surplus.join(", ")
        ));
    }
    let unused: Vec<_> = allowed.difference(&found).map(String::as_str).collect();
    if !unused.is_empty() {
        return Err(format!("{FILE} lists {}, which the core does not use", unused.join(", ")));
    }
    println!("the core without features depends on {} packages, all of them listed", found.len());
    Ok(())
}

/// Client and server share data, not code, so that one mistake can't pass on both sides.
fn mock_server() -> Result<(), String> {
    let found = tree(&["-p", "steadfast-mock-server", "--all-features", "-e", "normal,build,dev"])?;
    if found.contains("steadfast") {
        return Err("the mock server depends on `steadfast`; the two may share golden vectors only".into());
    }
    println!("the mock server does not depend on the client");
    Ok(())
}

fn tree(arguments: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut command = cargo(["tree", "--target", "all", "--prefix", "none", "--format", "{p}"]);
    let text = output(command.args(arguments))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn listed(text: &str) -> Result<BTreeSet<String>, String> {
    let list = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (list, _) = list.ok_or_else(|| format!("{FILE} has no list between `{BEGIN}` and `{END}`"))?;
    let name = |line: &str| {
        let rest = line.trim().strip_prefix("- `")?;
        rest.split_once('`').map(|(name, _)| name.to_owned())
    };
    Ok(list.lines().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_between_its_marks() {
        let text = format!(
            "- `no`: before\n{BEGIN}\n\n- `talc`: an allocator\n- `b-c`: why\nnone\n{END}\n- `no`: after"
        );
        assert_eq!(listed(&text).unwrap().into_iter().collect::<Vec<_>>(), ["b-c", "talc"]);
        assert!(listed("nothing").is_err());
    }
}
