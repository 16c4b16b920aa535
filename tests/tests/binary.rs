//! What the built binary asks of the system it starts on.

use std::collections::BTreeMap;
use std::fs;

use metastamp_chaos::node::binary;
use object::Endianness;
use object::read::elf::{ElfFile64, FileHeader as _};

/// The oldest glibc that it starts on: that of RHEL 9. Those of Debian 12 and Ubuntu 22.04 are newer.
const GLIBC_MAX: (u32, u32) = (2, 34);

/// The version of glibc that a name such as `GLIBC_2.34` stands for. `GLIBC_PRIVATE` and others are none.
fn glibc(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Every version of glibc that the binary needs, with the libraries that must have it.
fn needed(bytes: &[u8]) -> BTreeMap<(u32, u32), Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
    let endian = file.elf_header().endian().unwrap();
    let sections = file.elf_section_table();
    let (mut libraries, names) = sections.gnu_verneed(endian, bytes).unwrap().expect("no versions are needed");
    let names = sections.strings(endian, bytes, names).unwrap();
    let mut needed = BTreeMap::<_, Vec<_>>::new();
    while let Some((library, mut versions)) = libraries.next().unwrap() {
        let library = String::from_utf8_lossy(library.file(endian, names).unwrap()).into_owned();
        while let Some(version) = versions.next().unwrap() {
            let name = String::from_utf8_lossy(version.name(endian, names).unwrap()).into_owned();
            needed.entry(glibc(&name)).or_default().push(format!("{name} of {library}"));
        }
    }
    needed.into_iter().filter_map(|(version, names)| Some((version?, names))).collect()
}

#[test]
fn it_starts_on_old_systems() {
    let needed = needed(&fs::read(binary().unwrap()).unwrap());
    let (newest, names) = needed.last_key_value().expect("it asks for some glibc");
    assert!(*newest <= GLIBC_MAX, "glibc {}.{} is needed: {names:?}", newest.0, newest.1);
}
