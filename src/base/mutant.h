// Mutants: mistakes that docs/ENGINE.md and docs/REPLICATION.md forbid. `make mutants` compiles
// them in and makes them one at a time, by number, and expects a test to fail. In every other build
// mutant() is false and the branch is gone.
#pragma once

#ifdef HOLDFAST_MUTANTS
#include <cstdlib>
#endif

namespace holdfast {

enum class Mutant {
  kNone,
  kCutBelowDurable,        // D1
  kReadErrorEndsLog,       // D2
  kAckFailedFlush,         // D3
  kRetryFailedFlush,       // D4
  kTrimOlderLog,           // D5
  kReuseOlderExtents,      // D6
  kTrustUncertainHead,     // D7
  kFormatDamaged,          // D8
  kForeignBlocks,          // D9
  kRewriteDurableBlock,    // D10
  kResurrectCut,           // D11
  kRepairByDeleting,       // D12
  kCheckpointUncommitted,  // D13
  kReuseGeneration,        // D14
  kSkipDamagedRecords,     // D15
  kLogBeforeData,          // D16
  // Of the replication protocol: docs/TESTING.md names the bug behind each.
  kMuseum = 100,           //
  kAckUnflushed,           // I2
  kAckUnmatched,           // I3
  kCountOldAcks,           // I3
  kCommitOldEpochByCount,  // I5
  kPromiseUnsaved,         // I9
  kObeyOldEpoch,           // I10
  kCommitForming,          // I14
  kBeatWithStalledDisk,    // I18
  kReadBeforeStart,        // I19
  kReadFromOlderRound,     // I20
  kLeaseFromReply,         // I21
  kHandoverKeepsLease,     // I22
  kMatchAtCommit,          // I24
  kAppendUnmatched,        // I29
  kCountOwnUnflushed,      // I2
  kQuorumTooSmall,         // I1
  kReuseEpoch,             // I13
  kChooseByCommit,         // I12
  kChooseByLength,         // I12
  kFenceTooFew,            // I11
  kActivateUnderLease,     // I21
  kTestifyUnfenced,        // I11
  kTestifyUntrusted,       // I27
  kForgetLease,            // I21
  kResumeEpoch,            // I45
  kVoteForOlderLog,        // I12
  kVoteTwice,              // I38
  kVoteDespiteLeader,      // I39
  kChangeMembersEarly,     // I35
  kMembersAtCommit,        // I36
  kInstallOverNewer,       // I26
  kTrustInMemory,          // I25
  kTrustLateWord,          // I27
  kIgnoreStore,            // I16
  kStaleActivate,          // I40
  kCommitUnmatched,        // I4
  kTruncateOverlap,        // I26
  kReadWithoutLease,       // I21
  kLeaveForOldView,        // I26
  // Of a cluster: what the simulation of whole nodes is to catch.
  kOfClusters = 200,     //
  kReplyBeforeCommit,    // I1
  kReadUncommitted,      // I6
  kActOnProposal,        // I13
  kCountAnyStore,        // I16
  kServeWithoutLease,    // I19
  kTellMapWithoutLease,  // I19
  kTakeOlderMap,         // I40
  kDoAgain,              // I42
};

#ifdef HOLDFAST_MUTANTS
inline bool mutant(Mutant which) {
  static const int made = [] {
    const char* number = std::getenv("HOLDFAST_MUTANT");
    return number == nullptr ? 0 : std::atoi(number);
  }();
  return static_cast<int>(which) == made;
}
#else
constexpr bool mutant(Mutant) { return false; }
#endif

}  // namespace holdfast
