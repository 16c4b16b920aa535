//! What must be one step in Redis, in Lua. Instants are those of the Redis server.

use std::sync::LazyLock;

use redis::Script;

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(Scripts::new);

/// Answers of `look`.
pub(super) const WAIT: u8 = 0;
pub(super) const HIT: u8 = 1;
pub(super) const LOAD: u8 = 2;

pub(super) struct Scripts {
    /// Key: entry. Argument: value. Answers what is there.
    pub keep: Script,
    /// Keys: entry, load. Arguments: token, milliseconds. Answers (found, value).
    pub look: Script,
    /// Keys: entry, load. Arguments: token, value, milliseconds. Answers whether the token still held.
    pub fill: Script,
    /// Key: bucket. Arguments: capacity, milliseconds of a refill. Answers (allowed, milliseconds to wait).
    pub take_token: Script,
    /// Key: bucket. Argument: capacity.
    pub return_token: Script,
    /// Key: lock. Arguments: holder, milliseconds. Answers whether the holder has it now.
    pub lock: Script,
    /// Key: lock. Argument: holder.
    pub unlock: Script,
}

impl Scripts {
    fn new() -> Self {
        Self {
            keep: Script::new(
                "redis.call('SET', KEYS[1], ARGV[1], 'NX')
                 return redis.call('GET', KEYS[1])",
            ),
            look: Script::new(
                "local value = redis.call('GET', KEYS[1])
                 if value then return {1, value} end
                 if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {2, false} end
                 return {0, false}",
            ),
            fill: Script::new(
                "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
                 redis.call('DEL', KEYS[2])
                 redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
                 return 1",
            ),
            // A full bucket is no bucket: it is forgotten once it has refilled.
            take_token: Script::new(
                "local capacity, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
                 local clock = redis.call('TIME')
                 local now = tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000
                 local per_ms = capacity / refill
                 local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
                 local tokens = capacity
                 if stored[1] and stored[2] then
                   local passed = math.max(0, now - tonumber(stored[2]))
                   tokens = math.min(capacity, tonumber(stored[1]) + passed * per_ms)
                 end
                 local allowed, wait = 0, 0
                 if tokens >= 1 then
                   allowed, tokens = 1, tokens - 1
                 else
                   wait = math.ceil((1 - tokens) / per_ms)
                 end
                 redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', now))
                 redis.call('PEXPIRE', KEYS[1], refill)
                 return {allowed, wait}",
            ),
            return_token: Script::new(
                "local tokens = redis.call('HGET', KEYS[1], 'tokens')
                 if tokens then
                   local more = math.min(tonumber(ARGV[1]), tonumber(tokens) + 1)
                   redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', more))
                 end
                 return 1",
            ),
            lock: Script::new(
                "local holder = redis.call('GET', KEYS[1])
                 if holder and holder ~= ARGV[1] then return 0 end
                 redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
                 return 1",
            ),
            unlock: Script::new(
                "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
                 return 1",
            ),
        }
    }
}
