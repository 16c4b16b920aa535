//! The runner against shells that misbehave.

use super::*;

const BUDGET: Budget = Budget { memory_bytes: 1 << 30, cpu_seconds: 20, wall: Duration::from_secs(60) };

fn shell(script: &str, budget: Budget) -> Child {
    Child::spawn(Path::new("sh"), "sh", ["-c", script], budget).unwrap()
}

fn go_on() -> Result<(), FingerprintError> {
    Ok(())
}

/// Whether a process of the group lives; zombies that nobody waits for count as dead.
fn alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.rsplit(") ").next().unwrap().starts_with('Z')
}

#[test]
fn output_comes_whole_and_errors_keep_their_end() {
    let mut child = shell("head -c 300000 /dev/zero; seq 100000 >&2; exit 3", BUDGET);
    let mut buffer = vec![1; 400_000];
    assert_eq!(child.fill(&mut buffer, &mut go_on).unwrap(), 300_000);
    assert!(buffer[..300_000].iter().all(|&byte| byte == 0));
    let ending = child.finish(&mut go_on).unwrap();
    assert_eq!(ending.status.code(), Some(3));
    assert!(ending.stderr.ends_with("99999\n100000\n"), "{}", ending.stderr);
    assert_eq!(ending.stderr.len(), STDERR_BYTES_MAX);
    assert!(matches!(ending.check("video"), Err(FingerprintError::Malformed(message)) if message.contains("video")));
}

#[test]
fn a_program_that_is_missing_is_said_to_be() {
    let error = Child::spawn(Path::new("/nowhere/ffmpeg"), "ffmpeg", [""; 0], BUDGET).unwrap_err();
    assert_eq!(error.to_string(), "this file needs ffmpeg, which is not installed here");
    assert!(matches!(error, FingerprintError::Unsupported(_)));
}

#[test]
fn a_break_kills_the_whole_group() {
    let mut child = shell("sleep 1000 & echo $!; echo $$; trap '' TERM INT; wait", BUDGET);
    let mut ids = [0; 64];
    let count = child.read(&mut ids, &mut go_on).unwrap();
    let mut text = String::from_utf8_lossy(&ids[..count]).into_owned();
    while text.lines().count() < 2 {
        let count = child.read(&mut ids, &mut go_on).unwrap();
        text.push_str(&String::from_utf8_lossy(&ids[..count]));
    }
    assert!(text.lines().all(alive), "{text}");
    let mut questions = 0;
    let stopped = child.finish(&mut || {
        questions += 1;
        if questions > 2 { Err(FingerprintError::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(FingerprintError::Cancelled)));
    // The background process is killed at once, but ends when the system gets to it.
    while text.lines().any(alive) {
        thread::yield_now();
    }
}

#[test]
fn time_is_bounded_even_when_the_outputs_are_closed() {
    let budget = Budget { wall: Duration::from_millis(200), ..BUDGET };
    let child = shell("exec >&- 2>&-; sleep 1000", budget);
    let error = child.finish(&mut go_on).unwrap_err();
    assert!(matches!(error, FingerprintError::LimitExceeded { limit: "ffmpeg_wall_seconds_max", .. }), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn processor_time_memory_and_files_are_limited() {
    let child = shell("while :; do :; done", Budget { cpu_seconds: 1, ..BUDGET });
    let error = child.finish(&mut go_on).unwrap().check("video").unwrap_err();
    assert!(matches!(error, FingerprintError::LimitExceeded { limit: "ffmpeg_cpu_seconds_max", .. }), "{error}");

    let mut child =
        shell("until [ $(ulimit -t) = 20 ]; do :; done; ulimit -v; ulimit -t; ulimit -n; ulimit -c", BUDGET);
    let limits = child.read_all(1000, &mut go_on).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&limits), "1048576\n20\n128\n0\n");
}

#[test]
fn the_environment_is_almost_empty_and_output_is_bounded() {
    let mut child = shell("env | cut -d= -f1 | sort | tr '\\n' ' '; cat", BUDGET);
    let names = String::from_utf8(child.read_all(1000, &mut go_on).unwrap().unwrap()).unwrap();
    let allowed = ["LC_ALL", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.split_whitespace().all(|name| allowed.contains(&name)), "{names}");

    let mut endless = shell("yes", BUDGET);
    assert_eq!(endless.read_all(100_000, &mut go_on).unwrap(), None);
}

#[test]
fn budgets_grow_with_length_up_to_the_limits() {
    let limits = Limits::default();
    assert_eq!(Budget::new(&limits, 10.0).cpu_seconds, 140);
    assert_eq!(Budget::new(&limits, f64::NAN).cpu_seconds, 60);
    assert_eq!(Budget::new(&limits, f64::INFINITY).cpu_seconds, limits.ffmpeg_cpu_seconds_max);
}
