//! Bakes the build identity into the command: commit, `+` if the tree was changed, target.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_string());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changed.is_some_and(|text| !text.is_empty()) { "+" } else { "" };
    println!("cargo::rustc-env=GRANDMODEL_BUILD={commit}{mark}");
    // Any changed source may change the mark.
    for folder in ["ringbuf-layout", "journal", "engine", "gateways", "tools"] {
        println!("cargo::rerun-if-changed=../{folder}/src");
    }
    for path in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}
