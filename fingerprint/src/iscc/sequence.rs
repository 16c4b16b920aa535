//! ISCC-SEQ (IEP-0020): units as bytes, one behind the other, as C2PA soft bindings carry them.

use iscc_lib::codec::{MainType, decode_base32, decode_header, decode_length, encode_base32};

/// Header and body of each unit of `units` in order; `None` when there are none or one of them is no single unit. The
/// prefix `ISCC:` and hyphens may be there or not.
#[must_use]
pub fn encode_sequence<S: AsRef<str>>(units: &[S]) -> Option<Vec<u8>> {
    let mut sequence = Vec::new();
    for unit in units {
        let unit = unit.as_ref().trim().to_ascii_uppercase().replace('-', "");
        let raw = decode_base32(unit.strip_prefix("ISCC:").unwrap_or(&unit)).ok()?;
        if unit_bytes(&raw)? != raw.len() {
            return None;
        }
        sequence.extend(raw);
    }
    (!sequence.is_empty()).then_some(sequence)
}

/// The units of `sequence` in order, each `ISCC:…`; `None` when it does not consist of whole units.
#[must_use]
pub fn decode_sequence(mut sequence: &[u8]) -> Option<Vec<String>> {
    let mut units = Vec::new();
    while !sequence.is_empty() {
        let (unit, rest) = sequence.split_at(unit_bytes(sequence)?);
        units.push(format!("ISCC:{}", encode_base32(unit)));
        sequence = rest;
    }
    (!units.is_empty()).then_some(units)
}

/// Length of the unit that `raw` starts with.
fn unit_bytes(raw: &[u8]) -> Option<usize> {
    let (main_type, sub_type, _, length, rest) = decode_header(raw).ok()?;
    if length > 7
        || !matches!(
            main_type,
            MainType::Meta | MainType::Semantic | MainType::Content | MainType::Data | MainType::Instance
        )
    {
        return None;
    }
    let body = decode_length(main_type, length, sub_type) as usize / 8;
    (body <= rest.len()).then(|| raw.len() - rest.len() + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_things_are_refused() {
        assert_eq!(encode_sequence::<&str>(&[]), None);
        for unit in ["", "ISCC:", "ISCC:EAA2YQCH", "ISCC:KACYPXW445FTYNJ3CYSXHAFJMA2HUWULUNRFE3BLHRSCXYH2M5AEGQY", "&"]
        {
            assert_eq!(encode_sequence(&[unit]), None, "{unit}");
        }
        for bytes in [&b""[..], &[0x20], &[0x20, 0x01, 1, 2, 3], &[0x50, 0, 1, 2, 3, 4], &[0xff; 40]] {
            assert_eq!(decode_sequence(bytes), None, "{bytes:?}");
        }
    }
}
