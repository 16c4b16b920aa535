//! A PDF of two pages, written by hand: objects, a table of their offsets, and a dictionary saying who made it.

use std::fmt::Write;

const PAGES: [(&str, &[&str]); 2] = [
    (
        "On Fingerprints",
        &[
            "A digest of a file answers one question: are these the same bytes?",
            "It is a good question with a short answer, and the answer changes",
            "completely when a single bit does. Save a photograph again, a little",
            "smaller, and its digest has nothing in common with the old one, though",
            "any child would say that it is the same photograph.",
            "",
            "A perceptual fingerprint answers the child's question. It looks at a",
            "work from far enough away that the details of its storage disappear,",
            "and writes down what is left: where it is light and where it is dark,",
            "which pitches sound and for how long, which words follow each other.",
            "",
            "Two fingerprints can therefore be near each other without being equal,",
            "and the distance between them can be counted, bit by bit.",
        ],
    ),
    (
        "What It Is Not",
        &[
            "It is not a proof of authorship. It says that two works resemble each",
            "other, not which of them was first, nor who made either. For that, the",
            "time at which a fingerprint was taken must be known, and by whom.",
            "",
            "It is not a copy. The work can't be rebuilt from it: two hundred and",
            "fifty-six bits hold no picture.",
            "",
            "And it is not a judgement. A high likeness is where a conversation",
            "begins, between people, about influence and fair reward.",
        ],
    ),
];

/// The document.
pub fn document() -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [5 0 R 7 0 R] /Count 2 >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        "<< /Title (On Fingerprints) /Author (META-STAMP Demo) /Subject (What a fingerprint of a work is and is not) \
         /Creator (metastamp demo) /Producer (metastamp demo) /CreationDate (D:20251126143000Z) \
         /ModDate (D:20251126143000Z) >>"
            .to_owned(),
    ];
    for (title, lines) in PAGES {
        let contents = objects.len() + 2;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> \
             /Contents {contents} 0 R >>"
        ));
        let text = page(title, lines);
        objects.push(format!("<< /Length {} >>\nstream\n{text}endstream", text.len()));
    }
    assemble(&objects)
}

/// Drawing instructions: the title, then the lines below it.
fn page(title: &str, lines: &[&str]) -> String {
    let mut text = format!("BT\n/F1 22 Tf\n72 750 Td\n({}) Tj\n/F1 12 Tf\n18 TL\n0 -22 Td\n", escape(title));
    for line in lines {
        // Writing into a String can't fail.
        let _ = writeln!(text, "T* ({}) Tj", escape(line));
    }
    text + "ET\n"
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")
}

/// Numbers the objects from 1 and adds the table of offsets by which a reader finds them.
fn assemble(objects: &[String]) -> Vec<u8> {
    // Bytes above 127 in the second line tell transfer programs that this is not text.
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
    }
    let table_at = out.len();
    let count = objects.len() + 1;
    let mut tail = format!("xref\n0 {count}\n0000000000 65535 f \n");
    for offset in offsets {
        let _ = writeln!(tail, "{offset:010} 00000 n ");
    }
    let _ = write!(tail, "trailer\n<< /Size {count} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{table_at}\n%%EOF\n");
    out.extend_from_slice(tail.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_lead_to_the_objects() {
        let bytes = document();
        let text = String::from_utf8_lossy(&bytes);
        let table_at: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        let table = String::from_utf8_lossy(&bytes[table_at..]).into_owned();
        let mut lines = table.lines();
        assert_eq!(lines.next(), Some("xref"));
        assert_eq!(lines.next(), Some("0 9"));
        for (number, entry) in lines.take(9).enumerate().skip(1) {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(bytes[offset..].starts_with(format!("{number} 0 obj\n").as_bytes()), "object {number}");
        }
    }

    #[test]
    fn stream_lengths_are_true_and_text_is_escaped() {
        let bytes = document();
        let mut rest = &bytes[..];
        let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|w| w == needle);
        let mut streams = 0;
        while let Some(at) = find(rest, b"/Length ") {
            rest = &rest[at + 8..];
            let digits: String = rest.iter().take_while(|b| b.is_ascii_digit()).map(|&b| b as char).collect();
            let start = find(rest, b"stream\n").unwrap() + 7;
            assert!(rest[start + digits.parse::<usize>().unwrap()..].starts_with(b"endstream"));
            streams += 1;
        }
        assert_eq!(streams, 2);
        assert_eq!(escape(r"a(b)\"), r"a\(b\)\\");
    }
}
