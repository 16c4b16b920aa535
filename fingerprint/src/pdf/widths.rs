//! How wide glyphs are: where a string ends, and so how far away the next one begins.

use std::collections::BTreeMap;

use lopdf::{Dictionary, Document, Object};

/// Thousandths of the font's size.
const UNKNOWN: f32 = 500.0;
const DEFAULT: f32 = 1_000.0;
/// Ranges kept of one font.
const RANGES_MAX: usize = 65_536;

/// Widths of Helvetica and Times from the space to the tilde (Adobe's metrics of the standard fonts), which are used
/// without widths in the file. Of their bold and slanted forms hardly a glyph is a tenth wider or narrower.
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];
const TIMES: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500,
    500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889,
    722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500,
    444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480,
    200, 480, 541,
];
const COURIER: f32 = 600.0;

pub(super) enum Widths {
    /// From a first code on; others are `missing`.
    Simple {
        first: usize,
        widths: Vec<f32>,
        missing: f32,
    },
    Standard(&'static [u16; 95]),
    /// All alike.
    Fixed(f32),
    /// Codes of two bytes: first of a range to the last and the width.
    Composite {
        ranges: BTreeMap<u32, (u32, f32)>,
        default: f32,
    },
}

impl Widths {
    /// Also returns about how many bytes they take.
    pub(super) fn read(font: &Dictionary, document: &Document) -> (Self, usize) {
        let widths = Self::of(font, document);
        let bytes = match &widths {
            Self::Simple { widths, .. } => widths.len() * 4,
            Self::Composite { ranges, .. } => ranges.len() * 16,
            Self::Standard(_) | Self::Fixed(_) => 0,
        };
        (widths, bytes)
    }

    fn of(font: &Dictionary, document: &Document) -> Self {
        let number = |key: &[u8]| font.get_deref(key, document).and_then(Object::as_float).ok();
        if let Ok([descendant, ..]) =
            font.get_deref(b"DescendantFonts", document).and_then(Object::as_array).map(Vec::as_slice)
        {
            let descendant = document.dereference(descendant).and_then(|(_, object)| object.as_dict());
            return descendant.map_or(Self::Fixed(DEFAULT), |font| Self::composite(font, document));
        }
        if let Ok(widths) = font.get_deref(b"Widths", document).and_then(Object::as_array) {
            let width = |object| document.dereference(object).and_then(|(_, object)| object.as_float());
            let widths = widths.iter().take(256).map(|object| width(object).unwrap_or(UNKNOWN)).collect();
            let descriptor = font.get_deref(b"FontDescriptor", document).and_then(Object::as_dict).ok();
            let missing =
                descriptor.and_then(|of| of.get_deref(b"MissingWidth", document).and_then(Object::as_float).ok());
            let first = number(b"FirstChar").map_or(0, |first| first.max(0.0) as usize);
            return Self::Simple { first, widths, missing: missing.unwrap_or(UNKNOWN) };
        }
        let name = font.get_deref(b"BaseFont", document).and_then(Object::as_name).unwrap_or_default();
        let is = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
        if is(b"Helvetica") || is(b"Arial") {
            Self::Standard(&HELVETICA)
        } else if is(b"Times") {
            Self::Standard(&TIMES)
        } else {
            Self::Fixed(if is(b"Courier") { COURIER } else { UNKNOWN })
        }
    }

    fn composite(font: &Dictionary, document: &Document) -> Self {
        let default = font.get_deref(b"DW", document).and_then(Object::as_float).unwrap_or(DEFAULT);
        let mut ranges = BTreeMap::new();
        let objects = font.get_deref(b"W", document).and_then(Object::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut rest = objects.iter().map_while(|object| document.dereference(object).ok()).map(|(_, object)| object);
        while let (Some(first), Some(second)) = (rest.next(), rest.next()) {
            let Some(first) = code(first) else { break };
            match second {
                Object::Array(widths) => {
                    for (code, width) in (first..).zip(widths).take(RANGES_MAX.saturating_sub(ranges.len())) {
                        ranges.insert(code, (code, width.as_float().unwrap_or(default)));
                    }
                }
                last => {
                    let (Some(last), Some(width)) = (code(last), rest.next()) else { break };
                    ranges.insert(first, (last, width.as_float().unwrap_or(default)));
                }
            }
            if ranges.len() >= RANGES_MAX {
                break;
            }
        }
        Self::Composite { ranges, default }
    }

    /// Width of a string in thousandths, and its codes.
    pub(super) fn of_string(&self, codes: &[u8]) -> (f32, usize) {
        match self {
            Self::Composite { ranges, default } => {
                let width = |code: &[u8; 2]| {
                    let code = u32::from(u16::from_be_bytes(*code));
                    let range = ranges.range(..=code).next_back().filter(|(_, (last, _))| code <= *last);
                    range.map_or(*default, |(_, (_, width))| *width)
                };
                let (pairs, _) = codes.as_chunks::<2>();
                (pairs.iter().map(width).sum(), pairs.len())
            }
            Self::Simple { first, widths, missing } => {
                let width = |code: &u8| usize::from(*code).checked_sub(*first).and_then(|at| widths.get(at));
                (codes.iter().map(|code| width(code).unwrap_or(missing)).sum(), codes.len())
            }
            Self::Standard(widths) => {
                let width = |code: &u8| code.checked_sub(32).and_then(|at| widths.get(usize::from(at)));
                (codes.iter().map(|code| width(code).map_or(UNKNOWN, |&width| f32::from(width))).sum(), codes.len())
            }
            Self::Fixed(width) => (codes.len() as f32 * width, codes.len()),
        }
    }
}

fn code(object: &Object) -> Option<u32> {
    object.as_i64().ok().and_then(|code| u32::try_from(code).ok())
}
