//! Numbers that have to wait for the end of the sound: in memory while they are few, then in a file without a name.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Bytes in memory, before a file is made: 25 minutes of mel bands.
const MEMORY_MAX: usize = 32 << 20;

/// Rows of `N` floats, written once and then read once in the same order.
pub(super) enum Spool<const N: usize> {
    Memory(Vec<[f32; N]>),
    File(BufWriter<File>),
}

impl<const N: usize> Spool<N> {
    pub(super) fn new() -> Self {
        Self::Memory(Vec::new())
    }

    pub(super) fn push(&mut self, row: &[f32; N]) -> io::Result<()> {
        match self {
            Self::Memory(rows) => {
                rows.push(*row);
                if rows.len() * size_of_val(row) < MEMORY_MAX {
                    return Ok(());
                }
                let mut file = BufWriter::new(tempfile::tempfile()?);
                rows.iter().try_for_each(|row| write(&mut file, row))?;
                *self = Self::File(file);
                Ok(())
            }
            Self::File(file) => write(file, row),
        }
    }

    /// Calls `each` for every row, the first first.
    pub(super) fn drain<E: From<io::Error>>(
        self,
        mut each: impl FnMut(&mut [f32; N]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Memory(mut rows) => rows.iter_mut().try_for_each(each),
            Self::File(file) => {
                let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                let mut file = BufReader::with_capacity(1 << 16, file);
                let mut bytes = vec![0; N * 4];
                loop {
                    match file.read_exact(&mut bytes) {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                    let mut row = [0.0; N];
                    for (value, bytes) in row.iter_mut().zip(bytes.chunks_exact(4)) {
                        *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    }
                    each(&mut row)?;
                }
            }
        }
    }
}

fn write(file: &mut BufWriter<File>, row: &[f32]) -> io::Result<()> {
    row.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{MEMORY_MAX, Spool};

    #[test]
    fn gives_back_what_it_took_also_from_a_file() {
        for rows in [3, MEMORY_MAX / 8 + 5] {
            let mut spool = Spool::<2>::new();
            for i in 0..rows {
                spool.push(&[i as f32, -(i as f32)]).unwrap();
            }
            assert_eq!(matches!(spool, Spool::File(_)), rows > 3);
            let mut seen = 0;
            spool
                .drain(|row| {
                    assert_eq!(*row, [seen as f32, -(seen as f32)]);
                    seen += 1;
                    Ok::<(), io::Error>(())
                })
                .unwrap();
            assert_eq!(seen, rows);
        }
    }
}
