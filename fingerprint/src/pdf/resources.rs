//! Fonts and forms by name: those of a page, of the nodes above it, and of forms (ISO 32000-1, 7.8.3).

use lopdf::{Dictionary, Document, Object, ObjectId, Stream};

/// Dictionaries of resources, the nearest first.
#[derive(Clone)]
pub(super) struct Resources<'a> {
    document: &'a Document,
    dictionaries: Vec<&'a Dictionary>,
}

impl<'a> Resources<'a> {
    pub(super) fn of_page(document: &'a Document, page: ObjectId) -> Self {
        let (own, above) = document.get_page_resources(page).unwrap_or_default();
        let above = above.into_iter().filter_map(|id| document.get_dictionary(id).ok());
        Self { document, dictionaries: own.into_iter().chain(above).collect() }
    }

    /// Those of a form; one without any takes those of what shows it, as old writers expect.
    pub(super) fn of_form(&self, form: &'a Stream) -> Self {
        match form.dict.get_deref(b"Resources", self.document).and_then(Object::as_dict) {
            Ok(own) => Self { document: self.document, dictionaries: vec![own] },
            Err(_) => self.clone(),
        }
    }

    pub(super) fn font(&self, name: &[u8]) -> Option<&'a Dictionary> {
        self.find(b"Font", name)?.as_dict().ok()
    }

    /// A form, which holds operators like a page; pictures are none.
    pub(super) fn form(&self, name: &[u8]) -> Option<&'a Stream> {
        let stream = self.find(b"XObject", name)?.as_stream().ok()?;
        let kind = stream.dict.get_deref(b"Subtype", self.document).and_then(Object::as_name).ok()?;
        (kind == b"Form").then_some(stream)
    }

    fn find(&self, kind: &[u8], name: &[u8]) -> Option<&'a Object> {
        self.dictionaries.iter().find_map(|dictionary| {
            let of_kind = dictionary.get_deref(kind, self.document).and_then(Object::as_dict).ok()?;
            of_kind.get_deref(name, self.document).ok()
        })
    }
}
