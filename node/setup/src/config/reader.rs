//! Reads named values from `.env` and the environment, and remembers what it found for `config --dump`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;

use super::dotenv::{self, Interpolated};

/// One value that is wrong: which variable, and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub name: String,
    pub message: String,
}

/// One line of `config --dump`.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: &'static str,
    pub value: String,
    /// `default`, `environment`, `.env` or the file it was read from.
    pub source: String,
}

/// The environment wins over `.env`; an empty value counts as unset.
pub struct Reader {
    values: HashMap<String, (String, &'static str)>,
    pub problems: Vec<Problem>,
    pub entries: Vec<Entry>,
    /// Values of the file that hold what a variable said.
    pub interpolated: Vec<Interpolated>,
}

struct Found {
    name: String,
    value: String,
    source: String,
}

impl Reader {
    /// The process environment over the `.env` file of `dir`, if there is one.
    pub fn from_environment(dir: &Path) -> Self {
        let file = dir.join(".env");
        let environment = environment();
        let mut reader = Self::empty();
        if file.exists() {
            reader.add_file(&file, |name| environment.get(name).cloned());
        }
        // what the file makes of them does not count for variables that the environment sets
        reader.interpolated.retain(|it| environment.get(&it.name).is_none_or(|value| value.trim().is_empty()));
        for (name, value) in environment {
            reader.values.insert(name, (value, "environment"));
        }
        reader
    }

    /// A file in the form of `.env`, and nothing else.
    pub fn from_file(file: &Path) -> Self {
        let mut reader = Self::empty();
        reader.add_file(file, |_| None);
        reader
    }

    /// What `file` says, with the environment for what it leaves open.
    ///
    /// # Errors
    /// The lines that can't be read.
    pub fn file_with_environment(file: &Path) -> Result<BTreeMap<String, String>, Vec<Problem>> {
        let environment = environment();
        let mut reader = Self::empty();
        reader.add_file(file, |name| environment.get(name).cloned());
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        Ok(reader.values.into_iter().map(|(name, (value, _))| (name, value)).collect())
    }

    fn add_file(&mut self, file: &Path, environment: impl Fn(&str) -> Option<String>) {
        let shown = file.display().to_string();
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => return self.problem(&shown, format!("can't be read: {error}")),
        };
        let read = dotenv::parse(&bytes, environment);
        for problem in read.problems {
            self.problem(&shown, problem.to_string());
        }
        for (name, value) in read.values {
            let mixed = read.interpolated.iter().any(|it| it.name == name);
            self.values.insert(name, (value, if mixed { ".env, with variables put in" } else { ".env" }));
        }
        self.interpolated = read.interpolated;
    }

    /// What the command line says wins.
    pub fn with(mut self, given: &[(&str, &str)]) -> Self {
        for (name, value) in given {
            self.values.insert((*name).to_owned(), ((*value).to_owned(), "command line"));
        }
        self
    }

    #[cfg(test)]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let mut reader = Self::empty();
        for (name, value) in pairs {
            reader.values.insert((*name).to_owned(), ((*value).to_owned(), "environment"));
        }
        reader
    }

    fn empty() -> Self {
        Self { values: HashMap::new(), problems: Vec::new(), entries: Vec::new(), interpolated: Vec::new() }
    }

    pub fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem { name: name.to_owned(), message: message.into() });
    }

    /// The first of `names` that is set and not empty.
    fn find(&self, names: &[&str]) -> Option<Found> {
        names.iter().find_map(|name| {
            let (value, source) = self.values.get(*name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| Found {
                name: (*name).to_owned(),
                value: value.to_owned(),
                source: (*source).to_owned(),
            })
        })
    }

    /// Like [`Reader::find`], also by `NAME_FILE`; the value itself wins over the file.
    fn find_secret(&mut self, names: &[&str]) -> Option<Found> {
        if let Some(found) = self.find(names) {
            return Some(found);
        }
        for name in names {
            let file_name = format!("{name}_FILE");
            let Some(file) = self.find(&[&file_name]) else { continue };
            match std::fs::read_to_string(&file.value) {
                Ok(text) if !text.trim().is_empty() => {
                    return Some(Found { name: (*name).to_owned(), value: text.trim().to_owned(), source: file.value });
                }
                Ok(_) => self.problem(&file_name, format!("names an empty file: {}", file.value)),
                Err(error) => {
                    self.problem(&file_name, format!("names a file that can't be read: {}: {error}", file.value))
                }
            }
            return None;
        }
        None
    }

    fn note(&mut self, name: &'static str, value: String, source: &str) {
        self.entries.push(Entry { name, value, source: source.to_owned() });
    }

    /// A text with a default.
    pub fn text_or(&mut self, names: &[&'static str], default: &str) -> String {
        let found = self.text(names);
        if found.is_none()
            && let Some(entry) = self.entries.last_mut()
        {
            entry.value = default.to_owned();
        }
        found.unwrap_or_else(|| default.to_owned())
    }

    /// A text, or `None`. `names` begins with the name of the documentation.
    pub fn text(&mut self, names: &[&'static str]) -> Option<String> {
        let found = self.find(names);
        let (value, source) = found.as_ref().map_or(("", "default"), |f| (f.value.as_str(), f.source.as_str()));
        let (value, source) = (value.to_owned(), source.to_owned());
        self.note(names[0], value, &source);
        found.map(|f| f.value)
    }

    /// A URL with a default, shown without the passwords in it.
    pub fn url_or(&mut self, names: &[&'static str], default: &str) -> String {
        let url = self.text_or(names, default);
        if let Some(entry) = self.entries.last_mut() {
            entry.value = without_passwords(&url);
        }
        url
    }

    /// A secret; it may be a file, and is shown masked.
    pub fn secret(&mut self, names: &[&'static str]) -> Option<String> {
        let found = self.find_secret(names);
        let (value, source) =
            found.as_ref().map_or((String::new(), "default"), |f| (mask(&f.value), f.source.as_str()));
        let source = source.to_owned();
        self.note(names[0], value, &source);
        found.map(|f| f.value)
    }

    /// A value of another type; `accepted` tells what is.
    pub fn parse<T: FromStr + ToString>(
        &mut self,
        names: &[&'static str],
        default: T,
        accepted: &str,
        valid: impl Fn(&T) -> bool,
    ) -> T {
        let Some(found) = self.find(names) else {
            self.note(names[0], default.to_string(), "default");
            return default;
        };
        match found.value.parse::<T>() {
            Ok(value) if valid(&value) => {
                self.note(names[0], value.to_string(), &found.source);
                value
            }
            _ => {
                self.problem(&found.name, format!("is {:?}, accepted: {accepted}", found.value));
                default
            }
        }
    }

    pub fn flag(&mut self, names: &[&'static str], default: bool) -> bool {
        let Some(found) = self.find(names) else {
            self.note(names[0], default.to_string(), "default");
            return default;
        };
        let value = match found.value.to_lowercase().as_str() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                self.problem(&found.name, format!("is {:?}, accepted: true, false, 1, 0", found.value));
                default
            }
        };
        self.note(names[0], value.to_string(), &found.source);
        value
    }

    /// One word out of a list, compared without regard to case.
    pub fn choice(&mut self, names: &[&'static str], default: &str, accepted: &[&'static str]) -> String {
        let Some(found) = self.find(names) else {
            self.note(names[0], default.to_owned(), "default");
            return default.to_owned();
        };
        let value = found.value.to_lowercase();
        if !accepted.contains(&value.as_str()) {
            self.problem(&found.name, format!("is {:?}, accepted: {}", found.value, accepted.join(", ")));
            return default.to_owned();
        }
        self.note(names[0], value.clone(), &found.source);
        value
    }

    /// Words separated by commas, or a JSON array of them.
    pub fn list(&mut self, names: &[&'static str], default: &[&str]) -> Vec<String> {
        let Some(found) = self.find(names) else {
            self.note(names[0], default.join(","), "default");
            return default.iter().map(|word| (*word).to_owned()).collect();
        };
        self.note(names[0], found.value.clone(), &found.source);
        let words = if found.value.starts_with('[') {
            serde_json::from_str::<Vec<String>>(&found.value).unwrap_or_else(|_| {
                self.problem(&found.name, "is no JSON array of texts, accepted: [\"a\", \"b\"] or a, b");
                Vec::new()
            })
        } else {
            found.value.split(',').map(str::to_owned).collect()
        };
        words.iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }
}

fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Enough to tell two secrets apart, never enough to use one.
fn mask(secret: &str) -> String {
    match secret.chars().count() {
        0..=11 => "***".to_owned(),
        n => format!("{}***({n} characters)", secret.chars().take(2).collect::<String>()),
    }
}

/// The URL with its passwords masked: the one before the host, and options that are called so.
fn without_passwords(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // a list of addresses may hold several: all up to the last one goes
    let rest = match rest.rsplit_once('@') {
        Some((credentials, hosts)) => {
            format!("{}:***@{hosts}", credentials.split(':').next().unwrap_or_default())
        }
        None => rest.to_owned(),
    };
    let Some((place, options)) = rest.split_once('?') else { return format!("{scheme}://{rest}") };
    let masked = options.split('&').map(|option| match option.split_once('=') {
        Some((name, _)) if name.to_lowercase().contains("pass") => format!("{name}=***"),
        _ => option.to_owned(),
    });
    format!("{scheme}://{place}?{}", masked.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_name_wins_over_the_alias_and_empty_is_unset() {
        let mut reader = Reader::from_pairs(&[("A", ""), ("B", "b"), ("C", "c")]);
        assert_eq!(reader.text(&["A", "B", "C"]).as_deref(), Some("b"));
        assert_eq!(reader.text(&["A"]), None);
    }

    #[test]
    fn lists_are_words_or_json() {
        for (value, words) in [
            ("a,b", &["a", "b"][..]),
            (" a , b ,", &["a", "b"]),
            ("[\"a\", \"b \"]", &["a", "b"]),
            ("[\n  \"a\"\n]", &["a"]),
            ("[]", &[]),
        ] {
            let mut reader = Reader::from_pairs(&[("L", value)]);
            assert_eq!(reader.list(&["L"], &["z"]), words, "{value}");
            assert_eq!(reader.problems, [], "{value}");
        }
        let mut reader = Reader::from_pairs(&[("L", "['a']")]);
        reader.list(&["L"], &[]);
        assert_eq!(reader.problems[0].name, "L");
    }

    #[test]
    fn urls_are_shown_without_passwords() {
        for (url, shown) in [
            ("embedded", "embedded"),
            ("redis://h:6379/0", "redis://h:6379/0"),
            ("redis://:p@ss/w?rd@h/0", "redis://:***@h/0"),
            ("mongodb://me:one@a,b/?authSource=admin", "mongodb://me:***@a,b/?authSource=admin"),
            ("mongodb://me@a", "mongodb://me:***@a"),
            ("redis://:one@a,redis://:two@b", "redis://:***@b"),
            ("redis://h?sentinel_password=x&db=1", "redis://h?sentinel_password=***&db=1"),
        ] {
            assert_eq!(without_passwords(url), shown);
        }
    }

    #[test]
    fn wrong_values_name_the_variable_and_what_is_accepted() {
        let mut reader = Reader::from_pairs(&[("PORT", "x"), ("FLAG", "maybe"), ("KIND", "odd")]);
        reader.parse(&["PORT"], 1_u16, "0 to 65535", |_| true);
        reader.flag(&["FLAG"], true);
        reader.choice(&["KIND"], "a", &["a", "b"]);
        let shown: Vec<_> = reader.problems.iter().map(|p| format!("{} {}", p.name, p.message)).collect();
        assert_eq!(
            shown,
            [
                "PORT is \"x\", accepted: 0 to 65535",
                "FLAG is \"maybe\", accepted: true, false, 1, 0",
                "KIND is \"odd\", accepted: a, b"
            ]
        );
    }

    #[test]
    fn secrets_are_masked_and_may_be_files() {
        let file = std::env::temp_dir().join(format!("metastamp-secret-{}", std::process::id()));
        std::fs::write(&file, "a-long-enough-secret\n").unwrap();
        let mut reader = Reader::from_pairs(&[("S_FILE", file.to_str().unwrap())]);
        assert_eq!(reader.secret(&["S"]).as_deref(), Some("a-long-enough-secret"));
        assert!(!reader.entries[0].value.contains("long-enough"));
        std::fs::remove_file(file).unwrap();
        let mut missing = Reader::from_pairs(&[("S_FILE", "/no/such/file")]);
        assert_eq!(missing.secret(&["S"]), None);
        assert_eq!(missing.problems[0].name, "S_FILE");
    }
}
