//! Ordinary, encrypted, broken and hostile PDF documents.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::ops::ControlFlow;

use lopdf::encryption::crypt_filters::{Aes128CryptFilter, CryptFilter};
use lopdf::{Document, EncryptionState, EncryptionVersion, Object, Permissions, SaveOptions, Stream, dictionary};
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, PdfFingerprint, pdf};
use sha2::{Digest, Sha256};

fn run(bytes: &[u8]) -> Result<PdfFingerprint, FingerprintError> {
    pdf::fingerprint(bytes, &Limits::default(), &mut NoProgress)
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A document with one page per content stream, in Helvetica.
fn document(pages: &[&str]) -> Document {
    let mut document = Document::with_version("1.5");
    let root = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let mut kids = Vec::new();
    for content in pages {
        let mut stream = Stream::new(dictionary! {}, content.as_bytes().to_vec());
        stream.compress().unwrap();
        let content = document.add_object(stream);
        kids.push(Object::Reference(document.add_object(dictionary! {
            "Type" => "Page", "Parent" => root, "Contents" => content,
            "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
        })));
    }
    let count = kids.len() as i64;
    document.objects.insert(root, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    let info = document.add_object(dictionary! {
        "Title" => Object::string_literal("On Stamps"),
        "Author" => Object::string_literal(b"\xfe\xff\x00\xc9\x00m\x00i\x00l".to_vec()),
        "CreationDate" => Object::string_literal("D:20240229233000+01'30'"),
        "ModDate" => Object::string_literal("last Tuesday"),
    });
    document.trailer.set("Root", catalog);
    document.trailer.set("Info", info);
    document.trailer.set("ID", vec![Object::string_literal("0123456789abcdef"), Object::string_literal("x")]);
    document
}

fn save(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn save_modern(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = SaveOptions::builder().use_object_streams(true).use_xref_streams(true).build();
    document.save_with_options(&mut bytes, options).unwrap();
    bytes
}

/// Objects 1.. as given, with a correct cross-reference table; object 1 is the catalog.
fn raw(objects: &[String]) -> Vec<u8> {
    let mut file = "%PDF-1.5\n".to_owned();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1).unwrap();
    }
    let start = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    let size = objects.len() + 1;
    write!(file, "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

const HELLO: &str = "BT /F1 12 Tf 72 720 Td (Hello ) Tj [(Wor) -20 (ld) -400 (again)] TJ 0 -14 Td (caf\\351) Tj ET";
const TEXT: &str = "Hello World again\ncafé";

fn assert_hello(fingerprint: &PdfFingerprint) {
    assert_eq!(fingerprint.text_hash, sha256(TEXT));
    assert_eq!((fingerprint.text_length, fingerprint.word_count, fingerprint.line_count), (22, 4, 2));
    assert_eq!(fingerprint.algorithms.get("text_hash").unwrap(), "pdf/sha256-text-trimmed@2");
    assert_eq!(fingerprint.metadata["page_count"], 1);
}

#[test]
fn text_and_information_are_read() {
    for bytes in [save(document(&[HELLO])), save_modern(document(&[HELLO]))] {
        let fingerprint = run(&bytes).unwrap();
        assert_hello(&fingerprint);
        let metadata = &fingerprint.metadata;
        assert_eq!(metadata["title"], "On Stamps");
        assert_eq!(metadata["author"], "Émil");
        assert_eq!(metadata["creation_date"], "2024-02-29T22:00:00Z");
        assert_eq!(metadata["modification_date"], "last Tuesday");
        assert_eq!(metadata["producer"], serde_json::Value::Null);
        assert_eq!(metadata["is_encrypted"], false);
        assert_eq!(metadata["file_size"], bytes.len());
    }
}

#[test]
fn pages_follow_each_other() {
    let fingerprint = run(&save(document(&[HELLO, "", HELLO]))).unwrap();
    assert_eq!(fingerprint.text_hash, sha256(format!("{TEXT}\n{TEXT}")));
    assert_eq!(fingerprint.metadata["page_count"], 3);
}

#[test]
fn character_maps_are_followed_and_do_not_expand() {
    let map = "1 begincodespacerange <0000> <ffff> endcodespacerange \
        1 beginbfchar <0001> <00480069> endbfchar \
        3 beginbfrange <0010> <0012> <0041> <0020> <0021> [<0078> <0079>] <00000000> <ffffffff> <0030> endbfrange";
    let mut document = document(&["BT /F1 1 Tf <0001 0011 0021 9999> Tj ET"]);
    let map = document.add_object(Stream::new(dictionary! {}, map.as_bytes().to_vec()));
    for object in document.objects.values_mut() {
        if let Ok(dictionary) = object.as_dict_mut()
            && dictionary.has_type(b"Font")
        {
            dictionary.set("Encoding", "Identity-H");
            dictionary.set("ToUnicode", map);
        }
    }
    assert_eq!(run(&save(document)).unwrap().text_hash, sha256("HiBy"));
}

#[test]
fn without_text_the_bytes_are_hashed() {
    let bytes = save(document(&["0 0 m 9 9 l S"]));
    let fingerprint = run(&bytes).unwrap();
    assert_eq!(fingerprint.text_hash, sha256(&bytes));
    assert_eq!((fingerprint.text_length, fingerprint.line_count), (0, 0));
    assert_eq!(fingerprint.algorithms.get("text_hash").unwrap(), "pdf/sha256-bytes@1");
}

fn encrypted(password: &str) -> Vec<u8> {
    let mut document = document(&[HELLO]);
    let filter: std::sync::Arc<dyn CryptFilter> = std::sync::Arc::new(Aes128CryptFilter);
    let state = EncryptionState::try_from(EncryptionVersion::V4 {
        document: &document,
        encrypt_metadata: true,
        crypt_filters: [(b"StdCF".to_vec(), filter)].into(),
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"StdCF".to_vec(),
        owner_password: "owner",
        user_password: password,
        permissions: Permissions::all(),
    })
    .unwrap();
    document.encrypt(&state).unwrap();
    save(document)
}

#[test]
fn encrypted_documents() {
    let open = run(&encrypted("")).unwrap();
    assert_hello(&open);
    assert_eq!(open.metadata["is_encrypted"], true);
    assert_eq!(open.metadata["title"], "On Stamps");

    let bytes = encrypted("secret");
    let closed = run(&bytes).unwrap();
    assert_eq!(closed.text_hash, sha256(&bytes));
    assert_eq!(closed.metadata["is_encrypted"], true);
    assert_eq!(closed.metadata["title"], serde_json::Value::Null);
}

#[test]
fn damaged_cross_references_are_rebuilt() {
    let mut bytes = save(document(&[HELLO]));
    let at = bytes.windows(9).rposition(|window| window == b"startxref").unwrap();
    bytes.truncate(at);
    assert_hello(&run(&bytes).unwrap());
    // A byte too many before everything shifts all offsets.
    let mut shifted = save(document(&[HELLO]));
    shifted.splice(9..9, b"%shift\n".iter().copied());
    assert_hello(&run(&shifted).unwrap());
}

#[test]
fn garbage_is_refused_with_a_reason() {
    assert_eq!(run(b"hello").unwrap_err().to_string(), "not a pdf document");
    assert_eq!(run(b"").unwrap_err().to_string(), "not a pdf document");
    assert_eq!(run(b"%PDF-1.7\ngarbage").unwrap_err().to_string(), "pdf is damaged or truncated");
    let bytes = save(document(&[HELLO]));
    for keep in 0..bytes.len() {
        let _ = run(&bytes[..keep]);
    }
}

#[test]
fn corrupt_bytes_never_panic() {
    for bytes in [save(document(&[HELLO])), save_modern(document(&[HELLO])), encrypted("")] {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..300 {
            let mut broken = bytes.clone();
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = state as usize % broken.len();
                broken[at] = (state >> 40) as u8;
            }
            let _ = run(&broken);
        }
    }
}

#[test]
fn too_many_pages() {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: String = (0..10_000).map(|page| format!("{} 0 R ", page + 3)).collect();
    objects.push(format!("<< /Type /Pages /Count 10000 /Kids [{kids}] >>"));
    objects.extend((0..10_000).map(|_| "<< /Type /Page /Parent 2 0 R >>".to_owned()));
    assert_eq!(run(&raw(&objects)).unwrap_err().to_string(), "pdf has 10000 pages, more than the limit of 5000");
}

#[test]
fn loops_end() {
    // The page tree contains itself, its parent is itself, and two references point at each other.
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Count 1 /Kids [2 0 R 3 0 R 2 0 R] /Parent 2 0 R >>",
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources 6 0 R >>",
        "5 0 R",
        "4 0 R",
        "6 0 R",
    ]
    .map(str::to_owned);
    let bytes = raw(&objects);
    assert_eq!(run(&bytes).unwrap().text_hash, sha256(&bytes));

    let mut looping = String::from_utf8(raw(&objects[..3])).unwrap();
    let start = looping.rfind("xref\n0").unwrap();
    looping = looping.replace("/Size", &format!("/Prev {start} /Size"));
    let _ = run(looping.as_bytes());
}

#[test]
fn deep_nesting_is_survived() {
    let arrays = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let dictionaries = format!("{}{}", "<</A".repeat(100_000), ">>".repeat(100_000));
    let strings = format!("{}{}", "(".repeat(200_000), ")".repeat(200_000));
    let level = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for deep in [arrays, dictionaries, strings, level(99), level(100), level(101)] {
        let objects =
            ["<< /Type /Catalog /Pages 2 0 R >>".to_owned(), "<< /Type /Pages /Kids [] /Count 0 >>".to_owned(), deep];
        let _ = run(&raw(&objects));
    }
    // Content streams and page trees.
    let _ = run(&save(document(&[&"[".repeat(100_000), &"<<".repeat(100_000), &"q ".repeat(100_000)])));
    let mut chain = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    chain.extend((2..20_000).map(|id| format!("<< /Type /Pages /Parent {} 0 R /Kids [{} 0 R] >>", id - 1, id + 1)));
    let _ = run(&raw(&chain));
}

/// A stream that is `times` times `unit` once decompressed.
fn bomb(unit: &[u8], times: usize) -> Stream {
    let mut stream = Stream::new(dictionary! {}, unit.repeat(times));
    stream.compress().unwrap();
    stream
}

#[test]
fn decompression_bombs_are_refused() {
    let limits = Limits { pdf_decoded_bytes_max: 4 << 20, ..Limits::default() };
    let mut document = document(&[HELLO]);
    let bomb = document.add_object(bomb(b"0 ", 4 << 20));
    let page = document.page_iter().next().unwrap();
    document.get_object_mut(page).unwrap().as_dict_mut().unwrap().set("Contents", bomb);
    let bytes = save(document);
    assert!(bytes.len() < 20_000);
    let error = pdf::fingerprint(&bytes, &limits, &mut NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "pdf decompresses to more than the limit of 4 MiB");
    // Within the limits, eight million operands of no operator take no memory.
    assert!(run(&bytes).is_ok());
}

/// A document whose object stream holds its font (50) and the length of its page's content (51),
/// and lists one long array 20,000 times.
fn object_stream_bomb(first_key: &str) -> Vec<u8> {
    let font = "<< /Type /Font /Subtype /Type1 /Encoding /WinAnsiEncoding >> ";
    let length = format!("{} ", HELLO.len());
    let array_at = font.len() + length.len();
    let mut index = format!("50 0 51 {} ", font.len());
    for id in 0..20_000 {
        write!(index, "{} {array_at} ", id + 100).unwrap();
    }
    let packed = format!("{index}{font}{length}[{}]", "1 ".repeat(100_000));
    raw(&[
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 50 0 R >> >> >>".to_owned(),
        format!("<< /Length 51 0 R >>\nstream\n{HELLO}\nendstream"),
        format!(
            "<< /Type /ObjStm /N 20002 /{first_key} {} /Length {} >>\nstream\n{packed}\nendstream",
            index.len(),
            packed.len()
        ),
    ])
}

#[test]
fn object_streams_do_not_multiply() {
    assert_hello(&run(&object_stream_bomb("First")).unwrap());
    // Written like this, it is left packed: there is no font, so no text.
    let bytes = object_stream_bomb("F#69rst");
    assert_eq!(run(&bytes).unwrap().text_hash, sha256(&bytes));
}

#[test]
fn cross_references_do_not_multiply() {
    // A hundred thousand entries that all name the same stream of 100 kB: 10 GB of copies.
    let mut file = "%PDF-1.5\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n".to_owned();
    let stream = file.len();
    write!(file, "3 0 obj\n<< /Length 100000 >>\nstream\n{}\nendstream\nendobj\n", "x".repeat(100_000)).unwrap();
    let start = file.len();
    write!(file, "xref\n0 100001\n0000000000 65535 f \n0000000009 00000 n \n").unwrap();
    for _ in 0..99_999 {
        writeln!(file, "{stream:010} 00000 n ").unwrap();
    }
    write!(file, "trailer\n<< /Size 100001 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    let error = run(file.as_bytes()).unwrap_err();
    assert!(matches!(&error, FingerprintError::LimitExceeded { .. }), "{error}");
}

#[test]
fn too_many_tokens() {
    let limits = Limits { pdf_tokens_max: 1_000, ..Limits::default() };
    let objects = ["<< /Type /Catalog >>".to_owned(), format!("[{}]", "/".repeat(2_000))];
    let error = pdf::fingerprint(&raw(&objects), &limits, &mut NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "pdf has objects of more than 1000 tokens, the limit");
}

#[test]
fn limits_on_size_text_and_operators() {
    let bytes = save(document(&[HELLO]));
    let error = |limits: Limits| pdf::fingerprint(&bytes, &limits, &mut NoProgress).unwrap_err().to_string();
    let small = Limits { pdf_input_bytes_max: 100, ..Limits::default() };
    assert_eq!(error(small), format!("pdf has {} bytes, more than the limit of 100", bytes.len()));
    let short = Limits { pdf_text_chars_max: 5, ..Limits::default() };
    assert_eq!(error(short), "pdf has more than 5 characters of text, the limit");
    let idle = Limits { pdf_operations_max: 2, ..Limits::default() };
    assert_eq!(error(idle), "pdf pages have more than 2 operators, the limit");
}

#[test]
fn progress_rises_and_cancels() {
    let bytes = save(document(&[HELLO; 50]));
    let mut seen = Vec::new();
    let mut watch = |percent| {
        seen.push(percent);
        ControlFlow::Continue(())
    };
    pdf::fingerprint(&bytes, &Limits::default(), &mut watch).unwrap();
    assert!(seen.len() > 50 && seen.is_sorted() && seen.last() == Some(&100), "{seen:?}");
    let mut stop = |percent| if percent > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let result = pdf::fingerprint(&bytes, &Limits::default(), &mut stop);
    assert!(matches!(result, Err(FingerprintError::Cancelled)));
}

/// One page with `content`, whose resources are `fonts` by name and `forms`: their operators, and the names of fonts and
/// forms that they have for themselves when they have any.
fn page(content: &[u8], fonts: Vec<(&str, lopdf::Dictionary)>, forms: &[(&str, &str, bool)]) -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let root = document.new_object_id();
    let mut by_name = lopdf::Dictionary::new();
    for (name, font) in fonts {
        by_name.set(name, document.add_object(font));
    }
    let ids: Vec<_> = forms.iter().map(|_| document.new_object_id()).collect();
    let mut objects = lopdf::Dictionary::new();
    for ((name, _, _), id) in forms.iter().zip(&ids) {
        objects.set(*name, *id);
    }
    let resources = dictionary! { "Font" => by_name, "XObject" => objects };
    for ((_, operators, own), id) in forms.iter().zip(&ids) {
        let mut form = dictionary! { "Type" => "XObject", "Subtype" => "Form" };
        if *own {
            form.set("Resources", resources.clone());
        }
        document.objects.insert(*id, Stream::new(form, operators.as_bytes().to_vec()).into());
    }
    let content = document.add_object(Stream::new(dictionary! {}, content.to_vec()));
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => root, "Contents" => content, "Resources" => resources,
    });
    let kids = vec![Object::Reference(page)];
    document.objects.insert(root, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => 1 }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    document.trailer.set("Root", catalog);
    save(document)
}

fn helvetica() -> lopdf::Dictionary {
    dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding" }
}

#[track_caller]
fn assert_text(pdf: &[u8], text: &str, unreadable: Option<u64>) {
    let found = run(pdf).unwrap();
    assert_eq!(found.metadata.get("unreadable_glyphs").and_then(|count| count.as_u64()), unreadable);
    assert_eq!(
        (found.text_length, found.word_count),
        (text.chars().count() as u64, text.split_whitespace().count() as u64)
    );
    if !text.is_empty() {
        assert_eq!(found.text_hash, sha256(text), "{text}");
    }
}

#[test]
fn glyphs_are_known_by_their_names() {
    let names = ["o", "ffi", "c", "e", "f_t", "uni00C4", "u1F600", "a.sc", "g23", "fi"];
    let mut differences = vec![Object::Integer(1)];
    differences.extend(names.map(|name| Object::Name(name.as_bytes().to_vec())));
    let encoding = dictionary! { "Type" => "Encoding", "Differences" => differences };
    let font = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "ABC+Own", "Encoding" => encoding };
    let content = b"BT /F1 12 Tf (\\001\\002\\003\\004 so\\005 \\006\\007\\010\\011 \\012n) Tj ET";
    assert_text(&page(content, vec![("F1", font)], &[]), "office soft Ä\u{1f600}a fin", Some(1));
}

#[test]
fn text_in_forms_is_read() {
    let forms = [
        ("Own", "BT /F1 10 Tf (in a form) Tj ET /Inner Do", true),
        ("Inner", "BT /F1 10 Tf (and within it) Tj ET /Own Do /Inner Do", false),
    ];
    let content = b"BT /F1 12 Tf (A page) Tj ET /Own Do BT (goes on) Tj ET";
    assert_text(&page(content, vec![("F1", helvetica())], &forms), "A page\nin a form\nand within it\ngoes on", None);
}

#[test]
fn words_that_are_placed_stand_apart() {
    // Hello is 27.3 wide in Helvetica of 12 points, Hel 18.
    for (content, text) in [
        ("50 700 Td (Hello) Tj 30.7 0 Td (World) Tj", "Hello World"),
        ("50 700 Td (Hel) Tj 18 0 Td (lo) Tj", "Hello"),
        ("1 0 0 1 50 700 Tm (Hello) Tj 1 0 0 1 81 700 Tm (World) Tj", "Hello World"),
        ("1 0 0 1 50 700 Tm (Hel) Tj 1 0 0 1 68.1 700 Tm (lo) Tj", "Hello"),
        ("12 0 0 12 50 700 Tm /F1 1 Tf (Hello) Tj 12 0 0 12 81 700 Tm (World) Tj", "Hello World"),
        ("0 1 -1 0 50 700 Tm (Hello) Tj 31 0 Td (World) Tj", "Hello World"),
        ("[(Hel) 20 (lo) -333 (W) 80 (orld)] TJ", "Hello World"),
        ("[(Hello)] TJ 3 Tc 200 Tz 50 0 Td (W) Tj 29 0 Td (orld) Tj", "Hello World"),
        ("50 700 Td (right) Tj -40 0 Td (left) Tj", "right left"),
        ("12 TL (one) Tj T* (two) Tj (three) '", "one\ntwo\nthree"),
    ] {
        let content = format!("BT /F1 12 Tf {content} ET");
        assert_text(&page(content.as_bytes(), vec![("F1", helvetica())], &[]), text, None);
    }
}

fn composite(encoding: &str) -> lopdf::Dictionary {
    let descendant = dictionary! { "Type" => "Font", "Subtype" => "CIDFontType0", "BaseFont" => "Any" };
    dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "Any", "Encoding" => encoding,
        "DescendantFonts" => vec![Object::Dictionary(descendant)],
    }
}

#[test]
fn predefined_character_maps_are_read() {
    for (encoding, codes, text) in [
        ("90ms-RKSJ-H", "93FA967B8CEA41", "日本語A"),
        ("90pv-RKSJ-V", "93FA967B", "日本"),
        ("EUC-H", "C6FCCBDC", "日本"),
        ("GBK-EUC-H", "D6D0CEC441", "中文A"),
        ("GB-EUC-H", "D6D0CEC4", "中文"),
        ("GBK2K-V", "D6D0CEC4", "中文"),
        ("ETen-B5-H", "A4A4A4E5", "中文"),
        ("KSCms-UHC-H", "C7D1B1B9", "한국"),
        ("UniGB-UCS2-H", "4E2D6587", "中文"),
        ("UniJIS-UTF16-H", "65E5672CD842DFB7", "日本𠮷"),
        ("UniKS-UCS2-V", "D55CAD6D", "한국"),
    ] {
        let content = format!("BT /F1 12 Tf <{codes}> Tj ET");
        assert_text(&page(content.as_bytes(), vec![("F1", composite(encoding))], &[]), text, None);
    }
}

/// A document of glyph numbers alone is no scan: its text is there, and can't be read.
#[test]
fn glyphs_that_nothing_explains_are_counted() {
    let fonts = vec![("F1", composite("Identity-H"))];
    assert_text(&page(b"BT /F1 12 Tf <000100020003> Tj ET", fonts, &[]), "", Some(3));
    let scan = run(&page(b"q 1 0 0 1 0 0 cm Q", vec![], &[])).unwrap();
    assert_eq!((scan.text_length, scan.metadata.get("unreadable_glyphs")), (0, None));
}
