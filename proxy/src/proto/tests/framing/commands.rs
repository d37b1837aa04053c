//! Commands of Redis: what each needs of a link, by what its client holds, and what the client holds after it.

use std::collections::HashMap;

use crate::proto::framing::{ClientMode, Dialect, Frame, Need, Pinning, request};

use crate::proto::tests::framing::given::{frame, resp};

use Need::{Alone, Patient, Shared};
use Pinning::{Forever, Free, Multi, Watching};

const REFUSED_WAIT: Need = Need::Here {
    answer: b"-ERR penstock: links are shared, so a client cannot wait for its own writes\r\n",
    close: false,
};
const OK: Need = Need::Here { answer: b"+OK\r\n", close: false };
const BYE: Need = Need::Here { answer: b"+OK\r\n", close: true };
const NEW: Need = Need::Here { answer: b"+RESET\r\n", close: false };
const NOPROTO: Need = Need::Here { answer: b"-NOPROTO unsupported protocol version\r\n", close: false };

/// The same command as an array and as a line, which must be judged alike.
fn judged(words: &str, pinning: impl Into<ClientMode>) -> Frame {
    let pinning = pinning.into();
    let list: Vec<_> = words.split(' ').collect();
    let words_of_array: String = list.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let array = frame(&resp(), format!("*{}\r\n{words_of_array}", list.len()).as_bytes(), pinning);
    let line = frame(&resp(), format!("{words}\r\n").as_bytes(), pinning);
    assert_eq!(Frame { len: 0, ..array }, Frame { len: 0, ..line }, "{words}");
    array
}

#[test]
fn a_command_needs_a_link_as_it_is_while_nothing_is_held() {
    for (words, need, pinning) in [
        ("GET k", Shared, Free),
        ("set k v", Shared, Free),
        ("PING", Shared, Free),
        ("COMMAND", Shared, Free),
        ("COMMAND DOCS", Shared, Free),
        ("CONFIG GET save", Shared, Free),
        ("CLIENT", Shared, Free),
        ("CLIENT ID", Shared, Free),
        ("CLIENT KILL ID 3", Shared, Free),
        ("FLUSHALL", Alone, Free),
        ("EVAL x 0", Alone, Free),
        ("FCALL f 0", Alone, Free),
        ("DEBUG SLEEP 1", Alone, Free),
        ("SHUTDOWN", Alone, Free),
        ("CLIENT PAUSE 10", Alone, Free),
        // Not known.
        ("FT.SEARCH i q", Alone, Free),
        ("GETS k", Alone, Free),
        ("GE k", Alone, Free),
        ("MEMORY FOO", Alone, Free),
        ("CLIENT FOO", Alone, Forever),
        ("AN-UNUSUALLY-LONG-NAME-OF-A-COMMAND k", Alone, Free),
        ("CLUSTER AN-UNUSUALLY-LONG-NAME-OF-A-COMMAND", Alone, Free),
        ("CLIENT|SETNAME x", OK, Free), // to Redis unknown, so it answers an error; nothing is changed
        // Wait for others.
        ("BLPOP k 0", Patient, Free),
        ("blmove a b left right 0", Patient, Free),
        ("BZMPOP 0 1 k MIN", Patient, Free),
        ("WAIT 1 0", REFUSED_WAIT, Free),
        ("WAITAOF 1 0 0", REFUSED_WAIT, Free),
        ("XREAD STREAMS s 0", Shared, Free),
        ("XREAD COUNT 2 block 0 STREAMS s 0", Patient, Free),
        ("XREADGROUP GROUP g c STREAMS s >", Shared, Free),
        ("XREADGROUP GROUP STREAMS c BLOCK 0 STREAMS s >", Patient, Free),
        // Hold the link for a while.
        ("WATCH k", Alone, Watching),
        ("MULTI", Alone, Multi),
        ("MULTI now", Shared, Free),
        ("EXEC", Shared, Free),
        ("DISCARD", Shared, Free),
        ("UNWATCH", Shared, Free),
        // And for good.
        ("SUBSCRIBE c", Alone, Forever),
        ("psubscribe c*", Alone, Forever),
        ("SSUBSCRIBE c", Alone, Forever),
        ("MONITOR", Alone, Forever),
        ("AUTH secret", Alone, Forever),
        ("SYNC", Alone, Forever),
        ("REPLCONF listening-port 1", Alone, Forever),
        ("ASKING", Alone, Forever),
        ("READONLY", Alone, Forever),
        ("SELECT 1", Alone, Forever),
        ("SELECT 00", Alone, Forever),
        ("SELECT", Alone, Forever),
        ("CLIENT REPLY OFF", Alone, Forever),
        ("client tracking on", Alone, Forever),
        ("CLIENT NO-EVICT on", Alone, Forever),
        ("SCRIPT DEBUG YES", Alone, Forever),
        ("HOST: example.org", Alone, Forever),
        // Two channels are two answers.
        ("UNSUBSCRIBE", Alone, Free),
        ("UNSUBSCRIBE a", Alone, Free),
        ("UNSUBSCRIBE a b", Alone, Forever),
        // Answered here.
        ("QUIT", BYE, Free),
        ("SELECT 0", OK, Free),
        (
            "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
            Need::Here {
                answer: b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
                close: false,
            },
            Free,
        ),
        ("CLIENT SETNAME me", OK, Free),
        ("client setname me", OK, Free),
        ("CLIENT SETNAME", Shared, Free),
        ("CLIENT SETINFO LIB-NAME redis-py", OK, Free),
        ("CLIENT SETINFO LIB-NAME", Shared, Free),
        ("RESET", NEW, Free),
        ("RESET now", Shared, Free),
    ] {
        let found = judged(words, Free);
        assert_eq!((found.need, found.pinning), (need, pinning), "{words}");
    }
}

#[test]
fn what_is_held_is_held_until_what_lets_it_go() {
    for (words, watching, multi) in [
        ("GET k", Watching, Multi),
        ("EVAL x 0", Watching, Multi),
        ("NOSUCH", Watching, Multi),
        ("WATCH k", Watching, Multi),
        ("UNWATCH", Free, Multi), // is queued
        ("UNWATCH k", Watching, Multi),
        ("MULTI", Multi, Multi),
        ("MULTI now", Watching, Multi), // is an error, and a WATCH after it is none
        ("EXEC", Watching, Free),       // without MULTI it is an error, and the keys stay watched
        ("EXEC now", Watching, Forever), // ends the transaction, or not, by version
        ("DISCARD", Watching, Free),
        ("DISCARD now", Watching, Forever),
        ("RESET", Free, Free),
        ("RESET now", Watching, Multi),
        ("SELECT 0", Watching, Multi),
        ("SELECT 1", Forever, Forever),
        ("HELLO 2", Watching, Multi),
        ("HELLO 3", Forever, Forever),
        ("CLIENT SETNAME me", Forever, Forever),
        ("CLIENT ID", Watching, Multi),
        ("SUBSCRIBE c", Forever, Forever),
        ("UNSUBSCRIBE", Watching, Multi),
        ("UNSUBSCRIBE a b", Forever, Forever),
        ("AUTH secret", Forever, Forever),
        ("MONITOR", Forever, Forever),
        ("QUIT", Forever, Forever),
    ] {
        for (before, after) in [(Watching, watching), (Multi, multi), (Forever, Forever)] {
            let found = judged(words, before);
            assert_eq!((found.need, found.pinning), (Shared, after), "{words} while {before:?}");
            assert!(!found.repeatable, "{words} while {before:?}");
        }
    }
}

#[test]
fn what_blocks_may_take_its_time_unless_it_is_queued() {
    for words in ["BLPOP k 0", "XREAD BLOCK 0 STREAMS s $"] {
        for (pinning, need) in [(Free, Patient), (Watching, Patient), (Multi, Shared)] {
            assert_eq!(judged(words, pinning).need, need, "{words} while {pinning:?}");
        }
    }
}

#[test]
fn only_what_reads_may_be_sent_twice() {
    let yes = "GET MGET STRLEN EXISTS TTL PTTL TYPE HGET HGETALL HMGET HLEN HKEYS HVALS HEXISTS LRANGE LLEN LINDEX \
               SMEMBERS SISMEMBER SMISMEMBER SCARD ZRANGE ZSCORE ZCARD ZRANK PING ECHO TIME DBSIZE KEYS SCAN GETRANGE \
               BITCOUNT PFCOUNT GEODIST GEOSEARCH XRANGE XLEN XREAD INFO LASTSAVE GEORADIUSBYMEMBER_RO";
    let no = "SET DEL INCR APPEND LPUSH LPOP SPOP SRANDMEMBER RANDOMKEY GETDEL GETEX GETSET EXPIRE TOUCH PUBLISH EVAL \
              EVAL_RO SORT BITFIELD XADD XREADGROUP FLUSHALL SHUTDOWN WATCH MULTI EXEC SUBSCRIBE BLPOP QUIT NOSUCH";
    let families = [
        ("OBJECT ENCODING k", true),
        ("MEMORY USAGE k", true),
        ("CONFIG GET *", true),
        ("COMMAND COUNT", true),
        ("CONFIG SET a b", false),
        ("SCRIPT LOAD x", false),
        ("MEMORY FOO", false),
        ("XREAD BLOCK 1 STREAMS s 0", false),
    ];
    for (name, repeatable) in
        yes.split_whitespace().map(|name| (name, true)).chain(no.split_whitespace().map(|name| (name, false)))
    {
        for name in [name.to_owned(), name.to_lowercase()] {
            assert_eq!(judged(&format!("{name} k"), Free).repeatable, repeatable, "{name}");
        }
    }
    for (words, repeatable) in families {
        assert_eq!(judged(words, Free).repeatable, repeatable, "{words}");
    }
}

/// FNV-1a, of 32 bits.
fn fnv(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn the_route_is_the_name_of_the_command_in_capitals() {
    for (words, name) in [
        ("GET k", "GET"),
        ("gEt other", "GET"),
        ("CONFIG GET save", "CONFIG|GET"),
        ("config get *", "CONFIG|GET"),
        ("CONFIG SET a b", "CONFIG|SET"),
        ("CONFIG", "CONFIG"),
        ("CONFIG NOSUCH", "CONFIG"),
        ("BLPOP k 0", "BLPOP"),
    ] {
        assert_eq!(judged(words, Free).class, fnv(name), "{words}");
    }
}

/// Names that a client makes up must not push those that matter out of the table of routes.
#[test]
fn what_is_not_known_has_no_route() {
    for words in ["NOSUCH k", "GETT k", "FT.SEARCH i q"] {
        assert_eq!(judged(words, Free).class, 0, "{words}");
    }
}

/// What `COMMAND` of Redis 7.0 lists, by its flags, families apart.
const READONLY: &str = "BITCOUNT BITFIELD_RO BITPOS DBSIZE DUMP EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS \
    GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GET GETBIT GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HSCAN \
    HSTRLEN HVALS KEYS LCS LINDEX LLEN LPOS LRANGE MGET PEXPIRETIME PFCOUNT PTTL SCAN SCARD SDIFF SINTER SINTERCARD \
    SISMEMBER SMEMBERS SMISMEMBER SORT_RO SSCAN STRLEN SUBSTR SUNION TTL TYPE XLEN XPENDING XRANGE XREAD XREVRANGE \
    ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE \
    ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION";
const WRITES: &str = "APPEND BITFIELD BITOP COPY DECR DECRBY DEL EXPIRE EXPIREAT GEOADD GEORADIUS GEORADIUSBYMEMBER \
    GEOSEARCHSTORE GETDEL GETEX GETSET HDEL HINCRBY HINCRBYFLOAT HMSET HSET HSETNX INCR INCRBY INCRBYFLOAT LINSERT \
    LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFMERGE PSETEX \
    RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE \
    SMOVE SORT SPOP SREM SUNIONSTORE SWAPDB UNLINK XACK XADD XAUTOCLAIM XCLAIM XDEL XSETID XTRIM ZADD ZDIFFSTORE \
    ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE \
    ZUNIONSTORE";

#[test]
fn every_ordinary_command_is_known_shares_a_link_and_has_a_route_of_its_own() {
    let mut routes = HashMap::new();
    for (names, repeatable) in [(READONLY, true), (WRITES, false)] {
        for name in names.split_whitespace() {
            let found = judged(&format!("{name} k"), Free);
            assert_eq!((found.need, found.pinning, found.repeatable), (Shared, Free, repeatable), "{name}");
            assert_eq!(found.class, fnv(name), "{name}");
            assert_eq!(routes.insert(found.class, name), None, "{name}");
        }
    }
}

#[test]
fn a_pipeline_of_commands_is_read_one_by_one() {
    let input = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nGET k\r\n\r\n*1\r\n$4\r\nEXEC\r\nPING\r\n";
    let (mut at, mut pinning, mut holds) = (0, Free, Vec::new());
    while let Some(frame) = request(&resp(), &input[at..], pinning).unwrap() {
        at += frame.len;
        pinning = frame.pinning;
        holds.push(pinning);
    }
    assert_eq!(at, input.len());
    assert_eq!(holds, [Multi, Multi, Multi, Multi, Free, Free]);
}

#[test]
fn hello_goes_alone_to_a_link_that_is_to_speak_otherwise() {
    for (words, need, pinning) in [
        ("HELLO 3 AUTH u p", Alone, Forever),
        ("HELLO 2 AUTH u p", Alone, Forever),
        ("HELLO 2 FOO", Alone, Forever),
        ("HELLO 3 FOO", Alone, Forever),
        ("HELLO 3 SETNAME n AUTH u p", Alone, Forever),
        ("HELLO 3 SETNAME", Alone, Forever),
        ("HELLO 3 SETNAME \u{e9}", Alone, Forever),
        ("HELLO 4", NOPROTO, Free),
        ("HELLO 1", NOPROTO, Free),
        ("HELLO 0", NOPROTO, Free),
        ("HELLO -1", NOPROTO, Free),
        ("HELLO 4 SETNAME me", NOPROTO, Free),
        ("HELLO 9223372036854775807 AUTH u p", NOPROTO, Free),
        // Redis does not read a number there.
        ("HELLO 9223372036854775808", Alone, Free),
        ("HELLO 03", Alone, Free),
        ("HELLO -0", Alone, Free),
        ("HELLO x", Alone, Free),
        // The other dialect.
        ("HELLO 3", Alone, Free),
        ("hello 3 setname me", Alone, Free),
        ("HELLO", Shared, Free),
        ("HELLO 2", Shared, Free),
        ("HELLO 2 SETNAME n", Shared, Free),
    ] {
        let found = judged(words, Free);
        assert_eq!((found.need, found.pinning), (need, pinning), "{words}");
    }
}

const RESP3: ClientMode = ClientMode { pinning: Free, dialect: Dialect::Resp3 };

#[test]
fn a_client_that_speaks_resp3_is_pushed_to_on_a_link_of_its_own_only() {
    for (words, need, pinning) in [
        ("GET k", Shared, Free),
        ("HELLO", Shared, Free),
        ("HELLO 3", Shared, Free),
        ("HELLO 3 SETNAME me", Shared, Free),
        ("HELLO 2", Alone, Free),
        ("HELLO 2 SETNAME me", Alone, Free),
        ("HELLO 4", NOPROTO, Free),
        ("HELLO 3 AUTH u p", Alone, Forever),
        ("RESET", NEW, Free),
        ("SUBSCRIBE c", Alone, Forever),
        ("CLIENT TRACKING ON", Alone, Forever),
        ("UNSUBSCRIBE", Alone, Forever),
        ("UNSUBSCRIBE a", Alone, Forever),
        ("MULTI", Alone, Multi),
        ("BLPOP k 0", Patient, Free),
    ] {
        let found = judged(words, RESP3);
        assert_eq!((found.need, found.pinning), (need, pinning), "{words}");
    }
    for pinning in [Watching, Multi] {
        let found = judged("UNSUBSCRIBE a", ClientMode { pinning, ..RESP3 });
        assert_eq!(found.pinning, Forever, "what is pushed is no answer");
    }
}

#[test]
fn what_a_client_speaks_is_said_by_hello_and_reset() {
    for (words, pinning, speaks) in [
        ("HELLO 3", Free, Some(Dialect::Resp3)),
        ("HELLO 3 SETNAME me", Free, Some(Dialect::Resp3)),
        ("HELLO 2", Free, Some(Dialect::Resp2)),
        ("RESET", Free, Some(Dialect::Resp2)),
        ("RESET", Watching, Some(Dialect::Resp2)),
        ("RESET", Multi, Some(Dialect::Resp2)),
        ("RESET now", Multi, None),
        ("HELLO", Free, None),
        ("HELLO 4", Free, None),
        ("HELLO 3 AUTH u p", Free, None), // its link is its own for good
        ("HELLO 3", Multi, None),
        ("GET k", Free, None),
    ] {
        for dialect in [Dialect::Resp2, Dialect::Resp3] {
            assert_eq!(
                judged(words, ClientMode { pinning, dialect }).speaks,
                speaks,
                "{words} in {pinning:?}"
            );
        }
    }
}
