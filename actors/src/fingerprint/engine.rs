//! One run of one job: fetch the bytes, have the fingerprint made, keep its pictures, shape the result.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_fingerprint::Tools as Programs;
use metastamp_fingerprint::worker::{self, Message, Request};
use metastamp_protocol::files::{extension, picture_key};
use metastamp_protocol::fingerprint::{FingerprintContent, Section};
use metastamp_protocol::{FileKind, Job, Object, Picture, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::ports::JobResult;
use serde_json::json;

use super::Tools;
use super::job::Gauge;
use super::pool;
use super::state::Outcome;
use super::waits::Cause;
use super::worker::{Broken, JobDir, Workers};

/// Frames of a first answer that are told: it is kept in the cache.
const FIRST_FRAMES_MAX: usize = 2_000;

/// Runs the job to its end, whatever that is. Never panics and never blocks the async threads. `slot` stays taken
/// until the work ends.
pub(crate) async fn run(tools: Tools, job: Job, gauge: Arc<Gauge>, slot: pool::Worker) -> Outcome {
    let started = Instant::now();
    gauge.tell(1, "Fetching the file");
    let wait = |cause, why: &str| Outcome::Wait(tools.waits.wait(job.id, cause, why));
    let dir = match JobDir::new(&tools.settings.temp_dir) {
        Ok(dir) => dir,
        Err(error) => return wait(Cause::Node, &format!("no temporary directory: {error}")),
    };
    let path = dir.path().join("file");
    let limit = time_max(&tools, job.kind);
    let download = tools.objects.download(&job.s3_key, &path, job.file_size);
    let fetched = tokio::time::timeout(limit, download).await;
    match fetched.unwrap_or_else(|_| Err(StoreError::Unavailable("the download took too long".to_owned()))) {
        // the original kept no digests
        Ok(got) if !job.sha256.is_empty() && got.sha256 != job.sha256 => {
            let why = format!("{}: SHA-256 {} arrived, {} was uploaded", job.s3_key, got.sha256, job.sha256);
            return wait(Cause::Digest, &why);
        }
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => {
            let reason = "the stored file is missing";
            return Outcome::Final(failed(&job, reason, started, Duration::ZERO));
        }
        Err(error) => return wait(Cause::Fetch, &error.to_string()),
    }
    let request = Request {
        path,
        kind: job.kind,
        name: job.original_file_name.clone().unwrap_or_else(|| job.file_name.clone()),
        // what the upload found out about the bytes, if it was done by a node of this version
        digests: job.digests.clone().map(|more| more.with(job.sha256.clone())),
        // what a process that has to be ended leaves behind goes with the job
        tools: Programs { temp_dir: dir.path().to_owned(), ..tools.settings.programs.clone() },
        pictures_dir: dir.path().to_owned(),
    };
    let limit = limit.saturating_sub(started.elapsed());
    let message = match &tools.workers {
        Some(workers) => in_process_of_its_own(workers, &request, limit, &gauge).await,
        None => in_this_process(request, limit, gauge.clone()).await,
    };
    drop(slot);
    let (mut content, pictures, cpu) = match message {
        Ok((Message::Done { report, pictures }, cpu)) => (*report, pictures, cpu),
        Ok((Message::Failed { message, again: true }, _)) => return Outcome::Retry(message),
        Ok((Message::Failed { message, .. }, cpu)) => return Outcome::Final(failed(&job, &message, started, cpu)),
        Ok((Message::Progress(_) | Message::First(_), _)) => return Outcome::Retry("no answer".to_owned()),
        Err(Broken::Cancelled) => return Outcome::Retry("cancelled".to_owned()),
        Err(Broken::TooLong) => {
            let seconds = time_max(&tools, job.kind).as_secs();
            let reason = format!("fingerprinting took longer than the limit of {seconds} s");
            return Outcome::Final(failed(&job, &reason, started, started.elapsed()));
        }
        Err(Broken::NotStarted(error)) => {
            return wait(Cause::Node, &format!("no process for a fingerprint can be started: {error}"));
        }
        Err(Broken::Died(how)) => return Outcome::Retry(how),
    };
    // the compressed form says the same in a quarter of the room
    if let Some(sound) = &mut content.chromaprint {
        sound.raw = None;
    }
    gauge.tell(99, "Keeping its pictures");
    match keep(&tools, &job, &dir, pictures, &gauge).await {
        Ok(pictures) => {
            tools.waits.over(job.id);
            Outcome::Final(completed(&job, FingerprintContent { pictures, ..content }, started, cpu))
        }
        Err(error) => wait(Cause::Keep, &error.to_string()),
    }
}

fn time_max(tools: &Tools, kind: FileKind) -> Duration {
    let settings = &tools.settings;
    if kind.is_long() { settings.long_job_time_max } else { settings.job_time_max }
}

async fn in_process_of_its_own(
    workers: &Workers,
    request: &Request,
    limit: Duration,
    gauge: &Gauge,
) -> Result<(Message, Duration), Broken> {
    let hear = |message| match message {
        Message::Progress(percent) => gauge.tell(percent.clamp(1, 98), "Computing the fingerprint"),
        Message::First(report) => gauge.answer_first(first(*report)),
        Message::Done { .. } | Message::Failed { .. } => {}
    };
    workers.run(request, limit, || !gauge.is_cancelled(), hear).await
}

/// A first answer, thinned to what the cache should hold.
fn first(mut content: FingerprintContent) -> FingerprintContent {
    if let Some(Section::Current(video)) = &mut content.video_hashes {
        video.thin_out(FIRST_FRAMES_MAX);
    }
    content
}

/// Where no program was named: the tests of this crate.
async fn in_this_process(request: Request, limit: Duration, gauge: Arc<Gauge>) -> Result<(Message, Duration), Broken> {
    let started = Instant::now();
    let deadline = started + limit;
    let work = tokio::task::spawn_blocking(move || {
        let mut progress = |percent: u8| {
            gauge.tell(percent.clamp(1, 98), "Computing the fingerprint");
            match gauge.is_cancelled() || Instant::now() > deadline {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        worker::perform(&request, &mut progress)
    });
    let done = work.await.map_err(|_| Broken::Died("the decoder crashed on this file".to_owned()))?;
    Ok((done, started.elapsed()))
}

/// Puts the pictures beside the work. The same work always gives the same, so that repeating it does no harm.
async fn keep(
    tools: &Tools,
    job: &Job,
    dir: &JobDir,
    files: Vec<Picture>,
    gauge: &Gauge,
) -> Result<Vec<Picture>, StoreError> {
    let mut kept = Vec::new();
    for file in files.into_iter().filter(|file| Picture::NAMES.contains(&file.name.as_str())) {
        let path = dir.path().join(&file.name);
        let bytes = tokio::fs::read(path).await.map_err(|error| StoreError::Internal(error.to_string()))?;
        let picture = Picture { size: bytes.len() as u64, ..file };
        let key = picture_key(&job.s3_key, &picture);
        // what is put after a deletion is garbage that the sweeper's last look removes
        if gauge.is_cancelled() {
            break;
        }
        tools.objects.put(&key, &picture.media_type, bytes.into()).await?;
        kept.push(picture);
    }
    Ok(kept)
}

fn completed(job: &Job, content: FingerprintContent, started: Instant, cpu: Duration) -> JobResult {
    let mut asset_metadata = common(job, true);
    asset_metadata.extend(content.metadata.clone());
    let duration_s = started.elapsed().as_secs_f64();
    JobResult::Completed { content: Box::new(content), asset_metadata, duration_s, cpu }
}

fn failed(job: &Job, message: &str, started: Instant, cpu: Duration) -> JobResult {
    JobResult::Failed {
        message: message.to_owned(),
        asset_metadata: common(job, false),
        duration_s: started.elapsed().as_secs_f64(),
        cpu,
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
