//! Reads backups: first all of one, to be sure of it, then what is asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use mongodb::bson::{Bson, Document, deserialize_from_slice};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tee::Tee;
use super::walk::{Flow, Kind, Part, kind, walk};
use super::{
    ArchiveReader, CollectionSum, DumpSum, Event, FORMAT, Kept, MANIFEST_BYTES_MAX, Manifest, Namespace, ObjectLine,
    RecordsDigest, SCHEMA_VERSION, damaged, io_failed, program,
};
use crate::records::Collection;
use crate::{Result, StoreError};

/// Assets that may have been deleted while the backup ran.
const LEFT_OUT_MAX: usize = 1_000_000;
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A file of which every byte was read and found right.
#[derive(Debug)]
pub struct Verified {
    path: PathBuf,
    kind: Kind,
    /// None for an archive that mongodump wrote.
    pub manifest: Option<Manifest>,
    /// The database within the archive.
    pub database: String,
    pub collections: BTreeMap<Collection, CollectionSum>,
    /// Collections that we do not keep, by name.
    pub skipped: BTreeSet<String>,
    /// Records that make no sense as what they should be.
    pub senseless: u64,
    list: Option<File>,
    /// Assets whose records are not to be restored.
    left_out: HashSet<String>,
}

/// Reads `path` to its end: seal, checksums, digests of the manifest, and whether every record is one. `database` chooses
/// among several in the archive. `passed` is told of bytes as they are read.
///
/// # Errors
/// `Internal` with the reason when anything is not right.
pub fn verify(path: &Path, database: Option<&str>, passed: &dyn Fn(u64)) -> Result<Verified> {
    let kind = kind(path)?;
    let mut found = Found::default();
    walk(path, kind, passed, &mut |part, input| {
        match part {
            Part::Dump if kind == Kind::Bundle => found.compressed_dump(input, database)?,
            Part::Dump => found.records = Some(check_records(input, database)?),
            Part::Manifest => found.manifest = Some(manifest(input)?),
            Part::List => found.list(input)?,
            Part::Object(path) => found.object(path, input)?,
            Part::Other => {}
        }
        Ok(Flow::On)
    })?;
    let records = found.records.take().ok_or_else(|| damaged("there is no dump in it"))?;
    let mut verified = Verified {
        path: path.to_owned(),
        kind,
        manifest: found.manifest.take(),
        database: records.database,
        collections: records.collections,
        skipped: records.skipped,
        senseless: records.senseless,
        list: None,
        left_out: HashSet::new(),
    };
    if kind == Kind::Bundle {
        let manifest = verified.manifest.as_ref().ok_or_else(|| damaged("there is no manifest in it"))?;
        agrees(manifest, &verified.collections, &found)?;
        (verified.list, verified.left_out) = found.objects_agree(manifest)?;
    }
    Ok(verified)
}

impl Verified {
    /// Gives every record that is to be restored.
    ///
    /// # Errors
    /// Those of `take`, and `Internal` when the file was changed since it was verified.
    pub fn records(&self, take: &mut dyn FnMut(Collection, Document) -> Result<()>) -> Result<()> {
        walk(&self.path, self.kind, &|_| {}, &mut |part, input| {
            if part != Part::Dump {
                return Ok(Flow::On);
            }
            let mut give = |collection, record: Document| match self.is_left_out(collection, &record) {
                true => Ok(()),
                false => take(collection, record),
            };
            match self.kind {
                Kind::Bundle => each_record(GzDecoder::new(BufReader::new(input)), &self.database, &mut give)?,
                Kind::CompressedDump | Kind::Dump => each_record(input, &self.database, &mut give)?,
            }
            Ok(Flow::Enough)
        })
    }

    /// Gives every object of the bundle, in its order. `passed` is told of bytes of the file as they are read.
    ///
    /// # Errors
    /// Those of `take`, and `Internal` when the file was changed since it was verified.
    pub fn objects(
        &self,
        passed: &dyn Fn(u64),
        take: &mut dyn FnMut(ObjectLine, &mut dyn Read) -> Result<()>,
    ) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        let mut kept =
            lines::<ObjectLine>(rewound(list)?).filter(|line| !matches!(line, Ok(l) if l.state != Kept::Kept));
        walk(&self.path, self.kind, passed, &mut |part, input| {
            if let Part::Object(path) = part {
                let line = kept.next().ok_or_else(|| damaged("an object that is not listed"))??;
                if line.path != path {
                    return Err(damaged("objects and list have different orders"));
                }
                take(line, input)?;
            }
            Ok(Flow::On)
        })
    }

    fn is_left_out(&self, collection: Collection, record: &Document) -> bool {
        let field = match collection {
            Collection::Assets => "_id",
            Collection::Fingerprints | Collection::Jobs => "asset_id",
            _ => return false,
        };
        !self.left_out.is_empty() && self.left_out.contains(&id_text(record.get(field)))
    }
}

fn id_text(id: Option<&Bson>) -> String {
    match id {
        Some(Bson::ObjectId(id)) => id.to_hex(),
        Some(Bson::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// What a dump holds.
struct Records {
    database: String,
    collections: BTreeMap<Collection, CollectionSum>,
    skipped: BTreeSet<String>,
    senseless: u64,
}

/// What was met on the way through a file.
#[derive(Default)]
struct Found {
    records: Option<Records>,
    dump: Option<DumpSum>,
    manifest: Option<Manifest>,
    list: Option<(File, String)>,
    /// Path, size and digest of each object, a line each: there may be millions.
    objects: Option<BufWriter<File>>,
    count: u64,
    bytes: u64,
}

#[derive(serde::Serialize, Deserialize)]
struct Seen {
    path: String,
    size: u64,
    sha256: String,
}

impl Found {
    fn compressed_dump(&mut self, input: &mut dyn Read, database: Option<&str>) -> Result<()> {
        let mut tee = Tee::new(input);
        let mut decoder = GzDecoder::new(BufReader::new(&mut tee));
        self.records = Some(check_records(&mut decoder, database)?);
        std::io::copy(&mut decoder, &mut std::io::sink()).map_err(damaged)?;
        std::io::copy(decoder.get_mut(), &mut std::io::sink()).map_err(damaged)?;
        drop(decoder);
        let (size, sha256, _) = tee.finish();
        self.dump = Some(DumpSum { size, sha256 });
        Ok(())
    }

    fn list(&mut self, input: &mut dyn Read) -> Result<()> {
        let mut tee = Tee::new(tempfile::tempfile().map_err(io_failed)?);
        std::io::copy(input, &mut tee).map_err(damaged)?;
        let (_, sha256, file) = tee.finish();
        self.list = Some((file, sha256));
        Ok(())
    }

    fn object(&mut self, path: String, input: &mut dyn Read) -> Result<()> {
        let mut tee = Tee::new(input);
        std::io::copy(&mut tee, &mut std::io::sink()).map_err(damaged)?;
        let (size, sha256, _) = tee.finish();
        if self.objects.is_none() {
            self.objects = Some(BufWriter::new(tempfile::tempfile().map_err(io_failed)?));
        }
        if let Some(objects) = &mut self.objects {
            let line = serde_json::to_string(&Seen { path, size, sha256 }).map_err(damaged)?;
            writeln!(objects, "{line}").map_err(io_failed)?;
        }
        self.count += 1;
        self.bytes += size;
        Ok(())
    }

    /// Holds the objects that are there against the list, and the list against the manifest. Gives the list, and the ids
    /// of assets that are not to be restored.
    fn objects_agree(mut self, manifest: &Manifest) -> Result<(Option<File>, HashSet<String>)> {
        let (list, sum) = match (self.list.take(), &manifest.objects) {
            (None, None) if self.count == 0 => return Ok((None, HashSet::new())),
            (Some(list), Some(sum)) => (list, sum),
            _ => return Err(damaged("objects and manifest don't agree")),
        };
        let (list, sha256) = list;
        if sha256 != sum.list_sha256 || (self.count, self.bytes) != (sum.kept, sum.bytes) {
            return Err(damaged("the list of objects is not the manifest's"));
        }
        let seen = self.objects.map(|file| file.into_inner().map_err(|e| io_failed(e.into_error()))).transpose()?;
        let mut seen = seen.as_ref().map(rewound).transpose()?.into_iter().flat_map(lines::<Seen>);
        let mut left_out = HashSet::new();
        for line in lines::<ObjectLine>(rewound(&list)?) {
            let line = line?;
            match line.state {
                Kept::Lost => {}
                Kept::Deleted if left_out.len() == LEFT_OUT_MAX => {
                    return Err(StoreError::Limit("more deleted assets than can be left out".to_owned()));
                }
                Kept::Deleted => drop(left_out.insert(line.asset_id)),
                Kept::Kept => {
                    let seen = seen.next().ok_or_else(|| damaged("an object is missing"))??;
                    if (&seen.path, seen.size, &seen.sha256) != (&line.path, line.size, &line.sha256) {
                        return Err(damaged(format!("the object {} is not as it was written", line.key)));
                    }
                }
            }
        }
        if seen.next().is_some() {
            return Err(damaged("an object is not listed"));
        }
        Ok((Some(list), left_out))
    }
}

fn agrees(manifest: &Manifest, collections: &BTreeMap<Collection, CollectionSum>, found: &Found) -> Result<()> {
    if manifest.format != FORMAT {
        let format = manifest.format;
        return Err(damaged(format!("its layout is of version {format}, this program knows {FORMAT}")));
    }
    if found.dump.as_ref() != Some(&manifest.dump) {
        return Err(damaged("dump.gz is not the manifest's"));
    }
    let found: BTreeMap<_, _> = collections.iter().map(|(c, sum)| (c.name().to_owned(), sum.clone())).collect();
    // another version may write a record in another form; dump.gz is compared to the last byte all the same
    let same_form = manifest.program == program() && manifest.schema_version == SCHEMA_VERSION;
    for (name, sum) in &manifest.collections {
        let found = found.get(name);
        let equal = if same_form { found == Some(sum) } else { found.is_some_and(|it| it.records == sum.records) };
        if !equal {
            return Err(damaged(format!("the records of {name} are not the manifest's")));
        }
    }
    Ok(())
}

fn manifest(input: &mut dyn Read) -> Result<Manifest> {
    let mut text = String::new();
    input.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map_err(damaged)?;
    serde_json::from_str(&text).map_err(|e| damaged(format!("its manifest: {e}")))
}

fn check_records(input: &mut dyn Read, wanted: Option<&str>) -> Result<Records> {
    let mut reader = ArchiveReader::new(input)?;
    let database = choose(reader.named(), wanted)?;
    let mut unended: BTreeSet<Collection> = reader
        .named()
        .iter()
        .filter(|n| n.database == database)
        .filter_map(|n| Collection::parse(&n.collection))
        .collect();
    let mut skipped: BTreeSet<String> = BTreeSet::new();
    let mut digests: BTreeMap<Collection, RecordsDigest> =
        unended.iter().map(|c| (*c, RecordsDigest::default())).collect();
    let mut senseless = 0;
    while let Some(event) = reader.next_event()? {
        match event {
            Event::Record(namespace, bytes) => {
                let record = parse(&bytes)?;
                match ours(reader.namespace(namespace), &database) {
                    Some(collection) => {
                        senseless += u64::from(!digests.entry(collection).or_default().add(collection, &record)?);
                    }
                    None => {
                        let Namespace { database, collection } = reader.namespace(namespace);
                        skipped.insert(format!("{database}.{collection}"));
                    }
                }
            }
            Event::End(namespace) => {
                if let Some(collection) = ours(reader.namespace(namespace), &database) {
                    unended.remove(&collection);
                }
            }
        }
    }
    if let Some(collection) = unended.first() {
        return Err(damaged(format!("{} is announced and not there", collection.name())));
    }
    let sum = |digest: RecordsDigest| CollectionSum { records: digest.count(), digest: digest.hex() };
    let collections = digests.into_iter().map(|(collection, digest)| (collection, sum(digest))).collect();
    Ok(Records { database, collections, skipped, senseless })
}

/// The database to take: the one wanted, else the only one with collections of ours.
fn choose(named: &[Namespace], wanted: Option<&str>) -> Result<String> {
    let with_ours: BTreeSet<&str> = named
        .iter()
        .filter(|n| Collection::parse(&n.collection).is_some())
        .map(|n| n.database.as_str())
        .filter(|database| wanted.is_none_or(|wanted| wanted == *database))
        .collect();
    let names: Vec<_> = with_ours.into_iter().collect();
    match names.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(damaged("it holds nothing that this system keeps")),
        several => Err(StoreError::Limit(format!("several databases are in it, name one: {}", several.join(", ")))),
    }
}

fn each_record(
    input: impl Read,
    database: &str,
    give: &mut dyn FnMut(Collection, Document) -> Result<()>,
) -> Result<()> {
    let mut reader = ArchiveReader::new(input)?;
    while let Some(event) = reader.next_event()? {
        if let Event::Record(namespace, bytes) = event
            && let Some(collection) = ours(reader.namespace(namespace), database)
        {
            give(collection, parse(&bytes)?)?;
        }
    }
    Ok(())
}

fn ours(namespace: &Namespace, database: &str) -> Option<Collection> {
    Collection::parse(&namespace.collection).filter(|_| namespace.database == database)
}

fn parse(bytes: &[u8]) -> Result<Document> {
    deserialize_from_slice(bytes).map_err(|e| damaged(format!("a record that is none: {e}")))
}

/// The file from its beginning. Handles share their position: one reader at a time.
fn rewound(file: &File) -> Result<File> {
    let mut file = file.try_clone().map_err(io_failed)?;
    file.seek(SeekFrom::Start(0)).map_err(io_failed)?;
    Ok(file)
}

/// A JSON value on each line.
fn lines<T: DeserializeOwned>(file: File) -> impl Iterator<Item = Result<T>> {
    let mut input = BufReader::new(file);
    std::iter::from_fn(move || {
        let mut line = String::new();
        match (&mut input).take(LINE_BYTES_MAX).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).map_err(|e| damaged(format!("a line of a list: {e}")))),
            Err(error) => Some(Err(io_failed(error))),
        }
    })
}
