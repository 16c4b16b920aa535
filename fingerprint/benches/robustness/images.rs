//! Photos and paintings.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};
use metastamp_fingerprint::compare::{Verdict, compare};
use metastamp_protocol::fingerprint::FingerprintContent;

use crate::table::{TOGETHER, Table};
use crate::{BoxError, files, fingerprint, on_all_cores};

/// Pixels of the longer side of an original.
const SIDE_PX: u32 = 1_600;
/// JPEG quality of what is saved without attacking its quality.
const QUALITY: u8 = 90;

/// Changes a picture; the JPEG quality it is saved with.
type Attack = fn(&RgbImage) -> (RgbImage, u8);

const ATTACKS: &[(&str, Attack)] = &[
    ("JPEG quality 50", |image| (image.clone(), 50)),
    ("JPEG quality 10", |image| (image.clone(), 10)),
    ("resize to 50 %", |image| (scaled(image, 0.5), QUALITY)),
    ("resize to 20 %", |image| (scaled(image, 0.2), QUALITY)),
    ("greyscale", |image| (grey(image), QUALITY)),
    ("a fifth brighter", |image| (brighter(image), QUALITY)),
    ("black border of 10 %", |image| (border(image, [0, 0, 0]), QUALITY)),
    ("white border of 10 %", |image| (border(image, [255, 255, 255]), QUALITY)),
    ("logo on 4 %", |image| (logo(image), QUALITY)),
    ("crop 5 %", |image| (crop(image, 0.05), QUALITY)),
    ("crop 10 %", |image| (crop(image, 0.10), QUALITY)),
    ("crop 25 %", |image| (crop(image, 0.25), QUALITY)),
    ("rotation by 1°", |image| (rotated(image, 1.0), QUALITY)),
    ("rotation by 5°", |image| (rotated(image, 5.0), QUALITY)),
    ("rotation by 90°", |image| (imageops::rotate90(image), QUALITY)),
    ("mirror", |image| (imageops::flip_horizontal(image), QUALITY)),
];

pub(crate) fn run(media: &Path) -> Result<(), BoxError> {
    let paths = works(media)?;
    let folder = tempfile::tempdir()?;
    let done = on_all_cores(&paths, |index, path| {
        let picture = original(path)?;
        let file = folder.path().join(format!("{index}.png"));
        picture.save_with_format(&file, ImageFormat::Png)?;
        let report = fingerprint(&file)?;
        let mut attacked = Vec::new();
        for (number, (_, attack)) in ATTACKS.iter().enumerate() {
            let (picture, quality) = attack(&picture);
            let file = folder.path().join(format!("{index}-{number}.jpg"));
            let mut out = BufWriter::new(std::fs::File::create(&file)?);
            JpegEncoder::new_with_quality(&mut out, quality).encode_image(&picture)?;
            out.flush()?;
            drop(out);
            attacked.push(fingerprint(&file)?);
            std::fs::remove_file(&file)?;
        }
        Ok((report, attacked))
    })?;
    let (originals, attacked) = distinct(&paths, done);
    let title = format!("Pictures: {} photos and paintings, {SIDE_PX} pixels wide", originals.len());
    let columns = [
        (TOGETHER, "**together**"),
        ("pdq", "PDQ"),
        ("phash", "pHash"),
        ("dhash", "dHash"),
        ("ahash", "aHash"),
        ("iscc_content", "ISCC-Image"),
        ("iscc_data", "ISCC-Data"),
        ("sha256", "SHA-256"),
    ];
    let names = ATTACKS.iter().map(|attack| attack.0);
    Table::of(title, &columns, &originals, &attacked, names)?.print()
}

/// One file of each work: the largest where a package has it in several sizes.
fn works(media: &Path) -> Result<Vec<PathBuf>, BoxError> {
    let extensions = ["jpg", "png"];
    let mut works = Vec::new();
    for entry in std::fs::read_dir(media.join("plasma-workspace-wallpapers/usr/share/wallpapers"))? {
        let images = entry?.path().join("contents/images");
        if images.is_dir() {
            works.extend(files(&images, &extensions)?.into_iter().max_by_key(|path| size(path)));
        }
    }
    let mate = media.join("mate-backgrounds/usr/share/backgrounds/mate");
    works.extend(files(&mate.join("nature"), &extensions)?);
    works.extend(files(&mate.join("abstract"), &extensions)?.into_iter().filter(|path| !named(path, "Elephants_")));
    works.extend(files(&media.join("ukui-wallpapers/usr/share/backgrounds"), &extensions)?);
    let scikit = media.join("scikit-image/skimage/data");
    for name in "astronaut.png brick.png camera.png cell.png chelsea.png coffee.png coins.png grass.png gravel.png \
                 hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png page.png retina.jpg rocket.jpg"
        .split(' ')
    {
        works.extend(Some(scikit.join(name)).filter(|path| path.exists()));
    }
    works.push(media.join("iscc-samples/iscc_samples/files/image/demo.jpg"));
    works.sort();
    Ok(works)
}

/// Without works that packages have twice under different names, and without even areas, which show nothing.
fn distinct(
    paths: &[PathBuf],
    done: Vec<(FingerprintContent, Vec<FingerprintContent>)>,
) -> (Vec<FingerprintContent>, Vec<Vec<FingerprintContent>>) {
    let mut kept: Vec<(FingerprintContent, Vec<FingerprintContent>)> = Vec::new();
    for (path, (report, attacked)) in paths.iter().zip(done) {
        let digest = |report: &FingerprintContent| report.digests.as_ref().map(|digests| digests.sha256.clone());
        let even = report.pdq.as_ref().is_some_and(|pdq| pdq.quality == 0);
        if even || kept.iter().any(|(other, _)| digest(other) == digest(&report)) {
            continue;
        }
        if std::env::var_os("METASTAMP_DISTANCES").is_some() {
            eprintln!("{}: {}", kept.len(), path.display());
            for (number, (other, _)) in kept.iter().enumerate() {
                let findings = compare(other, &report);
                for finding in findings.iter().filter(|finding| finding.verdict == Verdict::Same) {
                    eprintln!("  as {number} by {}: {:?}", finding.field, finding.distance.map(|one| one.value));
                }
            }
        }
        kept.push((report, attacked));
    }
    kept.into_iter().unzip()
}

fn named(path: &Path, start: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

fn original(path: &Path) -> Result<RgbImage, BoxError> {
    let picture = image::open(path)?.into_rgb8();
    let factor = f64::from(SIDE_PX) / f64::from(picture.width().max(picture.height()));
    Ok(if factor < 1.0 { scaled(&picture, factor) } else { picture })
}

fn scaled(image: &RgbImage, factor: f64) -> RgbImage {
    let side = |length: u32| (f64::from(length) * factor).round().max(1.0) as u32;
    imageops::resize(image, side(image.width()), side(image.height()), FilterType::CatmullRom)
}

fn grey(image: &RgbImage) -> RgbImage {
    image::DynamicImage::ImageLuma8(imageops::grayscale(image)).into_rgb8()
}

fn brighter(image: &RgbImage) -> RgbImage {
    let mut brighter = image.clone();
    for value in brighter.iter_mut() {
        *value = (f64::from(*value) * 1.2).min(255.0) as u8;
    }
    brighter
}

/// A tenth of the shorter side on all four.
fn border(image: &RgbImage, colour: [u8; 3]) -> RgbImage {
    let width = image.width().min(image.height()) / 10;
    let mut framed = RgbImage::from_pixel(image.width() + 2 * width, image.height() + 2 * width, Rgb(colour));
    imageops::replace(&mut framed, image, i64::from(width), i64::from(width));
    framed
}

/// A plate with a striped sign near the lower right corner: a fifth of each side.
fn logo(image: &RgbImage) -> RgbImage {
    let mut marked = image.clone();
    let (width, height) = (image.width() / 5, image.height() / 5);
    let (left, top) = (image.width() - width - image.width() / 40, image.height() - height - image.height() / 40);
    for y in 0..height {
        for x in 0..width {
            let inner = x > width / 8 && x < width - width / 8 && y > height / 4 && y < height - height / 4;
            let ink = inner && (x * 14 / width.max(1)) % 2 == 0;
            marked.put_pixel(left + x, top + y, Rgb(if ink { [255, 255, 255] } else { [200, 20, 40] }));
        }
    }
    marked
}

/// `share` of width and height away, evenly from all sides.
fn crop(image: &RgbImage, share: f64) -> RgbImage {
    let cut = |length: u32| (f64::from(length) * share / 2.0) as u32;
    let (x, y) = (cut(image.width()), cut(image.height()));
    imageops::crop_imm(image, x, y, image.width() - 2 * x, image.height() - 2 * y).to_image()
}

/// Clockwise around the middle, the corners black; bilinear.
fn rotated(image: &RgbImage, degrees: f64) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (f64::from(image.width() - 1) / 2.0, f64::from(image.height() - 1) / 2.0);
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let (dx, dy) = (f64::from(x) - middle_x, f64::from(y) - middle_y);
        let (from_x, from_y) = (middle_x + dx * cos + dy * sin, middle_y - dx * sin + dy * cos);
        imageops::interpolate_bilinear(image, from_x as f32, from_y as f32).unwrap_or(Rgb([0, 0, 0]))
    })
}
