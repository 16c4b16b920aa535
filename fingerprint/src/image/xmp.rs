//! Titles and descriptions in XMP (ISO 16684-1), as exiv2 reads and iscc-sdk takes them.
//!
//! A property is an attribute or an element of an `rdf:Description`; its value is text, an array of texts, or texts in
//! several languages.

use std::borrow::Cow;
use std::collections::BTreeMap;

use encoding_rs::Encoding;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};
use quick_xml::reader::NsReader;

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
/// The language of a text whose language is not told.
const DEFAULT: &str = "x-default";
/// Bytes kept of one text.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Languages kept of one property.
const LANGUAGES_MAX: usize = 100;

/// Properties that are read: schema and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Property {
    IsccName,
    IsccDescription,
    Title,
    Description,
    Nickname,
    ShotName,
    Headline,
    ArtworkTitle,
    Orientation,
}

const PROPERTIES: [(&str, &str, Property); 9] = [
    ("http://purl.org/iscc/schema/", "name", Property::IsccName),
    ("http://purl.org/iscc/schema/", "description", Property::IsccDescription),
    ("http://purl.org/dc/elements/1.1/", "title", Property::Title),
    ("http://purl.org/dc/elements/1.1/", "description", Property::Description),
    ("http://ns.adobe.com/xap/1.0/", "Nickname", Property::Nickname),
    ("http://ns.adobe.com/xmp/1.0/DynamicMedia/", "shotName", Property::ShotName),
    ("http://ns.adobe.com/photoshop/1.0/", "Headline", Property::Headline),
    ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "AOTitle", Property::ArtworkTitle),
    ("http://ns.adobe.com/tiff/1.0/", "Orientation", Property::Orientation),
];

/// A text in one or more languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts(Vec<(String, String)>);

impl Texts {
    /// For people: the default language, else the first that is there.
    pub(super) fn plain(&self) -> Option<&str> {
        let default = self.0.iter().find(|(language, _)| language == DEFAULT).or(self.0.first());
        default.map(|(_, text)| text.as_str())
    }

    /// What iscc-sdk makes the Meta-Code of: the default language first, and behind it the others with their names, the
    /// longest name first and then from Z to A, as exiv2 writes them.
    pub(super) fn reference(&self) -> Option<String> {
        let mut texts: Vec<_> = self.0.iter().collect();
        texts.sort_by_key(|(language, _)| {
            let lower = language.to_ascii_lowercase();
            (language != DEFAULT, std::cmp::Reverse((language.len(), lower)))
        });
        let mut texts = texts.into_iter();
        let mut all = texts.next()?.1.clone();
        for (language, text) in texts {
            all.push_str(&format!(", lang=\"{language}\" {text}"));
        }
        Some(all)
    }

    /// Of two texts in one language the second counts, as for exiv2.
    fn insert(&mut self, language: Option<&str>, text: &str) {
        let text = text.trim();
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return;
        }
        let language = language.map_or_else(|| DEFAULT.to_owned(), normalized);
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == language) {
            text.clone_into(known);
        } else if self.0.len() < LANGUAGES_MAX {
            self.0.push((language, text.to_owned()));
        }
    }
}

/// Lower case, but for a country of two letters.
fn normalized(language: &str) -> String {
    let mut parts = language.split('-').map(str::to_ascii_lowercase).collect::<Vec<_>>();
    if let Some(country) = parts.get_mut(1).filter(|part| part.len() == 2) {
        country.make_ascii_uppercase();
    }
    parts.join("-")
}

/// What the document `packet` says; of one that is broken, what stands before the break.
pub(super) fn read(packet: &[u8]) -> BTreeMap<Property, Texts> {
    let packet = decoded(packet);
    let mut reader = NsReader::from_str(packet.trim_matches(|c: char| c == '\0' || c.is_whitespace()));
    let mut walk = Walk::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => walk.open(&reader, &element),
            Ok(Event::Empty(element)) => {
                walk.open(&reader, &element);
                walk.close();
            }
            Ok(Event::End(_)) => walk.close(),
            Ok(Event::Text(text)) => walk.text.push_str(&text.xml10_content().unwrap_or_default()),
            Ok(Event::CData(text)) => walk.text.push_str(&text.xml10_content().unwrap_or_default()),
            Ok(Event::GeneralRef(entity)) => {
                let known = entity.resolve_char_ref().ok().flatten();
                walk.text.extend(known.or_else(|| predefined(&entity)));
            }
            Ok(Event::Eof) | Err(_) => return walk.found,
            Ok(_) => {}
        }
        if walk.text.len() > TEXT_BYTES_MAX {
            walk.text.clear();
        }
    }
}

fn predefined(name: &[u8]) -> Option<char> {
    Some(match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        _ => return None,
    })
}

/// XMP is UTF-8 nearly always; a byte order mark tells UTF-16.
fn decoded(packet: &[u8]) -> Cow<'_, str> {
    match Encoding::for_bom(packet) {
        Some((encoding, _)) => encoding.decode(packet).0,
        None => String::from_utf8_lossy(packet),
    }
}

/// Where an element stands within the description of a work.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// `rdf:RDF`.
    Root,
    /// `rdf:Description` right within.
    Description,
    /// A property that is read.
    Property,
    /// `rdf:Alt`, `rdf:Bag` or `rdf:Seq` right within a property.
    Array,
    /// What holds a text: an item of an array, or `rdf:value`.
    Item,
    Other,
}

#[derive(Default)]
struct Walk {
    path: Vec<Place>,
    property: Option<Property>,
    language: Option<String>,
    text: String,
    found: BTreeMap<Property, Texts>,
}

impl Walk {
    fn open(&mut self, reader: &NsReader<&[u8]>, element: &BytesStart) {
        let (namespace, name) = reader.resolver().resolve_element(element.name());
        let is_rdf = namespace == ResolveResult::Bound(Namespace(RDF.as_bytes()));
        let place = match (self.path.last(), name.as_ref()) {
            (_, b"RDF") if is_rdf => Place::Root,
            (Some(Place::Root), b"Description") if is_rdf => Place::Description,
            (Some(Place::Description), name) => {
                self.property = property(&namespace, name);
                if self.property.is_some() { Place::Property } else { Place::Other }
            }
            (Some(Place::Property), b"Alt" | b"Bag" | b"Seq") if is_rdf => Place::Array,
            (Some(Place::Property), b"value") | (Some(Place::Array), b"li") if is_rdf => Place::Item,
            _ => Place::Other,
        };
        if place == Place::Description {
            self.attributes(reader, element);
        }
        if matches!(place, Place::Property | Place::Item) {
            self.language = attribute(element, b"xml:lang").or(self.language.take().filter(|_| place == Place::Item));
        }
        self.text.clear();
        self.path.push(place);
    }

    fn attributes(&mut self, reader: &NsReader<&[u8]>, element: &BytesStart) {
        for attribute in element.attributes().flatten() {
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            if let Some(property) = property(&namespace, name.as_ref())
                && let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0)
            {
                self.found.entry(property).or_default().insert(None, &value);
            }
        }
    }

    fn close(&mut self) {
        let place = self.path.pop();
        if let (Some(Place::Property | Place::Item), Some(property)) = (&place, self.property) {
            let language = self.language.take();
            self.found.entry(property).or_default().insert(language.as_deref(), &self.text);
        }
        if place == Some(Place::Property) {
            self.property = None;
        }
        self.text.clear();
    }
}

fn attribute(element: &BytesStart, name: &[u8]) -> Option<String> {
    let found = element.attributes().flatten().find(|attribute| attribute.key == QName(name))?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
}

fn property(namespace: &ResolveResult, name: &[u8]) -> Option<Property> {
    let ResolveResult::Bound(Namespace(schema)) = namespace else { return None };
    let known = PROPERTIES.iter().find(|(uri, local, _)| uri.as_bytes() == *schema && local.as_bytes() == name);
    known.map(|(_, _, property)| *property)
}
