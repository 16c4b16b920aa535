//! What a fingerprint costs here and what it costs the way of the original, in Python: CPU seconds and peak memory.
//!
//! `scripts/media.sh && cargo bench -p metastamp-fingerprint --bench reference` prints a table in Markdown. Both sides
//! get the same files in the same run, turn about; CPU is user and system time of the process and its children, less
//! what an empty run of the same program costs (starting Python and importing takes it seconds); the smallest of the
//! rounds counts. Needs ffmpeg and Python 3 with venv; what the reference computes with is installed into
//! `target/reference`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

type BoxError = Box<dyn std::error::Error>;

/// Rounds of which the cheapest counts.
const ROUNDS: usize = 3;

/// A line of the table: what is measured, on which file, with which option of the example and by which reference.
struct Case {
    name: &'static str,
    file: &'static str,
    /// Of `examples/one.rs`.
    option: Option<&'static str>,
    /// A script in `fingerprint/reference` with its words, or `ffmpeg` for bare decoding.
    reference: &'static str,
    /// Ratio that is asked for; over 1, ours has to be cheaper by it, below, ours may cost so much more.
    target: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "12 MP JPEG, whole", file: "12mp.jpg", option: None, reference: "image.py", target: "3" },
    Case { name: "1 MP PNG, whole", file: "1mp.png", option: None, reference: "image.py", target: "3" },
    Case { name: "3 min mp3", file: "3min.mp3", option: None, reference: "audio.py", target: "10" },
    Case { name: "3 min wav", file: "3min.wav", option: None, reference: "audio.py", target: "10" },
    Case {
        name: "30 s 720p mp4, first answer",
        file: "30s.mp4",
        option: Some("--first"),
        reference: "video.py",
        target: "5",
    },
    Case { name: "30 s 720p mp4, whole", file: "30s.mp4", option: None, reference: "video.py", target: "" },
    Case {
        name: "30 s 720p mp4, whole, against bare decoding",
        file: "30s.mp4",
        option: None,
        reference: "ffmpeg",
        target: "1/1.15",
    },
    Case {
        name: "30 s 720p mp4 without sound, against bare decoding",
        file: "30s-silent.mp4",
        option: None,
        reference: "ffmpeg",
        target: "1/1.15",
    },
    Case { name: "1 MB text", file: "1mb.txt", option: None, reference: "text.py", target: "5" },
    Case {
        name: "500 MB, streaming pass, against SHA-256 alone",
        file: "500mb.bin",
        option: Some("--digests"),
        reference: "digests.py sha256",
        target: "",
    },
    Case {
        name: "500 MB, streaming pass, against the same codes",
        file: "500mb.bin",
        option: Some("--digests"),
        reference: "digests.py all",
        target: "",
    },
    Case {
        name: "12 MP JPEG, hashes only",
        file: "12mp.jpg",
        option: Some("--exact"),
        reference: "image.py",
        target: "3",
    },
    Case {
        name: "12 MP JPEG, look-up",
        file: "12mp.jpg",
        option: Some("--matching"),
        reference: "image.py",
        target: "6",
    },
    Case {
        name: "1 MP PNG, hashes only",
        file: "1mp.png",
        option: Some("--exact"),
        reference: "image.py",
        target: "3",
    },
    Case { name: "1 MP PNG, look-up", file: "1mp.png", option: Some("--matching"), reference: "image.py", target: "6" },
];

/// CPU seconds and peak KiB.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    peak_kib: f64,
}

fn main() -> Result<(), BoxError> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let files = root.join("target/reference/files");
    make_files(&root, &files)?;
    let python = python(&root)?;
    let one = example(&root)?;
    let mut out = std::io::stdout();
    writeln!(out, "| what | here, s CPU | reference, s CPU | ratio | target | here, MiB | reference, MiB |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for case in CASES.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word))) {
        let file = files.join(case.file).display().to_string();
        let one = one.display().to_string();
        let here: Vec<String> =
            std::iter::once(one.clone()).chain(case.option.map(Into::into)).chain([file.clone()]).collect();
        let reference = reference(case, &python, &root, &file);
        let empty_here = least(&[one, "--empty".into()], &[])?.0;
        // without the file a script only imports
        let empty_reference = match case.reference {
            "ffmpeg" => Cost { cpu: 0.0, peak_kib: 0.0 },
            _ => least(&reference[..reference.len() - 1], &[])?.0,
        };
        let (here, there) = least(&here, &reference)?;
        let there = there.ok_or("the reference was not measured")?;
        let cpu = [(here.cpu - empty_here.cpu).max(1e-4), (there.cpu - empty_reference.cpu).max(1e-4)];
        writeln!(
            out,
            "| {} | {:.3} | {:.3} | {:.2} | {} | {:.0} | {:.0} |",
            case.name,
            cpu[0],
            cpu[1],
            cpu[1] / cpu[0],
            case.target,
            here.peak_kib / 1024.0,
            there.peak_kib / 1024.0
        )?;
    }
    Ok(())
}

/// The least cost of both commands, run turn about.
fn least(first: &[String], second: &[String]) -> Result<(Cost, Option<Cost>), BoxError> {
    let mut least: [Option<Cost>; 2] = [None, None];
    for _ in 0..ROUNDS {
        for (least, command) in least.iter_mut().zip([first, second]) {
            if !command.is_empty() {
                let cost = measure(command)?;
                *least = Some(least.map_or(cost, |least| Cost {
                    cpu: least.cpu.min(cost.cpu),
                    peak_kib: least.peak_kib.min(cost.peak_kib),
                }));
            }
        }
    }
    Ok((least[0].ok_or("nothing was measured")?, least[1]))
}

fn measure(command: &[String]) -> Result<Cost, BoxError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/measure.py");
    let output = Command::new("python3").arg(script).args(command).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let (cpu, peak) = text.trim().split_once(' ').ok_or("no measurement")?;
    Ok(Cost { cpu: cpu.parse()?, peak_kib: peak.parse()? })
}

fn reference(case: &Case, python: &Path, root: &Path, file: &str) -> Vec<String> {
    if case.reference == "ffmpeg" {
        return ["ffmpeg", "-v", "error", "-nostdin", "-i", file, "-f", "null", "-"].map(Into::into).to_vec();
    }
    let mut words = case.reference.split(' ');
    let script = root.join("fingerprint/reference").join(words.next().unwrap_or_default());
    let mut command = vec![python.display().to_string(), script.display().to_string()];
    command.extend(words.map(Into::into));
    command.push(file.into());
    command
}

/// The interpreter with what the reference computes with; `METASTAMP_REFERENCE_PYTHON` names one that has it already.
fn python(root: &Path) -> Result<PathBuf, BoxError> {
    if let Some(python) = std::env::var_os("METASTAMP_REFERENCE_PYTHON") {
        return Ok(python.into());
    }
    let venv = root.join("target/reference/venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let requirements = root.join("fingerprint/reference/requirements.txt");
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements))?;
    Ok(python)
}

/// The example `one`, built as this bench is.
fn example(root: &Path) -> Result<PathBuf, BoxError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--quiet", "--release", "-p", "metastamp-fingerprint", "--example", "one"];
    run(Command::new(cargo).args(words).current_dir(root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/examples/one"))
}

/// The files, made of real media once.
fn make_files(root: &Path, files: &Path) -> Result<(), BoxError> {
    std::fs::create_dir_all(files)?;
    let media = root.join("target/media");
    let photo = media.join("plasma-workspace-wallpapers/usr/share/wallpapers/Volna/contents/images/5120x2880.jpg");
    let music = media.join("wesnoth-1.16-music/usr/share/games/wesnoth/1.16/data/core/music/knolls.ogg");
    let film = media.join("big-buck-bunny/bbb.mp4");
    let scene: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-crf", "20", "-g", "250"];
    let made: [(&str, &Path, &[&str], &[&str]); 6] = [
        ("12mp.jpg", &photo, &[], &["-vf", "scale=4000:3000", "-q:v", "2"]),
        ("1mp.png", &photo, &[], &["-vf", "scale=1155:866,format=rgb24"]),
        ("3min.wav", &music, &["-t", "180"], &["-ar", "44100", "-ac", "2", "-c:a", "pcm_s16le"]),
        ("3min.mp3", &music, &["-t", "180"], &["-ar", "44100", "-ac", "2", "-c:a", "libmp3lame", "-b:a", "192k"]),
        ("30s.mp4", &film, &["-ss", "60", "-t", "30"], &[scene, &["-c:a", "aac"]].concat()),
        ("30s-silent.mp4", &film, &["-ss", "60", "-t", "30"], &[scene, &["-an"]].concat()),
    ];
    for (name, from, before, after) in made {
        let file = files.join(name);
        if !file.exists() {
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-nostdin", "-y"]).args(before).arg("-i").arg(from).args(after).arg(file);
            run(&mut command)?;
        }
    }
    let text = files.join("1mb.txt");
    if !text.exists() {
        let book = std::fs::read(media.join("debian-reference-en/usr/share/debian-reference/debian-reference.en.txt"))?;
        std::fs::write(text, book.iter().cycle().take(1_000_000).copied().collect::<Vec<u8>>())?;
    }
    let large = files.join("500mb.bin");
    if !large.exists() {
        let mut out = std::io::BufWriter::new(std::fs::File::create(large)?);
        let mut state = 1_u64;
        for _ in 0..500_000_000 / 8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            out.write_all(&(state ^ state >> 29).to_le_bytes())?;
        }
        out.flush()?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), BoxError> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
