use super::*;

fn digests() -> Digests {
    let mut digester = crate::digest::Digester::new();
    digester.update(b"some bytes");
    digester.finalize()
}

fn embedded(title: &str, description: &str) -> TitleAndDescription {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    TitleAndDescription { title: text(title), description: text(description) }
}

/// The codes are those of iscc-core 1.5.0.
#[test]
fn meta_codes() {
    assert_eq!(meta_code("hello.txt", &embedded("", "")).as_deref(), Some("ISCC:AAAWKLHFXM75OAMK"));
    assert_eq!(meta_code("x", &embedded("The Title", "A description here")).as_deref(), Some("ISCC:AAA73PCW775A65T7"));
    // A title without anything visible is none.
    assert_eq!(meta_code("hello.txt", &embedded("\u{200b} ", "")).as_deref(), Some("ISCC:AAAWKLHFXM75OAMK"));
    assert_eq!(meta_code("---.txt", &embedded("", "")), None);
}

#[test]
fn composites_hold_their_units() {
    let content = Some("ISCC:EAA2YQCHUJCGJ53N".to_owned());
    let full = compose("hello.txt", &TitleAndDescription::default(), content, &digests()).unwrap();
    assert!(full.code.starts_with("ISCC:KAC"), "{full:?}");
    let units: Vec<_> =
        iscc_lib::iscc_decompose(&full.code).unwrap().into_iter().map(|unit| format!("ISCC:{unit}")).collect();
    assert_eq!(units, [full.meta.unwrap(), full.content.unwrap(), full.data, full.instance]);

    let without = compose("hello.txt", &TitleAndDescription::default(), None, &digests()).unwrap();
    assert_eq!(iscc_lib::iscc_decompose(&without.code).unwrap().len(), 3);
    let bare = compose("_.txt", &TitleAndDescription::default(), None, &digests()).unwrap();
    assert_eq!(iscc_lib::iscc_decompose(&bare.code).unwrap().len(), 2);
    let wrong = compose("a", &TitleAndDescription::default(), Some("no code".to_owned()), &digests());
    assert_eq!(wrong, None);
}
