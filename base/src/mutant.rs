//! Seeded mutants, by which the tests are tested: each breaks one rule of the design at the very line that keeps
//! it, and a test or the simulation must notice.
//!
//! Promises: without the feature `mutants` nothing of them is left in the program; with it, a process runs at
//! most one, chosen when the process starts. `scripts/mutants` runs them all in turn.
//! Must not know: which test notices.

/// Declares the mutants; the line above each is the rule that it breaks.
macro_rules! mutants {
    ($(#[doc = $rule:literal] $name:ident,)+) => {
        /// A seeded bug. Its description is the rule that it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $rule] $name,)+
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// Every mutant.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The rule that it breaks.
            pub fn rule(self) -> &'static str {
                match self {
                    $(Self::$name => $rule.trim_ascii(),)+
                }
            }
        }
    };
}

mutants! {
    /// a shard is fsynced before its drive answers
    SkipShardSync,
    /// entries and votes are fsynced before they are answered
    SkipLogSync,
    /// after a failed fsync a segment takes nothing more, and what was to be written is not acknowledged
    IgnoreFailedSync,
    /// of two folders that say they are the same drive neither is opened
    TakeTwoOfOneIdentity,
    /// an empty folder on another file system than noted is a missing mount, and is never formatted
    FormatMissingMount,
    /// a shard that is there and sound is not written over
    ReplaceShard,
    /// every use of a segment file has a fresh generation
    ReuseGeneration,
    /// a start takes no record of the last batch whose payload is not whole
    TrustTornBatch,
    /// a tombstone is kept while an older copy can exist
    DropTombstoneEarly,
    /// a valid batch behind a break proves that the log lost promises
    TakeLossForTornTail,
    /// a log file whose header is neither valid nor unwritten proves that the log lost promises
    TakeRottenHeaderForSpare,
    /// a log without the file that was noted as newest lost promises
    ForgetNewestFile,
    /// a log that ends before it was durable lost promises
    TrustShorterLog,
    /// a drive whose log ends before what others heard of its last start has forgotten its past
    IgnoreHeardEnd,
    /// a drive that counts no more starts than the map has forgotten its past
    TrustOlderStart,
    /// a follower that lacks what it had acknowledged is noted
    IgnoreReversion,
    /// a replica gets a vote once it has what the leader has, but for little
    PromoteUnready,
    /// a start is judged by the voters that a quorum committed, not by the replicas that are wanted
    CountUnpromoted,
    /// a cluster is formed once the meta group has its voters
    FormWithoutVoters,
    /// a replica of a lost drive goes to another
    LeaveOnLostDrive,
    /// all k+m shards are written before a chunk is acknowledged
    AcknowledgeOneEarly,
    /// an object is committed once all its chunks are durable
    MetadataBeforeChunks,
    /// a commit with shards off their primaries leaves a repair row
    NoRepairRow,
    /// a repair row goes once its blob's shards were read on their primaries
    DropRowUnread,
    /// a damaged shard that cannot be repaired leaves a repair row
    ForgetUnrepaired,
    /// a blob committed after the sweep for a loss that it had before gets its repair row with the commit
    CommitBehindSweep,
    /// repair rows are cut into commands whose effects fit an entry
    MarkPageAtOnce,
    /// a repair row goes once every shard is on its primary
    DropRepairRowEarly,
    /// a copy off its primary goes once the primary has read the shard back
    DropHandoffEarly,
    /// the reader of a shard verifies it
    SkipVerification,
    /// a dropped blob is kept until its readers have finished
    ReapAtOnce,
    /// only a blob born before the disown horizon may be disowned
    DisownYoung,
    /// a commit that names a blob born before the disown horizon is refused
    NameDisowned,
    /// a commit that names a blob which a row names, or which was given up, is refused
    NameTwice,
    /// a blob is named, and given up, under the key alone that its id is bound to
    NameForeign,
    /// a blob that a row names is not given up
    AbandonNamed,
    /// the reaper looks at a blob's row once more before it deletes
    ReapUnlooked,
    /// an ordinal is above the newest of its key, whatever the clock says
    OrdinalFromClockAlone,
    /// a repeated command gets its first outcome
    RepeatExecutesAgain,
    /// what a repeat is answered is kept, also a refusal, so that an attempt that went unanswered gets it when it arrives late
    ForgetRefusals,
    /// a command is refused past its deadline
    AcceptPastDeadline,
    /// a command is evaluated under its latches
    EvaluateUnlatched,
    /// latches are held until the effect is applied
    ReleaseLatchesEarly,
    /// a leader evaluates once it has applied all from before its leadership
    EvaluateBeforeReady,
    /// only a leader answers reads
    ReadFromFollower,
    /// a leader without a lease asks a quorum before it answers
    ReadWithoutLease,
    /// a leader's lease is shorter than its followers' patience
    LeaseTooLong,
    /// a leader whose drive hangs gives up its lease and its leadership
    KeepLeaseOnHungDrive,
    /// a replica with rotten rows begins anew
    KeepRottenReplica,
    /// a replica with other rows than most begins anew
    KeepDifferingReplica,
    /// stores are set aside only if most of the voters of each range are elsewhere and up
    BeginNeededAnew,
    /// a restarted replica grants no vote for one lease
    VoteAfterRestart,
    /// a leader whose clock differs from the others' by too much takes no writes
    LeadByWrongClock,
    /// locks are judged by the cluster time
    JudgeLocksByWallClock,
    /// the log is purged up to what the store has flushed
    PurgeUnflushed,
    /// when a pool is short, the holder of most gives way
    CutTheSmallest,
}

/// Whether this process runs the mutant of this name: `mutant!(SkipLogSync)`.
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is_seeded($crate::mutant::Mutant::$name)
    };
}

/// Whether this process runs the mutant: never.
#[cfg(not(feature = "mutants"))]
pub const fn is_seeded(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, is_seeded};

#[cfg(feature = "mutants")]
mod chosen {
    use std::str::FromStr;
    use std::sync::OnceLock;

    use thiserror::Error;

    use super::Mutant;

    /// Names the mutant of a process for which [`choose`] was not called: a test.
    const VARIABLE: &str = "COURONNE_MUTANT";

    static CHOSEN: OnceLock<Option<Mutant>> = OnceLock::new();

    /// No mutant has this name.
    #[derive(Clone, Debug, PartialEq, Eq, Error)]
    #[error("no mutant is called {0}")]
    pub struct UnknownMutant(String);

    impl FromStr for Mutant {
        type Err = UnknownMutant;

        fn from_str(name: &str) -> Result<Self, UnknownMutant> {
            let mut all = Self::ALL.iter().copied();
            all.find(|mutant| format!("{mutant:?}") == name).ok_or_else(|| UnknownMutant(name.to_owned()))
        }
    }

    /// Chooses the mutant of this process. Only the first choice counts, and none can be made once
    /// [`is_seeded`] was asked.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.get_or_init(|| mutant);
    }

    /// Whether this process runs the mutant.
    pub fn is_seeded(mutant: Mutant) -> bool {
        let by_environment = || std::env::var(VARIABLE).ok()?.parse().ok();
        *CHOSEN.get_or_init(by_environment) == Some(mutant)
    }
}
