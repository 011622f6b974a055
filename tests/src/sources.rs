//! The workspace's own text, for promises about what is not in it.

use std::path::Path;

/// Crates of the workspace, by folder.
pub const CRATES: [&str; 8] =
    ["sync", "ringbuf-layout", "journal", "engine", "gateways", "tools", "benches", "tests"];

/// The workspace's root.
///
/// # Panics
/// Never: this crate lies in it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("Invariant: the crate has a parent")
}

/// Every Rust file below a folder of the workspace, with its text, by its path from the root.
///
/// # Panics
/// If a file cannot be read.
pub fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                files.push((from_root(&path), text));
            }
        }
    }
    files.sort();
    files
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The code of a line: without text in quotes and what follows `//`.
pub fn code(line: &str) -> String {
    let mut code = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let line = line.replace("'\"'", "");
    for (at, c) in line.char_indices() {
        if !quoted && line[at..].starts_with("//") {
            break;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        } else if !quoted {
            code.push(c);
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    code
}

/// True if `word` stands in `code` as a word of its own.
pub fn has_word(code: &str, word: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(of_name) && !code[at + word.len()..].starts_with(of_name)
    })
}
