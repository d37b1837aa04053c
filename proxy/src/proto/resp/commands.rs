//! The commands of Redis up to version 8, and what kind each is; `policy` says what follows from the kind.
//!
//! A command is found by the hash of its name in capitals, in a table that the compiler fills: one look, and no copy on
//! the heap. A command that is in no list may do anything, so nobody shares a link with it.

use super::args::Args;
use crate::proto::fnv::{BASIS, with};

/// What a command does to the link it goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandKind {
    /// Only reads, and would read the same again: may be sent twice.
    Read,
    /// Is done when it is answered; may change what is stored, or say something else the next time.
    Write,
    /// As `Write`, but may take long, stop the server, or is unknown.
    Alone,
    /// Waits for others.
    Blocks,
    /// Waits for what was written before on the same connection.
    Waits,
    /// Waits for others where it says BLOCK.
    BlocksIfTold {
        /// Whether it only reads.
        reads: bool,
    },
    /// Watches keys, until what ends that.
    Watch,
    /// Ends watching.
    Unwatch,
    /// Begins a transaction.
    Multi,
    /// Ends a transaction.
    Exec,
    /// Makes the connection as new.
    Reset,
    /// Ends the connection.
    Quit,
    /// Chooses a database.
    Select,
    /// Chooses a version of the protocol, and more.
    Hello,
    /// Gives the connection a name, with so many words after the command's first.
    Name(usize),
    /// Asks to be told of what happens to the server (Redis Enterprise).
    Notices,
    /// Ends subscriptions: an answer for each.
    Leave,
    /// Changes the connection for good, or what comes over it is no longer an answer for each request.
    Forever,
    /// The second word says what it is, and is not there: an error, or the list of what there is.
    Family,
}

/// A command, as far as a link is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct RedisCommand {
    pub(super) kind: CommandKind,
    /// The same for the same command, never 0; 0 for what is not in the lists.
    pub(super) class: u32,
}

impl RedisCommand {
    /// It is one of a family, and its second word is not known.
    pub(super) fn is_of_family(&self) -> bool {
        self.kind == CommandKind::Family
    }
}

/// What a request of this name is; takes the second word of a family's from the words that follow.
pub(super) fn command(name: &[u8], words: &mut Args<'_>) -> RedisCommand {
    let mut word = CommandName::new();
    word.push(name);
    match word.find() {
        None => RedisCommand { kind: CommandKind::Alone, class: 0 },
        Some(CommandKind::Family) => member(word, words),
        Some(kind) => RedisCommand { kind, class: word.class() },
    }
}

/// One of a family, by its second word.
fn member(mut word: CommandName, words: &mut Args<'_>) -> RedisCommand {
    let family = word.class();
    let Some(second) = words.next() else { return RedisCommand { kind: CommandKind::Family, class: family } };
    // What a later server adds to CLIENT is most likely about the connection.
    let unknown = if family == CLIENT { CommandKind::Forever } else { CommandKind::Alone };
    word.push(b"|");
    word.push(second);
    match word.find() {
        None => RedisCommand { kind: unknown, class: family },
        Some(kind) => RedisCommand { kind, class: word.class() },
    }
}

/// The lists. A family's are written as in Redis's ACLs: `CLIENT|ID`.
///
/// Of CLIENT, what asks of the connection (ID, INFO, GETNAME, TRACKINGINFO, GETREDIR) is answered for the link that
/// it happened to go over. HELLO alone tells the link's id as well.
///
/// WAIT and WAITAOF speak of what was written before on the same connection: where the client holds no link, that
/// would be what others wrote, so they are refused.
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
    // Of HTTP, which a browser may be made to send: Redis closes the connection.
    (CommandKind::Forever, "POST HOST:"),
];

/// The longest name in the lists has 29 bytes.
const LONGEST: usize = 32;

/// A power of two, and more than twice the commands.
const SLOTS: usize = 1024;

const CLIENT: u32 = hash(b"CLIENT");

/// Where a command stands in the table: at its hash, or behind it.
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

/// Bytes before the first space.
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
    /// More than `LONGEST`: it was cut, and is in no list.
    len: usize,
    hash: u32,
}

impl CommandName {
    const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0, hash: BASIS }
    }

    fn push(&mut self, more: &[u8]) {
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
        if self.hash == 0 { 1 } else { self.hash }
    }
}
