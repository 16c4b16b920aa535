//! One run of one job: fetch the bytes, call the right fingerprint on a worker, shape the result.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_fingerprint::{Algorithms, FingerprintError, Limits, image, pdf, text};
use metastamp_protocol::files::extension;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::{FileKind, Job, Object, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::documents::JobResult;
use serde::Serialize;
use serde_json::{Value, json};

use super::Tools;
use super::job::Gauge;
use super::pool::Worker;
use super::state::Outcome;

/// Runs the job to its end, whatever that is. Never panics and never blocks the async threads.
pub(crate) async fn run(tools: Tools, job: Job, gauge: Arc<Gauge>, worker: Worker) -> Outcome {
    let started = Instant::now();
    gauge.tell(1, "Fetching the file");
    let file = match tempfile::Builder::new().prefix("job-").tempfile_in(&tools.settings.temp_dir) {
        Ok(file) => file.into_temp_path(),
        Err(error) => return Outcome::Retry(format!("no temporary file: {error}")),
    };
    let download = tools.objects.download(&job.s3_key, &file, job.file_size);
    let fetched = tokio::time::timeout(tools.settings.job_time_max, download).await;
    match fetched.unwrap_or_else(|_| Err(StoreError::Unavailable("the download took too long".to_owned()))) {
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => {
            let reason = "the stored file is missing";
            return Outcome::Final(failed(&job, reason, started));
        }
        Err(error) => return Outcome::Retry(format!("the stored file could not be read: {error}")),
    }
    let deadline = started + tools.settings.job_time_max;
    let limit = tools.settings.job_time_max;
    let compute = {
        let (job, gauge) = (job.clone(), gauge.clone());
        tokio::task::spawn_blocking(move || {
            let result = compute(&job, &file, &gauge, deadline);
            drop(worker);
            result
        })
    };
    // Work that never reports progress can't be stopped; its worker stays taken, but the job must not hang with it.
    let result = match tokio::time::timeout(limit + Duration::from_secs(5), compute).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(FingerprintError::Malformed("the decoder crashed on this file".to_owned())),
        Err(_) => Err(FingerprintError::Cancelled),
    };
    match result {
        Ok(content) => Outcome::Final(completed(&job, content, started)),
        Err(FingerprintError::Io(error)) => Outcome::Retry(format!("the file could not be read: {error}")),
        Err(FingerprintError::Cancelled) => {
            let reason = format!("fingerprinting took longer than the limit of {} s", limit.as_secs());
            Outcome::Final(failed(&job, &reason, started))
        }
        Err(error) => Outcome::Final(failed(&job, &error.to_string(), started)),
    }
}

fn compute(job: &Job, path: &Path, gauge: &Gauge, deadline: Instant) -> Result<FingerprintContent, FingerprintError> {
    let limits = Limits::default();
    let mut progress = |percent: u8| {
        gauge.tell(percent, "Computing the fingerprint");
        match gauge.is_cancelled() || Instant::now() > deadline {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    match job.kind {
        FileKind::Image => {
            let reader = BufReader::new(File::open(path)?);
            let found = image::fingerprint(reader, &limits, &mut progress)?;
            Ok(FingerprintContent {
                perceptual_hashes: Some(object(&found.perceptual_hashes)),
                image_metadata: Some(found.metadata.clone()),
                metadata: found.metadata,
                algorithms: algorithms(&found.algorithms),
                ..Default::default()
            })
        }
        FileKind::Text if extension(&job.file_name).as_deref() == Some("pdf") => {
            let bytes = std::fs::read(path)?;
            let found = pdf::fingerprint(&bytes, &limits, &mut progress)?;
            Ok(FingerprintContent {
                text_hash: Some(found.text_hash),
                text_length: Some(found.text_length),
                word_count: Some(found.word_count),
                line_count: Some(found.line_count),
                metadata: found.metadata,
                algorithms: algorithms(&found.algorithms),
                ..Default::default()
            })
        }
        FileKind::Text | FileKind::Url => {
            let reader = BufReader::with_capacity(256 << 10, File::open(path)?);
            let found = text::fingerprint(reader, Some(job.file_size), &limits, &mut progress)?;
            Ok(FingerprintContent {
                text_hash: Some(found.text_hash),
                text_length: Some(found.text_length),
                word_count: Some(found.word_count),
                line_count: Some(found.line_count),
                metadata: found.metadata,
                algorithms: algorithms(&found.algorithms),
                ..Default::default()
            })
        }
        FileKind::Audio | FileKind::Video => Err(FingerprintError::Unsupported(format!(
            "this version can't fingerprint {} files yet; the file is stored safely and can be fingerprinted later",
            job.kind.as_str()
        ))),
    }
}

fn object<T: Serialize>(value: &T) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn algorithms(algorithms: &Algorithms) -> Object {
    algorithms.iter().map(|(name, id)| ((*name).to_owned(), json!(id))).collect()
}

fn completed(job: &Job, content: FingerprintContent, started: Instant) -> JobResult {
    let mut asset_metadata = common(job, true);
    asset_metadata.extend(content.metadata.clone());
    JobResult::Completed { content: Box::new(content), asset_metadata, duration_s: started.elapsed().as_secs_f64() }
}

fn failed(job: &Job, message: &str, started: Instant) -> JobResult {
    JobResult::Failed {
        message: message.to_owned(),
        asset_metadata: common(job, false),
        duration_s: started.elapsed().as_secs_f64(),
    }
}

/// What every asset's metadata gets, whatever its modality.
fn common(job: &Job, successful: bool) -> Object {
    let extension = extension(&job.file_name).map(|e| format!(".{e}"));
    Object::from_iter([
        ("file_name".to_owned(), json!(job.file_name)),
        ("file_type".to_owned(), json!(job.kind)),
        ("file_extension".to_owned(), json!(extension)),
        ("file_size".to_owned(), json!(job.file_size)),
        ("extraction_timestamp".to_owned(), json!(Timestamp::now())),
        ("extraction_successful".to_owned(), json!(successful)),
    ])
}
