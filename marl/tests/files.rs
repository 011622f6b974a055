//! The weights file: what is read back, and what is refused with a clear message.

mod support;

use engine::Problem;
use engine::policy::Policy;
use marl::features::{description, hash_of};
use marl::manifest::Status;
use marl::shape::FLOATS;
use marl::{Agents, Weights, write_untrained};
use sha2::{Digest, Sha256};
use support::Scene;

/// The bytes of a file whose manifest says something else, with the hash that belongs to it.
fn edited(from: &str, to: &str) -> Vec<u8> {
    let bytes = Weights::untrained().to_bytes();
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("a line");
    let line = str::from_utf8(&bytes[76..end]).expect("text");
    assert!(line.contains(from), "{from} is not in {line}");
    rehashed([line.replace(from, to).as_bytes(), &bytes[end..]].concat())
}

/// A file with these bytes behind its hash.
fn rehashed(rest: Vec<u8>) -> Vec<u8> {
    let hash: String = Sha256::digest(&rest).iter().map(|byte| format!("{byte:02x}")).collect();
    [format!("{{\"sha256\":\"{hash}\"").into_bytes(), rest].concat()
}

fn refused(bytes: &[u8]) -> Problem {
    let problem = Weights::parse(bytes, "w.bin").expect_err("refused");
    assert_eq!((&*problem.place, problem.damage), ("w.bin", false));
    assert!(!problem.fix.is_empty(), "{problem}");
    problem
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: &str) {
    let problem = refused(bytes);
    assert!(problem.what.contains(expected), "{problem}");
}

#[test]
fn a_file_reads_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("untrained.weights");
    write_untrained(&path).expect("written");
    let bytes = std::fs::read(&path).expect("read");
    let weights = Weights::read(&path).expect("accepted");
    assert_eq!((&weights, &weights.to_bytes()), (&Weights::untrained(), &bytes));
    assert_eq!(weights.manifest().status, Status::Untrained);

    let (mut from_file, mut embedded) = (Agents::load(&path).expect("agents"), Agents::embedded());
    let whole: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!((from_file.sha256(), embedded.sha256()), (whole, whole));
    assert_eq!(from_file.weights(), whole[..8]);
    let scene = Scene::new(5);
    assert_eq!(from_file.decide(&scene.view()), embedded.decide(&scene.view()));

    let again = write_untrained(&path).expect_err("it exists");
    assert!(again.what.starts_with("cannot write the weights: "), "{again}");
}

#[test]
fn trained_weights_say_so() {
    let weights = Weights::trained(3, vec![0.25; FLOATS]);
    let read = Weights::parse(&weights.to_bytes(), "w.bin").expect("accepted");
    assert_eq!((read.manifest().status, read.manifest().seed), (Status::Trained, 3));
    assert!(Agents::new(&read).is_trained() && !Agents::embedded().is_trained());
}

#[test]
fn the_embedded_weights_are_the_same_in_every_build() {
    let numbers = Weights::untrained().values().iter().flat_map(|x| x.to_le_bytes()).collect();
    let numbers: Vec<u8> = numbers;
    let hash: String = Sha256::digest(&numbers).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "d96450fe625bcdc7d2179be7a1f63b4ace47739eef34b0d7975da5547451aaa0");
}

#[test]
fn no_flipped_byte_goes_unseen() {
    let mut bytes = Weights::untrained().to_bytes();
    let line = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    let last = bytes.len() - 1;
    let some = (0..line).step_by(7).chain([line, line + 1, bytes.len() / 2, last]);
    for at in some.chain(0..90) {
        bytes[at] ^= 0x20;
        let problem = refused(&bytes);
        assert!(at <= 76 || problem.what.contains("SHA-256"), "byte {at}: {problem}");
        bytes[at] ^= 0x20;
    }
    assert!(Weights::parse(&bytes, "w.bin").is_ok());
}

#[test]
fn what_is_no_weights_file_is_refused() {
    let whole = Weights::untrained().to_bytes();
    for (bytes, expected) in [
        (&b""[..], "do not begin like"),
        (b"\x89PNG\r\n", "do not begin like"),
        (b"{\"sha256\":\"00", "do not begin like"),
        (&whole[..whole.len() - 1], "SHA-256"),
        (&[&whole[..], b"\0"].concat(), "SHA-256"),
    ] {
        check_refused(bytes, expected);
    }
    let fewer = rehashed(whole[76..whole.len() - 4].to_vec());
    check_refused(&fewer, "bytes of numbers for 180882 floats");
    let odd = rehashed([&whole[76..], b"\0"].concat());
    check_refused(&odd, "bytes of numbers for 180882 floats");
}

#[test]
fn a_file_that_cannot_be_read_is_a_clear_problem() {
    let dir = tempfile::tempdir().expect("a directory");
    for path in [dir.path().join("absent"), dir.path().to_path_buf()] {
        let problem = Agents::load(&path).expect_err("no such file");
        assert!(problem.what.starts_with("cannot read the weights: "), "{problem}");
        assert_eq!(problem.place, path.display().to_string());
    }
}

#[test]
fn weights_for_something_else_are_refused_by_name() {
    let other = hash_of(&description().replace("fvg_age", "fvg_years"));
    for (from, to, expected) in [
        ("\"format\":1", "\"format\":2", "format 2, this build has 1"),
        (&hash_of(&description()), &other, "another feature list, "),
        ("window_z_score_clip_3", "frozen_scale", "the normaliser frozen_scale"),
        ("[384,64,64,3]", "[624,64,64,3]", "mlmi+nwrqk+regime 624→64→64→3"),
        ("\"fvg\"", "\"gap\"", "tactical actors of another shape, gap+momentum+entry 420"),
        ("\"floats\":180882", "\"floats\":180883", "another number of floats, 180883"),
        ("UNTRAINED", "great", "odd manifest: unknown variant `great`"),
        ("\"seed\"", "\"sead\"", "odd manifest: unknown field `sead`"),
    ] {
        check_refused(&edited(from, to), expected);
    }
}
