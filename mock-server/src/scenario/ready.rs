//! The scenarios that are compiled in: situations to play, and what topics do by themselves.

macro_rules! files {
    ($($(#[$doc:meta])* $list:ident: $($name:literal),* $(,)?;)*) => {
        $($(#[$doc])* const $list: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".yaml")))),*];)*
    };
}

files! {
    /// The situations that are compiled in, by their names.
    READY:
        "accepts-then-drops",
        "token-expires",
        "token-refused",
        "half-open",
        "room-forgotten",
        "asked-twice",
        "second-device",
        "told-to-wait",
        "long-outage",
        "closed-politely";
    /// What topics do by themselves, by their services.
    FLOWS: "charisma", "therapybridge", "saga", "docproc", "devcontext";
}

/// Names and files of the scenarios that are compiled in.
pub fn ready_scenarios() -> &'static [(&'static str, &'static str)] {
    READY
}

/// Names and files of the default flows, one for each service: scenarios without expectations.
pub fn default_flows() -> &'static [(&'static str, &'static str)] {
    FLOWS
}

/// All of them.
pub(super) fn compiled_in() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    READY.iter().chain(FLOWS)
}

#[cfg(test)]
mod tests {
    use super::super::file::Scenario;
    use super::*;

    #[test]
    fn the_ready_scenarios_are_read_and_are_all_files_of_the_folder() {
        for (name, text) in compiled_in() {
            let scenario = Scenario::read(text).unwrap_or_else(|error| panic!("{name}.yaml: {error}"));
            let is_flow = FLOWS.iter().any(|(flow, _)| flow == name);
            assert_eq!((scenario.is_played(), scenario.is_served().is_ok()), (!is_flow, is_flow), "{name}");
            assert!(scenario.about.ends_with('.'), "{name}");
            assert!(text.starts_with("# yaml-language-server: $schema=schema.json\n"), "{name}");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|file| file.unwrap().file_name().into_string().ok());
        let mut files: Vec<_> =
            files.filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned())).collect();
        files.sort();
        let mut names: Vec<_> = compiled_in().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        assert_eq!(files, names);
    }
}
