//! Prose.

use std::path::{Path, PathBuf};

use metastamp_protocol::fingerprint::FingerprintContent;

use crate::table::{TOGETHER, Table};
use crate::{BoxError, Random, files, fingerprint, on_all_cores};

/// Words of a work: documents are cut into works of so many.
const WORDS: usize = 1_200;

/// Changes a text, given numbers without order.
type Attack = fn(&str, &mut Random) -> String;

const ATTACKS: &[(&str, Attack)] = &[
    ("white space and line ends", |text, _| text.split_whitespace().collect::<Vec<_>>().join(" ")),
    ("case and punctuation", |text, _| text.to_uppercase().replace([',', '.', ';', ':'], " ")),
    ("1 % of the words", |text, random| edited(text, 0.01, random)),
    ("5 % of the words", |text, random| edited(text, 0.05, random)),
    ("15 % of the words", |text, random| edited(text, 0.15, random)),
    ("excerpt: a third", |text, _| excerpt(text)),
    ("excerpt within another text", |text, random| {
        let shuffled = edited(text, 1.0, random);
        format!("{shuffled}\n\n{}\n\n{shuffled}", excerpt(text))
    }),
];

pub(crate) fn run(media: &Path) -> Result<(), BoxError> {
    let works = works(media)?;
    let folder = tempfile::tempdir()?;
    let of = |name: String, text: &str| -> Result<FingerprintContent, BoxError> {
        let file = folder.path().join(name);
        std::fs::write(&file, text)?;
        fingerprint(&file)
    };
    let done = on_all_cores(&works, |index, text| {
        let mut random = Random::new(index as u64);
        let report = of(format!("{index}.txt"), text)?;
        let attacked: Result<Vec<_>, _> = ATTACKS
            .iter()
            .enumerate()
            .map(|(number, (_, attack))| of(format!("{index}-{number}.txt"), &attack(text, &mut random)))
            .collect();
        Ok((report, attacked?))
    })?;
    let (originals, attacked): (Vec<FingerprintContent>, Vec<Vec<FingerprintContent>>) = done.into_iter().unzip();
    let title = format!("Texts: {} pieces of {WORDS} words of manuals", originals.len());
    let columns = [
        (TOGETHER, "**together**"),
        ("shingles", "shingles"),
        ("iscc_content", "ISCC-Text"),
        ("iscc_data", "ISCC-Data"),
        ("normalized_hash", "digest, normalised"),
        ("text_hash", "digest of the text"),
        ("sha256", "SHA-256"),
    ];
    let names = ATTACKS.iter().map(|attack| attack.0);
    Table::of(title, &columns, &originals, &attacked, names)?.print()
}

fn works(media: &Path) -> Result<Vec<String>, BoxError> {
    let mut documents: Vec<PathBuf> = Vec::new();
    for folder in [
        "debian-policy/usr/share/doc/debian-policy/policy.html/_sources",
        "developers-reference/usr/share/developers-reference/_sources",
        "debian-faq/usr/share/doc/debian/FAQ",
        "debian-reference-en/usr/share/debian-reference",
    ] {
        documents.extend(files(&media.join(folder), &["txt"])?);
    }
    let mut works = Vec::new();
    for document in documents {
        let text = String::from_utf8_lossy(&std::fs::read(&document)?).into_owned();
        // Lines stay as they are, so that white space is that of the document.
        let (mut work, mut words) = (String::new(), 0);
        for line in text.lines() {
            work.push_str(line);
            work.push('\n');
            words += line.split_whitespace().count();
            if words >= WORDS {
                works.push(std::mem::take(&mut work));
                words = 0;
            }
        }
    }
    // Every second, so that no two of them touch.
    Ok(works.into_iter().step_by(2).collect())
}

/// `share` of the words replaced by others of the text, left out or doubled, in equal parts.
fn edited(text: &str, share: f64, random: &mut Random) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut edited: Vec<&str> = Vec::with_capacity(words.len());
    for word in &words {
        if (random.below(1 << 20) as f64) < share * f64::from(1 << 20) {
            match random.below(3) {
                0 => edited.push(words[random.below(words.len())]),
                1 => {}
                _ => edited.extend([*word, words[random.below(words.len())]]),
            }
        } else {
            edited.push(word);
        }
    }
    edited.join(" ")
}

fn excerpt(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words[words.len() / 3..words.len() * 2 / 3].join(" ")
}
