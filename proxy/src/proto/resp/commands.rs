//! Lists the commands of Redis up to version 8 and their kinds; `policy` derives the handling from the kind.
//!
//! A command is found by the hash of its name in capitals, in a table that the compiler fills: usually one
//! look-up, and no allocation. A command that is in no list may do anything, so it shares its link with no
//! other request.

use super::args::Args;
use crate::proto::fnv::{BASIS, with};

/// The effect of a command on the link that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandKind {
    /// The command only reads, so it may be sent twice.
    Read,
    /// The command is complete when it is answered. It may change stored values, or its answer may differ the
    /// next time.
    Write,
    /// Like `Write`, but the command may take long, may stop the server, or is unknown.
    Alone,
    /// The command waits for other clients.
    Blocks,
    /// The command waits for earlier writes on the same connection.
    Waits,
    /// The command waits for other clients if it contains BLOCK.
    BlocksIfTold {
        /// Whether the command only reads.
        reads: bool,
    },
    /// The command watches keys, until the watch ends.
    Watch,
    /// The command ends watching.
    Unwatch,
    /// The command begins a transaction.
    Multi,
    /// The command ends a transaction.
    Exec,
    /// The command resets the connection.
    Reset,
    /// The command ends the connection.
    Quit,
    /// The command selects a database.
    Select,
    /// The command selects a version of the protocol, and possibly more.
    Hello,
    /// The command names the connection, with this number of words after its first.
    Name(usize),
    /// The command asks for notices about the server (Redis Enterprise).
    Notices,
    /// The command ends subscriptions, with an answer for each.
    Leave,
    /// The command changes the connection for good, or its answers no longer correspond to requests.
    Forever,
    /// The command needs a second word, which is missing. The answer is an error or a list of subcommands.
    Family,
}

/// The properties of a command that matter for its link.
#[derive(Clone, Copy, Debug)]
pub(super) struct RedisCommand {
    pub(super) kind: CommandKind,
    /// A number that identifies the command, never 0; 0 if the command is in no list.
    pub(super) class: u32,
}

impl RedisCommand {
    /// Returns whether the command needs a second word that is missing.
    pub(super) fn is_of_family(&self) -> bool {
        self.kind == CommandKind::Family
    }
}

/// Returns the properties of the command with this name. For a command with subcommands, the second word is
/// taken from `words`.
pub(super) fn command(name: &[u8], words: &mut Args<'_>) -> RedisCommand {
    let mut word = CommandName::new();
    word.push(name);
    match word.find() {
        None => RedisCommand { kind: CommandKind::Alone, class: 0 },
        Some(CommandKind::Family) => member(word, words),
        Some(kind) => RedisCommand { kind, class: word.class() },
    }
}

/// Returns the properties of a subcommand.
fn member(mut word: CommandName, words: &mut Args<'_>) -> RedisCommand {
    let family = word.class();
    let Some(second) = words.next() else { return RedisCommand { kind: CommandKind::Family, class: family } };
    // Unknown subcommands of CLIENT, of a later server, most likely affect the connection.
    let unknown = if family == CLIENT { CommandKind::Forever } else { CommandKind::Alone };
    word.push(b"|");
    word.push(second);
    match word.find() {
        None => RedisCommand { kind: unknown, class: family },
        Some(kind) => RedisCommand { kind, class: word.class() },
    }
}

/// The commands by kind. Subcommands are written as in the ACLs of Redis: `CLIENT|ID`.
///
/// The subcommands of CLIENT that ask about the connection (ID, INFO, GETNAME, TRACKINGINFO, GETREDIR) are
/// answered for the link that carries them. HELLO alone returns the link's id as well.
///
/// WAIT and WAITAOF concern earlier writes on the same connection. If the client holds no link, these would
/// be the writes of others, so the commands are refused.
const LISTS: [(CommandKind, &str); 26] = [
    (
        CommandKind::Read,
        "GET MGET STRLEN GETRANGE SUBSTR GETBIT BITCOUNT BITPOS BITFIELD_RO LCS EXISTS TTL PTTL EXPIRETIME \
         PEXPIRETIME TYPE DUMP KEYS SCAN DBSIZE SORT_RO PFCOUNT \
         HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HSCAN HTTL HPTTL HEXPIRETIME HPEXPIRETIME \
         LRANGE LINDEX LLEN LPOS SMEMBERS SISMEMBER SMISMEMBER SCARD SSCAN SDIFF SINTER SINTERCARD SUNION \
         ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZREVRANGE ZREVRANGEBYSCORE ZREVRANGEBYLEX ZSCORE ZMSCORE ZCARD \
         ZCOUNT ZLEXCOUNT ZRANK ZREVRANK ZSCAN ZDIFF ZINTER ZINTERCARD ZUNION \
         GEODIST GEOHASH GEOPOS GEOSEARCH GEORADIUS_RO GEORADIUSBYMEMBER_RO XLEN XRANGE XREVRANGE XPENDING \
         VSIM VCARD VDIM VEMB VGETATTR VINFO VLINKS VISMEMBER VRANGE \
         PING ECHO TIME INFO LASTSAVE ROLE",
    ),
    (
        CommandKind::Read,
        "ACL|CAT ACL|DRYRUN ACL|GETUSER ACL|HELP ACL|LIST ACL|USERS ACL|WHOAMI \
         CLIENT|GETNAME CLIENT|GETREDIR CLIENT|HELP CLIENT|ID CLIENT|INFO CLIENT|LIST CLIENT|TRACKINGINFO \
         CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|COUNTKEYSINSLOT CLUSTER|GETKEYSINSLOT CLUSTER|HELP CLUSTER|INFO \
         CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID CLUSTER|MYSHARDID CLUSTER|NODES CLUSTER|REPLICAS \
         CLUSTER|SHARDS CLUSTER|SLAVES CLUSTER|SLOTS CLUSTER|SLOT-STATS \
         COMMAND|COUNT COMMAND|DOCS COMMAND|GETKEYS COMMAND|GETKEYSANDFLAGS COMMAND|HELP COMMAND|INFO \
         COMMAND|LIST CONFIG|GET CONFIG|HELP FUNCTION|DUMP FUNCTION|HELP FUNCTION|LIST FUNCTION|STATS \
         LATENCY|DOCTOR LATENCY|GRAPH LATENCY|HELP LATENCY|HISTOGRAM LATENCY|HISTORY LATENCY|LATEST \
         MEMORY|DOCTOR MEMORY|HELP MEMORY|MALLOC-STATS MEMORY|STATS MEMORY|USAGE MODULE|HELP MODULE|LIST \
         OBJECT|ENCODING OBJECT|FREQ OBJECT|HELP OBJECT|IDLETIME OBJECT|REFCOUNT \
         PUBSUB|CHANNELS PUBSUB|HELP PUBSUB|NUMPAT PUBSUB|NUMSUB PUBSUB|SHARDCHANNELS PUBSUB|SHARDNUMSUB \
         SCRIPT|EXISTS SCRIPT|HELP SLOWLOG|GET SLOWLOG|HELP SLOWLOG|LEN \
         XGROUP|HELP XINFO|CONSUMERS XINFO|GROUPS XINFO|HELP XINFO|STREAM",
    ),
    (
        CommandKind::Write,
        "SET SETEX SETNX PSETEX SETRANGE SETBIT GETSET GETDEL GETEX MSET MSETNX MSETEX APPEND INCR INCRBY \
         INCRBYFLOAT DECR DECRBY BITOP BITFIELD DEL DELEX UNLINK TOUCH COPY MOVE RENAME RENAMENX RESTORE PERSIST \
         EXPIRE EXPIREAT PEXPIRE PEXPIREAT SORT RANDOMKEY PFADD PFMERGE \
         HSET HSETNX HMSET HDEL HINCRBY HINCRBYFLOAT HRANDFIELD HEXPIRE HEXPIREAT HPEXPIRE HPEXPIREAT HPERSIST \
         HGETDEL HGETEX HSETEX LPUSH LPUSHX RPUSH RPUSHX LPOP RPOP LMPOP LREM LSET LTRIM LINSERT LMOVE \
         RPOPLPUSH SADD SREM SPOP SMOVE SRANDMEMBER SDIFFSTORE SINTERSTORE SUNIONSTORE \
         ZADD ZINCRBY ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZPOPMIN ZPOPMAX ZMPOP ZRANDMEMBER \
         ZRANGESTORE ZDIFFSTORE ZINTERSTORE ZUNIONSTORE GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE \
         XADD XDEL XDELEX XACK XACKDEL XTRIM XSETID XCLAIM XAUTOCLAIM VADD VREM VSETATTR VRANDMEMBER \
         PUBLISH SPUBLISH LOLWUT BGSAVE BGREWRITEAOF SWAPDB",
    ),
    (
        CommandKind::Write,
        "ACL|DELUSER ACL|GENPASS ACL|LOAD ACL|LOG ACL|SAVE ACL|SETUSER CLIENT|KILL CLIENT|UNBLOCK \
         CONFIG|RESETSTAT CONFIG|REWRITE CONFIG|SET FUNCTION|DELETE FUNCTION|KILL FUNCTION|LOAD \
         FUNCTION|RESTORE LATENCY|RESET MEMORY|PURGE SCRIPT|KILL SCRIPT|LOAD SLOWLOG|RESET \
         XGROUP|CREATE XGROUP|CREATECONSUMER XGROUP|DELCONSUMER XGROUP|DESTROY XGROUP|SETID",
    ),
    (
        CommandKind::Alone,
        "EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO DEBUG SHUTDOWN FAILOVER REPLICAOF SLAVEOF MIGRATE SAVE \
         FLUSHALL FLUSHDB PFDEBUG PFSELFTEST RESTORE-ASKING",
    ),
    (
        CommandKind::Alone,
        "CLIENT|PAUSE CLIENT|UNPAUSE FUNCTION|FLUSH MODULE|LOAD MODULE|LOADEX MODULE|UNLOAD SCRIPT|FLUSH",
    ),
    (
        CommandKind::Alone,
        "CLUSTER|ADDSLOTS CLUSTER|ADDSLOTSRANGE CLUSTER|BUMPEPOCH CLUSTER|DELSLOTS CLUSTER|DELSLOTSRANGE \
         CLUSTER|FAILOVER CLUSTER|FLUSHSLOTS CLUSTER|FORGET CLUSTER|MEET CLUSTER|REPLICATE CLUSTER|RESET \
         CLUSTER|SAVECONFIG CLUSTER|SET-CONFIG-EPOCH CLUSTER|SETSLOT",
    ),
    (CommandKind::Blocks, "BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP"),
    (CommandKind::Waits, "WAIT WAITAOF"),
    (CommandKind::BlocksIfTold { reads: true }, "XREAD"),
    (CommandKind::BlocksIfTold { reads: false }, "XREADGROUP"),
    (CommandKind::Watch, "WATCH"),
    (CommandKind::Unwatch, "UNWATCH"),
    (CommandKind::Multi, "MULTI"),
    (CommandKind::Exec, "EXEC DISCARD"),
    (CommandKind::Reset, "RESET"),
    (CommandKind::Quit, "QUIT"),
    (CommandKind::Select, "SELECT"),
    (CommandKind::Hello, "HELLO"),
    (CommandKind::Name(1), "CLIENT|SETNAME"),
    (CommandKind::Name(2), "CLIENT|SETINFO"),
    (CommandKind::Notices, "CLIENT|MAINT_NOTIFICATIONS"),
    (CommandKind::Leave, "UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE"),
    (
        CommandKind::Forever,
        "SUBSCRIBE PSUBSCRIBE SSUBSCRIBE MONITOR AUTH SYNC PSYNC REPLCONF ASKING READONLY READWRITE \
         SCRIPT|DEBUG CLIENT|REPLY CLIENT|TRACKING CLIENT|CACHING CLIENT|NO-EVICT CLIENT|NO-TOUCH",
    ),
    (
        CommandKind::Family,
        "ACL CLIENT CLUSTER COMMAND CONFIG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SLOWLOG XGROUP \
         XINFO",
    ),
    // These are words of HTTP, which a browser may be made to send; Redis closes the connection.
    (CommandKind::Forever, "POST HOST:"),
];

/// The length in bytes that a name may have. The longest in the lists has 29.
const LONGEST: usize = 32;

/// The number of slots in the table: a power of two, and more than twice the number of commands.
const SLOTS: usize = 1024;

const CLIENT: u32 = hash(b"CLIENT");

/// An entry of the table, at the hash of the command or after it.
#[derive(Clone, Copy)]
struct CommandEntry {
    name: &'static [u8],
    kind: CommandKind,
}

static TABLE: [CommandEntry; SLOTS] = table();

const fn table() -> [CommandEntry; SLOTS] {
    let mut table = [CommandEntry { name: b"", kind: CommandKind::Alone }; SLOTS];
    let mut list = 0;
    while list < LISTS.len() {
        let (kind, names) = LISTS[list];
        let mut rest = names.as_bytes();
        while let [_, ..] = rest {
            let (name, after) = rest.split_at(first_word(rest));
            assert!(name.len() <= LONGEST);
            let mut at = slot(hash(name));
            while !table[at].name.is_empty() {
                at = (at + 1) % SLOTS;
            }
            table[at] = CommandEntry { name, kind };
            rest = after.trim_ascii_start();
        }
        list += 1;
    }
    table
}

/// Returns the number of bytes before the first space.
const fn first_word(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != b' ' {
        at += 1;
    }
    at
}

const fn slot(hash: u32) -> usize {
    (hash ^ hash >> 16) as usize % SLOTS
}

const fn hash(name: &[u8]) -> u32 {
    let mut hash = BASIS;
    let mut at = 0;
    while at < name.len() {
        hash = with(hash, name[at]);
        at += 1;
    }
    hash
}

/// A name in capitals, with its hash.
struct CommandName {
    bytes: [u8; LONGEST],
    /// The length; more than `LONGEST` for a name that was cut, which is in no list.
    len: usize,
    hash: u32,
}

impl CommandName {
    const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0, hash: BASIS }
    }

    fn push(&mut self, more: &[u8]) {
        // A name that is too long is cut, and its length keeps it from being found.
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(more) {
            *place = byte.to_ascii_uppercase();
            self.hash = with(self.hash, *place);
        }
        self.len = self.len.saturating_add(more.len());
    }

    fn find(&self) -> Option<CommandKind> {
        let name = self.bytes.get(..self.len)?;
        let mut at = slot(self.hash);
        loop {
            let found = TABLE[at];
            if found.name.is_empty() {
                return None;
            }
            if found.name == name {
                return Some(found.kind);
            }
            at = (at + 1) % SLOTS;
        }
    }

    const fn class(&self) -> u32 {
        // 0 stands for unknown commands.
        if self.hash == 0 { 1 } else { self.hash }
    }
}
