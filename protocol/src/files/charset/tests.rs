use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, GB18030, ISO_2022_JP, KOI8_R, MACINTOSH, SHIFT_JIS, WINDOWS_874, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256,
};

use super::*;

const JAPANESE: &str = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた事だけは記憶している。\n";
const CHINESE: &str = "道可道,非常道。名可名,非常名。无名天地之始;有名万物之母。故常无欲以观其妙;常有欲以观其徼。\n";
const TAIWANESE: &str =
    "道可道，非常道。名可名，非常名。無名天地之始；有名萬物之母。故常無欲以觀其妙；常有欲以觀其徼。\n";
const KOREAN: &str = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았다.\n";
const RUSSIAN: &str =
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.\n";
const GREEK: &str = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.\n";
const HEBREW: &str = "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.\n";
const ARABIC: &str = "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا وضميرا.\n";
const THAI: &str = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ\n";
const HINDI: &str = "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।\n";
const TAMIL: &str = "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்\n";
const POLISH: &str =
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem.\n";
const TURKISH: &str = "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler.\n";
const FRENCH: &str =
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison, à côté.\n";
const GERMAN: &str =
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Schöne Grüße, größer, Ärger, Übung.\n";

fn decoded(bytes: &[u8]) -> String {
    match decide(bytes, false, true).charset {
        Charset::Known(encoding) => encoding.decode_with_bom_removal(bytes).0.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_of_the_world_are_let_in_and_read() {
    let cases = [
        (SHIFT_JIS, JAPANESE),
        (EUC_JP, JAPANESE),
        (ISO_2022_JP, JAPANESE),
        (GB18030, CHINESE),
        (BIG5, TAIWANESE),
        (EUC_KR, KOREAN),
        (KOI8_R, RUSSIAN),
        (WINDOWS_1251, RUSSIAN),
        (WINDOWS_1253, GREEK),
        (WINDOWS_1255, HEBREW),
        (WINDOWS_1256, ARABIC),
        (WINDOWS_874, THAI),
        (WINDOWS_1250, POLISH),
        (WINDOWS_1252, FRENCH),
        (MACINTOSH, FRENCH),
        (MACINTOSH, GERMAN),
    ];
    for (encoding, text) in cases {
        let text = text.repeat(3);
        let bytes = encoding.encode(&text).0;
        assert!(is_text(&bytes, true), "{} {text}", encoding.name());
        assert_eq!(decoded(&bytes), text, "{}", encoding.name());
    }
    // so few words are not enough to tell the alphabet, but to tell that it is one
    assert!(is_text(&WINDOWS_1254.encode(TURKISH).0, true));
}

#[test]
fn half_width_kana_are_japanese() {
    let text = "ｱｲｳｴｵ ｶﾞｷﾞｸﾞ ﾊﾝｶｸｶﾀｶﾅ ﾃﾞ ｶｲﾀ ﾌﾞﾝｼｮｳ\r\n";
    let bytes = SHIFT_JIS.encode(text).0;
    assert!(is_text(&bytes, true));
    assert_eq!(decoded(&bytes), text);
}

#[test]
fn blanks_and_lines_of_ascii_are_that() {
    for text in [&b" \n\t "[..], b"\n\n\n\n", b"\t\t\t\t\t\t", b"a\n\n\nb\n\n\n", b"\r\n\r\n\r\n\r\n"] {
        assert_eq!(decide(text, false, true).charset, Charset::Ascii, "{text:?}");
    }
}

#[test]
fn utf_16_needs_no_mark_in_any_alphabet() {
    for text in [JAPANESE, CHINESE, TAIWANESE, KOREAN, RUSSIAN, GREEK, HEBREW, ARABIC, THAI, HINDI, TAMIL, FRENCH] {
        for text in [text.to_owned(), text.split_whitespace().collect::<String>()] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for bytes in [little, big] {
                assert!(is_text(&bytes, true), "{text}");
                assert_eq!(decoded(&bytes), text);
            }
        }
    }
}

#[test]
fn utf_32_needs_no_mark() {
    for text in [FRENCH, RUSSIAN, JAPANESE] {
        for mark in ["", "\u{feff}"] {
            let big: Vec<u8> = [mark, text].concat().chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
            let little: Vec<u8> = [mark, text].concat().chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
            let marked = !mark.is_empty();
            assert!(!marked && text == JAPANESE || is_text(&big, true) && is_text(&little, true), "{text}");
        }
    }
    let numbers: Vec<u8> = (1..2_000_u32).flat_map(|n| (n % 30).to_le_bytes()).collect();
    assert!(!is_text(&numbers, true));
}

#[test]
fn other_bytes_are_no_text() {
    // the same bytes each time, without a pattern
    let mut state = 1_u32;
    let mut noise = |length: usize, from: u8| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next().max(from)).collect()
    };
    for length in [64, 300, 4_096] {
        assert!(!is_text(&noise(length, 0), true), "{length}");
    }
    assert!(!is_text(&[0; 64], true));
    let samples: Vec<u8> = (0..2_000_i32).flat_map(|n| ((n * n % 4_001) as i16).to_le_bytes()).collect();
    assert!(!is_text(&samples, true), "sound without a header");
}
