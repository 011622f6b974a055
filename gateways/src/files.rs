//! Files of a source: globs, identity, and how a message names a place.

use crate::spec;
use engine::Problem;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of a file, however it was packed.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// What is wrong with a row, before file and line are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// Column, as a person names it; empty if the row as a whole is meant.
    pub column: String,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    pub(crate) fn new(column: impl Into<String>, what: impl Into<String>) -> Self {
        Self { column: column.into(), what: what.into() }
    }

    /// The problem, now that file and line are known.
    pub(crate) fn at(self, file: &str, line: u64, fix: &str) -> Problem {
        let column = if self.column.is_empty() {
            String::new()
        } else {
            format!(", column {}", self.column)
        };
        Problem::new(self.what, format!("{file}, line {line}{column}"), fix)
    }
}

/// A field's text in a message: readable whatever the bytes, and short.
pub(crate) fn quoted(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(40)]);
    let more = if text.len() > 40 { "…" } else { "" };
    format!("`{}{more}`", shown.escape_debug())
}

/// The files that a path or glob names, in name order. Only regular files: a source is read more
/// than once, for its identity and its headers, and what a pipe gave out is gone.
pub(crate) fn expand(spec: &str, pattern: &str) -> Result<Vec<PathBuf>, Problem> {
    // A file whose name happens to contain `[` is itself before it is a pattern.
    let literal = PathBuf::from(pattern);
    let mut paths = if literal.exists() {
        vec![literal]
    } else {
        let listing = glob::glob(pattern).map_err(|e| {
            Problem::new(
                format!("the pattern cannot be read: {e}"),
                spec::place(spec),
                "write `*` for any name, `?` for one character, `[ab]` for one of several",
            )
        })?;
        listing.filter_map(Result::ok).collect()
    };
    paths.sort();
    if paths.is_empty() {
        return Err(Problem::new(
            "no such file",
            spec::place(spec),
            "check the path; a relative one counts from the folder the command runs in",
        ));
    }
    for path in &paths {
        regular(path)?;
    }
    Ok(paths)
}

/// Refuses what is not a regular file, at the end of its links, without opening it: to open a pipe
/// waits for a writer.
pub(crate) fn regular(path: &Path) -> Result<(), Problem> {
    let kind = path.metadata().map_err(|e| unopenable(&e, path))?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let (what, fix) = if kind.is_dir() {
        let files = format!("name its files, or a pattern for them: `{}/*`", path.display());
        ("a folder is not a regular file", files)
    } else {
        let pipe = "if it gives CSV, pipe it in with `csv:-`; else copy it to a file first";
        ("this is not a regular file", pipe.to_string())
    };
    Err(Problem::new(what, path.display().to_string(), fix))
}

/// Opens a file for reading.
pub(crate) fn open_file(path: &Path) -> Result<File, Problem> {
    File::open(path).map_err(|e| unopenable(&e, path))
}

fn unopenable(error: &io::Error, path: &Path) -> Problem {
    Problem::new(
        format!("cannot open the file: {error}"),
        path.display().to_string(),
        "check that the file exists and may be read",
    )
}

/// SHA-256 over the source's name, what else decides how its files are read, and each file's
/// content and length, in order.
pub(crate) fn identity(texts: &[&str], paths: &[PathBuf]) -> Result<[u8; 32], Problem> {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut buffer = vec![0; 1 << 16];
    for path in paths {
        let mut file = open_file(path)?;
        let mut length = 0_u64;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    length += n as u64;
                    hash.update(&buffer[..n]);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable(&e, &path.display().to_string())),
            }
        }
        // The length after the content: it separates the files and needs no second look at them.
        hash.update(length.to_le_bytes());
    }
    Ok(hash.finalize().into())
}

/// SHA-256 of a text: the identity of a source without files.
pub(crate) fn text_identity(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A read that failed.
pub(crate) fn unreadable(error: &io::Error, file: &str) -> Problem {
    Problem::new(
        format!("cannot read the file: {error}"),
        file,
        "check the disk and the file's integrity, or fetch the file again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_its_files_in_name_order_and_an_identity_is_their_content() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("b.csv", "2"), ("a.csv", "1"), ("c.txt", "3")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let pattern = format!("{}/*.csv", dir.path().display());
        let paths = expand("csv:x", &pattern).unwrap();
        let names: Vec<_> = paths.iter().map(|p| p.file_name().unwrap()).collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
        let one = identity(&["n"], &paths).unwrap();
        assert_eq!(one, identity(&["n"], &paths).unwrap());
        assert_ne!(one, identity(&["m"], &paths).unwrap());
        assert_ne!(one, identity(&["n", ""], &paths).unwrap());
        std::fs::write(dir.path().join("a.csv"), "12").unwrap();
        std::fs::write(dir.path().join("b.csv"), "").unwrap();
        assert_ne!(one, identity(&["n"], &paths).unwrap());
    }

    #[test]
    fn no_match_a_folder_and_a_bad_pattern_are_problems() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let check = |pattern: &str, what: &str| {
            let problem = expand("csv:x", pattern).unwrap_err();
            assert!(problem.what.contains(what) && !problem.fix.is_empty(), "{problem}");
        };
        check(&format!("{path}/*.zip"), "no such file");
        check(&path, "a folder is not a regular file");
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        check(&format!("{path}/*"), "a folder is not a regular file");
        check("a[", "pattern");
    }

    #[test]
    fn a_name_with_brackets_is_a_name_where_such_a_file_exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a[1].csv");
        std::fs::write(&path, "").unwrap();
        assert_eq!(expand("csv:x", path.to_str().unwrap()), Ok(vec![path]));
    }
}
