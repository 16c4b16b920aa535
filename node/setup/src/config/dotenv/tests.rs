use super::*;

/// The environment of these cases.
fn environment(name: &str) -> Option<String> {
    match name {
        "OUTER" => Some("outer".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Dotenv {
    parse(text.as_bytes(), environment)
}

/// Each form that Docker's documentation of env files names, and what Compose gives for it.
const CASES: &[(&str, &str)] = &[
    // without quotes
    ("V=VAL", "VAL"),
    ("V: VAL", "VAL"),
    ("V = VAL", "VAL"),
    ("V=  VAL  ", "VAL"),
    ("  V=VAL", "VAL"),
    ("\tV\t=\tVAL\t", "VAL"),
    ("V=META-STAMP V3", "META-STAMP V3"),
    ("V=a b  c", "a b  c"),
    ("export V=VAL", "VAL"),
    ("export   V = a b", "a b"),
    ("V=", ""),
    ("V=\nW=1", ""),
    ("V:", ""),
    ("V=a=b:c", "a=b:c"),
    ("V=https://example.org:8000/?a=b&c=%20", "https://example.org:8000/?a=b&c=%20"),
    ("V=it's", "it's"),
    ("V=a \"b\" c", "a \"b\" c"),
    ("V=a\\tb\\n", "a\\tb\\n"),
    ("V=C:\\new\\table", "C:\\new\\table"),
    ("V=Käse für Zoë 東京", "Käse für Zoë 東京"),
    ("V=one\nV=two", "two"),
    // JSON and lists
    ("V=[\"http://a\", \"http://b\"]", "[\"http://a\", \"http://b\"]"),
    ("V={\"a\": 1}", "{\"a\": 1}"),
    ("V=a, b", "a, b"),
    // notes
    ("V=VAL # a note", "VAL"),
    ("V=VAL #a note", "VAL"),
    ("V=VAL# no note", "VAL# no note"),
    ("V=#abc", "#abc"),
    ("V= # a note", ""),
    ("V=   # a note", ""),
    ("# V=no\nV=yes\n#V=no", "yes"),
    ("V=\"VAL # no note\"", "VAL # no note"),
    ("V=\"VAL\" # a note", "VAL"),
    ("V='VAL' # a 'note'", "VAL"),
    ("V='VAL'# a note", "VAL"),
    // single quotes
    ("V='VAL'", "VAL"),
    ("V=''", ""),
    ("V='$OUTER ${OUTER} $$'", "$OUTER ${OUTER} $$"),
    ("V='Let\\'s go!'", "Let's go!"),
    ("V='some\\tvalue'", "some\\tvalue"),
    ("V='a \"b\"'", "a \"b\""),
    ("V='one\ntwo\n\n# three'", "one\ntwo\n\n# three"),
    ("V='a\\\\'", "a\\\\"),
    ("V='  a  '", "  a  "),
    // double quotes
    ("V=\"VAL\"", "VAL"),
    ("V=\"\"", ""),
    ("V=\"{\\\"hello\\\": \\\"json\\\"}\"", "{\"hello\": \"json\"}"),
    ("V=\"some\\tvalue\"", "some\tvalue"),
    ("V=\"a\\nb\\rc\\\\d\"", "a\nb\rc\\d"),
    ("V=\"a\\\\nb\"", "a\\nb"),
    ("V=\"\\a\\b\\f\\v\\0101\"", "\u{7}\u{8}\u{c}\u{b}A"),
    ("V=\"\\x\\q\\09\"", "\\x\\q\\09"),
    ("V=\"it's\"", "it's"),
    ("V=\"one\ntwo\"", "one\ntwo"),
    ("V=\"  a  \"", "  a  "),
    ("V=\"ends\\\\\"", "ends\\"),
    // variables
    ("V=$OUTER", "outer"),
    ("V=${OUTER}", "outer"),
    ("V=a-$OUTER-b", "a-outer-b"),
    ("V=\"$OUTER and ${OUTER}\"", "outer and outer"),
    ("V=$$OUTER", "$OUTER"),
    ("V=a$$b", "a$b"),
    ("V=\"\\$OUTER\"", "$OUTER"),
    ("V=\"\\${OUTER}\"", "${OUTER}"),
    ("V=\"\\\\$OUTER\"", "\\outer"),
    ("W=inner\nV=$W", "inner"),
    ("OUTER=inner\nV=$OUTER", "outer"),
    ("V=$NO", ""),
    ("V=a${NO}b", "ab"),
    ("V=${NO:-default}", "default"),
    ("V=${EMPTY:-default}", "default"),
    ("V=${OUTER:-default}", "outer"),
    ("V=${NO-default}", "default"),
    ("V=${EMPTY-default}", ""),
    ("V=${NO:-}", ""),
    ("V=${NO:-a b:c}", "a b:c"),
    ("V=${NO:-${OUTER}}", "outer"),
    ("V=${NO:-${NOR:-deep}}!", "deep!"),
    ("V=${OUTER:+there}", "there"),
    ("V=${EMPTY:+there}", ""),
    ("V=${EMPTY+there}", "there"),
    ("V=${NO+there}", ""),
    ("V=${OUTER:?must}", "outer"),
    ("V=${EMPTY?must}", ""),
    ("V=${OUTER:-${NO:?never asked}}", "outer"),
    ("V=${NO:-{\"a\":1}}", "{\"a\":1}"),
];

#[test]
fn every_form_of_compose_is_read_as_compose_does() {
    for (text, value) in CASES {
        for text in [(*text).to_owned(), format!("{text}\n"), format!("\u{feff}{text}\nLAST=1")] {
            let read = read(&text);
            assert_eq!(read.problems, [], "{text:?}");
            assert_eq!(read.values.get("V").map(String::as_str), Some(*value), "{text:?}");
        }
    }
}

#[test]
fn line_ends_of_windows_change_nothing() {
    for (text, value) in CASES {
        let read = read(&format!("{}\r\nLAST=1\r\n", text.replace('\n', "\r\n")));
        assert_eq!(read.problems, [], "{text:?}");
        assert_eq!(read.values.get("V").map(String::as_str), Some(*value), "{text:?}");
        assert_eq!(read.values["LAST"], "1");
    }
}

#[test]
fn a_name_alone_is_passed_through() {
    let read = read("OUTER\nexport NO\nV=1\nLAST");
    assert_eq!((read.values.len(), read.problems.len()), (1, 0));
}

#[test]
fn problems_name_the_line_and_never_the_value() {
    for (text, line, what) in [
        ("A=1\n\nB C=hunter2", 3, "a blank can't be part of a name"),
        ("A=1\nhunter2!", 2, "'!' can't be part of a name"),
        ("=hunter2", 1, "there is no name"),
        ("A='x\ny'\nB=\"hunter2\nC=3", 3, "the quote before the value of B is not closed"),
        ("# note\nA='hunter2' b", 2, "there is text after the closing quote"),
        ("A=hunter2$", 1, "the value of A has a $ that no name follows"),
        ("A=hunter$2", 1, "$$ or single quotes"),
        ("A=\"x\ny\"\nB=${hunter2", 3, "the value of B has a ${ without its }"),
        ("A=${NO:?set NO first}", 1, "the value of A needs NO, which is not set: set NO first"),
        ("A=${EMPTY:?why}", 1, "needs EMPTY"),
        ("A=${NO?why}", 1, "needs NO"),
        ("A=${OUTER/a/b}", 1, "goes on with something else"),
        ("A=${}", 1, "no name follows"),
    ] {
        let problems = read(text).problems;
        assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
        let shown = problems[0].to_string();
        assert!(shown.starts_with(&format!("line {line}: ")) && shown.contains(what), "{text:?}: {shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn all_lines_that_are_wrong_are_named_at_once() {
    let lines: Vec<_> = read("A B=1\nC=2\nD=$\nE!=1").problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 3, 4]);
}

#[test]
fn other_encodings_are_named() {
    for (bytes, line) in [(&b"\xff\xfeA\0=\0"[..], 1), (b"A=1\nB=K\xe4se", 2)] {
        let problems = parse(bytes, |_| None).problems;
        assert_eq!((problems.len(), problems[0].line), (1, line));
        assert!(problems[0].what.contains("save"), "{problems:?}");
    }
}

#[test]
fn what_was_put_in_is_told_and_names_that_are_set_nowhere_are_not() {
    let read = read("A=plain\nB=$OUTER and ${OUTER:-x}\nC='$OUTER'\nD=pa$word\nE=$$x\nF=${NO:-d}");
    let told: Vec<_> =
        read.interpolated.iter().map(|it| (it.name.as_str(), it.line, it.from.join(","), it.unset)).collect();
    assert_eq!(told, [("B", 2, "OUTER".to_owned(), 0), ("D", 4, String::new(), 1), ("F", 6, "NO".to_owned(), 0)]);
}

#[test]
fn values_that_grow_without_end_are_refused() {
    let mut text = "A0=aaaaaaaaaaaaaaaa\n".to_owned();
    for n in 1..12 {
        text += &format!("A{n}={}\n", format!("${{A{}}}", n - 1).repeat(10));
    }
    assert!(read(&text).problems[0].what.contains("longer than"));
    let deep = format!("A={}{}", "${N:-".repeat(100), "}".repeat(100));
    assert!(read(&deep).problems[0].what.contains("within each other"));
}
