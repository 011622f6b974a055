//! `grandmodel`: see the library for what it does.

fn main() -> std::process::ExitCode {
    tools::main()
}
